//! Payments whose predecessors are missing, within bounds: the oldest is dropped first.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::payment::Payment;
use blocksmith_consensus::{Hash, Timestamp};

use super::Waiting;

/// The most payments that are held, of all senders together: about a megabyte.
pub const MAX_HELD: usize = 1_000;

/// Seconds after which a held payment is dropped.
pub const MAX_HELD_S: u64 = 600;

#[derive(Debug, Default)]
pub(super) struct Held {
    by_nonce: BTreeMap<(Address, u64), Waiting>,
    arrivals: BTreeSet<(Timestamp, (Address, u64))>,
}

impl Held {
    /// Holds a payment, in the place of another one with its nonce.
    pub(super) fn insert(&mut self, new: Waiting) {
        let key = (new.payment.sender(), new.payment.nonce());
        self.take(key);
        self.arrivals.insert((new.arrived, key));
        self.by_nonce.insert(key, new);
        if self.by_nonce.len() > MAX_HELD
            && let Some((_, oldest)) = self.arrivals.first()
        {
            self.take(*oldest);
        }
    }

    /// This sender's payment with this nonce.
    pub(super) fn with_nonce(&self, sender: Address, nonce: u64) -> Option<&Waiting> {
        self.by_nonce.get(&(sender, nonce))
    }

    pub(super) fn contains(&self, payment: &Payment) -> bool {
        let same_nonce = self.with_nonce(payment.sender(), payment.nonce());
        same_nonce.is_some_and(|held| held.payment.id() == payment.id())
    }

    /// Searches all held payments, which are few.
    pub(super) fn get(&self, id: &Hash) -> Option<&Waiting> {
        self.by_nonce.values().find(|held| held.payment.id() == *id)
    }

    /// The ids of all of them.
    pub(super) fn ids(&self) -> impl Iterator<Item = Hash> {
        self.by_nonce.values().map(|held| held.payment.id())
    }

    pub(super) fn take(&mut self, key: (Address, u64)) -> Option<Waiting> {
        let held = self.by_nonce.remove(&key)?;
        self.arrivals.remove(&(held.arrived, key));
        Some(held)
    }

    /// Whether any of this sender is held.
    pub(super) fn has(&self, sender: Address) -> bool {
        self.by_nonce.range((sender, 0)..=(sender, u64::MAX)).next().is_some()
    }

    /// This sender's payments, in the order of their nonces.
    pub(super) fn of(&self, sender: Address) -> impl Iterator<Item = &Waiting> {
        self.by_nonce.range((sender, 0)..=(sender, u64::MAX)).map(|(_, held)| held)
    }

    /// The senders of the held payments.
    pub(super) fn senders(&self) -> impl Iterator<Item = Address> {
        self.by_nonce.keys().map(|(sender, _)| *sender)
    }

    /// Drops a sender's payments with nonces below `nonce`.
    pub(super) fn forget_below(&mut self, sender: Address, nonce: u64) {
        let range = (sender, 0)..(sender, nonce);
        let keys: Vec<_> = self.by_nonce.range(range).map(|(key, _)| *key).collect();
        for key in keys {
            self.take(key);
        }
    }

    pub(super) fn expire(&mut self, now: Timestamp) {
        while let Some((arrived, key)) = self.arrivals.first()
            && now.micros.saturating_sub(arrived.micros) >= MAX_HELD_S * 1_000_000
        {
            self.take(*key);
        }
    }
}
