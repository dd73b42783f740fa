//! In which block each payment would be if nothing came or went but blocks of this mempool.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use blocksmith_consensus::Hash;
use blocksmith_consensus::address::Address;

use super::{FeeRate, Mempool, Order, Rank, chosen, chunks};
use crate::turn::{MAX_AHEAD, MAX_BLOCKS, Turn, WhyLater};

impl Mempool {
    /// When the turn of each of these payments comes that waits: blocks are made of the mempool one
    /// after the other, as [`Mempool::template`] does, until all of them are found, at most
    /// [`MAX_BLOCKS`], and none after [`MAX_AHEAD`] payments. `room` says how many bytes the next block has for payments, the block after
    /// it, and so on from 0; [`Turn::block`] counts in the same way.
    pub fn turns(
        &self,
        wanted: &BTreeSet<Hash>,
        room: impl Fn(u64) -> usize,
    ) -> BTreeMap<Hash, Turn> {
        let missing = wanted.iter().filter(|id| self.by_id.contains_key(*id)).count();
        let (mut turns, mut ahead) = (BTreeMap::new(), 0);
        // How many of a sender's payments are in blocks by now.
        let mut gone: BTreeMap<Address, usize> = BTreeMap::new();
        // What is left of their queues, whose chunks rank as those of queues of their own.
        let mut rest = Order::new();
        for block in 0..MAX_BLOCKS {
            if turns.len() == missing || ahead >= MAX_AHEAD {
                break;
            }
            let whole = self.order.iter().filter(|(_, (sender, _))| !gone.contains_key(sender));
            let chosen: Vec<_> = chosen(in_order(whole, rest.iter()), room(block))
                .map(|(place, (sender, payments))| (*place, *sender, *payments))
                .collect();
            if chosen.is_empty() {
                break;
            }
            let mut left: BTreeMap<Address, usize> = BTreeMap::new();
            for (place, sender, payments) in &chosen {
                let queue = self.of_sender(sender);
                let start = (place.nonce - queue[0].payment.nonce()) as usize;
                for waiting in &queue[start..start + payments] {
                    ahead += 1;
                    if wanted.contains(&waiting.payment.id()) {
                        let is_dragged = FeeRate::of(&waiting.payment) > place.rate.0;
                        let why = match is_dragged {
                            true => WhyLater::Nonce(place.nonce),
                            false => WhyLater::Fee,
                        };
                        let why = (block > 0).then_some(why);
                        turns.insert(waiting.payment.id(), Turn { place: ahead, block, why });
                    }
                }
                left.insert(*sender, start + payments);
            }
            for (sender, now) in left {
                let queue = self.of_sender(&sender);
                if let Some(before) = gone.insert(sender, now) {
                    for chunk in chunks(&queue[before..]) {
                        rest.remove(&chunk.place);
                    }
                }
                let left = chunks(&queue[now..]).into_iter();
                rest.extend(left.map(|chunk| (chunk.place, (sender, chunk.payments))));
            }
        }
        turns
    }

    /// The payments of one sender that are held, in the order of their nonces.
    pub fn held_of(&self, sender: &Address) -> impl Iterator<Item = &super::Waiting> {
        self.held.of(*sender)
    }
}

/// The entries of both, each of which is in the order of its keys.
fn in_order<'a, V: 'a>(
    one: impl Iterator<Item = (&'a Rank, &'a V)>,
    other: impl Iterator<Item = (&'a Rank, &'a V)>,
) -> impl Iterator<Item = (&'a Rank, &'a V)> {
    let (mut one, mut other) = (one.peekable(), other.peekable());
    core::iter::from_fn(move || match (one.peek(), other.peek()) {
        (Some((first, _)), Some((second, _))) if second < first => other.next(),
        (None, Some(_)) => other.next(),
        _ => one.next(),
    })
}
