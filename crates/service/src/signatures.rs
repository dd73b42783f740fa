//! Reads signed payments and checks their signatures on all cores, each once, before they reach the
//! one thread that changes the node's state.
//!
//! Checked payments are remembered for a while by their texts, whether they came alone or in a
//! block: a block whose payments waited here needs no signature check. The points of parties are
//! remembered too, since each takes a square root to compute.

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;

use blocksmith_consensus::address::Party;
use blocksmith_consensus::check::check_alone_with;
use blocksmith_consensus::json::Value;
use blocksmith_consensus::payment::{
    BadEntry, Domain, Payment, ReadParty, Verified, VerifiedEntry,
};
use blocksmith_consensus::{Block, Checked, Invalid, Rules};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// How many payments a thread takes at a time: about a millisecond's work.
const PART: usize = 8;

/// How many payments are remembered at least, and half of how many at most: as many as a mempool
/// holds. One takes some 300 bytes and its text.
const REMEMBERED: usize = 100_000;

/// How many parties are remembered at least, and half of how many at most; one takes some 250 bytes.
const PARTIES: usize = 50_000;

/// How many bytes at the end of a payment's text tell it from others: half of its signature and the
/// closing characters.
const TAIL_BYTES: usize = 66;

/// Checks the signatures of a chain.
pub struct Signatures {
    /// `None` on an open chain.
    domain: Option<Domain>,
    threads: usize,
    hasher: RandomState,
    /// Checked payments by the ends of their texts.
    known: Mutex<Memory<Verified>>,
    /// Parties by their addresses.
    parties: RwLock<Memory<Box<(String, Party)>>>,
}

/// A cache of two generations, keyed by numbers: the latest entries, and those before them.
struct Memory<T> {
    young: HashTable<(u64, T)>,
    old: HashTable<(u64, T)>,
    /// How many entries a generation has.
    most: usize,
}

impl<T> Memory<T> {
    fn new(most: usize) -> Self {
        Self { young: HashTable::new(), old: HashTable::new(), most }
    }

    fn get(&self, number: u64, is_same: impl Fn(&T) -> bool) -> Option<&T> {
        let same = |(found, thing): &(u64, T)| *found == number && is_same(thing);
        let found = self.young.find(number, same).or_else(|| self.old.find(number, same));
        found.map(|(_, thing)| thing)
    }

    /// Inserts an entry; it replaces one with the same number.
    fn insert(&mut self, number: u64, thing: T) {
        if self.young.len() >= self.most {
            self.old = std::mem::take(&mut self.young);
        }
        match self.young.entry(number, |(found, _)| *found == number, |(found, _)| *found) {
            Entry::Occupied(mut entry) => entry.get_mut().1 = thing,
            Entry::Vacant(entry) => _ = entry.insert((number, thing)),
        }
    }
}

impl Signatures {
    /// Creates empty caches.
    pub fn new(rules: &Rules) -> Self {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let (known, parties) = (Memory::new(REMEMBERED), Memory::new(PARTIES));
        Self {
            domain: rules.domain(),
            threads,
            hasher: RandomState::new(),
            known: Mutex::new(known),
            parties: RwLock::new(parties),
        }
    }

    /// The domain that ties payments to the chain, if they are signed.
    pub(super) fn domain(&self) -> Option<&Domain> {
        self.domain.as_ref()
    }

    /// Makes the checks of blocks that need no parent, in order, up to the first that breaks a
    /// rule.
    pub(super) fn check(
        &self,
        rules: &Rules,
        blocks: Vec<Block>,
    ) -> (Vec<Checked>, Option<Invalid>) {
        let mut checked = Vec::with_capacity(blocks.len());
        for block in blocks {
            match check_alone_with(rules, block, |_, values| self.read(&values)) {
                Ok(good) => checked.push(good),
                Err(invalid) => return (checked, Some(invalid)),
            }
        }
        (checked, None)
    }

    /// Reads transactions from canonical values.
    ///
    /// # Errors
    /// Returns the first that is not a transaction, or is not signed by its sender, with its
    /// position.
    fn read(&self, values: &[Value<'_>]) -> Result<Vec<VerifiedEntry>, (usize, BadEntry)> {
        let Some(domain) = &self.domain else { return Ok(Vec::new()) };
        let known = |value: &Value<'_>| self.known(value.text()).map(VerifiedEntry::Payment);
        let mut entries: Vec<_> = values.iter().map(known).collect();
        let is_new = |(_, entry): &(usize, &Option<VerifiedEntry>)| entry.is_none();
        let new: Vec<_> =
            entries.iter().enumerate().filter(is_new).map(|(place, _)| place).collect();
        let read = |place: &usize, party: &mut ReadParty<'_>| {
            VerifiedEntry::of_canonical_with(values[*place], domain, party)
        };
        let payment = |entry: &VerifiedEntry| match entry {
            VerifiedEntry::Payment(payment) => Some(payment.clone()),
            VerifiedEntry::Coinbase(_) => None,
        };
        for (place, found) in new.iter().zip(self.on_all_cores(&new, read, payment)) {
            entries[*place] = Some(found.map_err(|why| (*place, why))?);
        }
        Ok(entries.into_iter().map(|entry| entry.expect("each is known or was read")).collect())
    }

    /// Reads payments from texts in any spelling, in the same order; returns none on an open chain.
    ///
    /// # Errors
    /// Each fails if it is not a payment, or if its sender did not sign it.
    pub fn payments(&self, texts: &[&[u8]]) -> Vec<Result<Verified, BadEntry>> {
        let Some(domain) = &self.domain else { return Vec::new() };
        let read = |wire: &&[u8], party: &mut ReadParty<'_>| {
            let payment = Payment::parse_with(wire, domain, party)?;
            match self.known(payment.text()) {
                Some(known) => Ok(known),
                None => Ok(payment.verify()?),
            }
        };
        self.on_all_cores(texts, read, |payment| Some(payment.clone()))
    }

    /// A number for a payment, from the end of its signature, which differs for each text.
    fn number(&self, text: &str) -> u64 {
        let text = text.as_bytes();
        self.hasher.hash_one(&text[text.len().saturating_sub(TAIL_BYTES)..])
    }

    /// The payment with this text, if it was checked.
    fn known(&self, text: &str) -> Option<Verified> {
        let number = self.number(text);
        self.all_known().get(number, |known| known.text() == text).cloned()
    }

    fn all_known(&self) -> MutexGuard<'_, Memory<Verified>> {
        // Each change is a single insertion, so a panic leaves the tables whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads each item, in order, and remembers the payments among them.
    fn on_all_cores<T: Sync, R: Send>(
        &self,
        items: &[T],
        read: impl Fn(&T, &mut ReadParty<'_>) -> Result<R, BadEntry> + Sync,
        payment: impl Fn(&R) -> Option<Verified> + Sync,
    ) -> Vec<Result<R, BadEntry>> {
        let parts: Vec<&[T]> = items.chunks(PART).collect();
        let next = AtomicUsize::new(0);
        let run = || {
            let mut done = Vec::new();
            // A faster thread takes more of them.
            while let at = next.fetch_add(1, Ordering::Relaxed)
                && let Some(part) = parts.get(at)
            {
                done.push((at, self.read_part(part, &read, &payment)));
            }
            done
        };
        let others = self.threads.min(parts.len()).saturating_sub(1);
        let mut all = thread::scope(|scope| {
            let others: Vec<_> = (0..others).map(|_| scope.spawn(run)).collect();
            let mut all = run();
            for other in others {
                all.extend(other.join().expect("checking a signature does not panic"));
            }
            all
        });
        all.sort_unstable_by_key(|(at, _)| *at);
        all.into_iter().flat_map(|(_, results)| results).collect()
    }

    /// Reads items one after the other. It takes the cache's lock once for all of them, here and
    /// not at the end, where all cores but one would wait.
    fn read_part<T, R>(
        &self,
        items: &[T],
        read: impl Fn(&T, &mut ReadParty<'_>) -> Result<R, BadEntry>,
        payment: impl Fn(&R) -> Option<Verified>,
    ) -> Vec<Result<R, BadEntry>> {
        let mut met = Vec::new();
        let mut party = |address: &str, hrp| {
            let number = self.hasher.hash_one(address);
            {
                let parties = self.parties.read().unwrap_or_else(PoisonError::into_inner);
                if let Some(known) = parties.get(number, |known| known.0 == address) {
                    return Ok(known.1);
                }
            }
            let party = Party::parse(address, hrp)?;
            met.push((number, Box::new((address.to_string(), party))));
            Ok(party)
        };
        let results: Vec<_> = items.iter().map(|item| read(item, &mut party)).collect();
        let checked: Vec<_> = results
            .iter()
            .flatten()
            .filter_map(payment)
            .map(|payment| (self.number(payment.text()), payment))
            .collect();
        let mut known = self.all_known();
        checked.into_iter().for_each(|(number, payment)| known.insert(number, payment));
        drop(known);
        if !met.is_empty() {
            let mut parties = self.parties.write().unwrap_or_else(PoisonError::into_inner);
            met.into_iter().for_each(|(number, party)| parties.insert(number, party));
        }
        results
    }
}

#[cfg(test)]
mod tests {
    use blocksmith_consensus::address::Address;
    use blocksmith_consensus::payment::Draft;
    use secp256k1::{Keypair, schnorr};

    use super::*;

    fn signatures(threads: usize) -> Signatures {
        Signatures { threads, ..Signatures::new(&Rules::forge()) }
    }

    fn payments(count: u64) -> Vec<String> {
        let keys = Keypair::from_secret_bytes([7; 32]).expect("a secret key");
        let key = keys.x_only_public_key().0.to_byte_array();
        let alice = Address::from_key(key).expect("a point");
        let domain = Rules::forge().domain().expect("signed");
        let payment = |nonce| {
            let draft =
                Draft { sender: alice, recipient: alice, amount: 1, fee: 0, nonce, memo: None };
            let unsigned = draft.write(&domain).expect("a payment");
            let signature = schnorr::sign_no_aux_rand(&unsigned.id().0, &keys).to_byte_array();
            unsigned.signed(&signature)
        };
        (0..count).map(payment).collect()
    }

    /// The same payment with another one's signature.
    fn forged(payments: &[String], place: usize) -> String {
        let signature = |text: &str| text[text.len() - 130..text.len() - 2].to_string();
        let (good, other) = (&payments[place], &payments[place ^ 1]);
        good.replace(&signature(good), &signature(other))
    }

    fn read(
        signatures: &Signatures,
        texts: &[String],
    ) -> Result<Vec<VerifiedEntry>, (usize, BadEntry)> {
        let values: Vec<_> = texts.iter().map(|text| Value::of_canonical(text)).collect();
        signatures.read(&values)
    }

    #[test]
    fn all_are_checked_in_order_on_any_number_of_threads() {
        for count in [0, 1, 31, 32, 33, 64, 100] {
            let all = payments(count);
            for threads in [0, 1, 2, 3, 8] {
                let signatures = signatures(threads);
                for _ in 0..2 {
                    let entries = read(&signatures, &all).expect("all are signed");
                    let text = |entry: VerifiedEntry| match entry {
                        VerifiedEntry::Payment(payment) => payment.text().to_string(),
                        VerifiedEntry::Coinbase(_) => panic!("there is no coin"),
                    };
                    assert_eq!(entries.into_iter().map(text).collect::<Vec<_>>(), all);
                }
                let wires: Vec<_> = all.iter().map(String::as_bytes).collect();
                let again = signatures.payments(&wires);
                let texts = again.iter().flatten().map(|payment| payment.text());
                assert!(texts.eq(all.iter().map(String::as_str)));
            }
        }
    }

    #[test]
    fn the_first_that_is_not_signed_is_named_wherever_it_is() {
        let all = payments(100);
        for threads in [1, 2, 3] {
            for (place, second) in [(0, 99), (31, 32), (33, 70), (99, 99)] {
                let mut some = all.clone();
                some[place] = forged(&all, place);
                some[second] = forged(&all, second);
                let signatures = signatures(threads);
                // Its valid payments are remembered, the forged one must not be.
                for _ in 0..2 {
                    let (found, why) = read(&signatures, &some).expect_err("one is forged");
                    assert_eq!(found, place, "{threads} threads");
                    assert!(matches!(why, BadEntry::Signature(_)), "{why}");
                }
            }
        }
    }

    #[test]
    fn what_is_remembered_is_known_by_its_whole_text() {
        let all = payments(2);
        let signatures = signatures(1);
        read(&signatures, &all).expect("all are signed");
        // The same payment, and so the same id, with a signature of something else.
        let forged = forged(&all, 0);
        assert!(matches!(
            read(&signatures, std::slice::from_ref(&forged)),
            Err((0, BadEntry::Signature(_)))
        ));
        let answer = signatures.payments(&[forged.as_bytes(), all[0].as_bytes(), b"{}"]);
        assert!(matches!(
            &answer[..],
            [Err(BadEntry::Signature(_)), Ok(_), Err(BadEntry::Transaction(_))]
        ));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut memory = Memory::new(2);
        // Two entries have the same number.
        let numbers = [3, 5, 5, 7, 8, 9, 10];
        let here = |memory: &Memory<usize>| {
            let is_here = |at: &usize| memory.get(numbers[*at], |thing| thing == at).is_some();
            (0..numbers.len()).filter(is_here).collect::<Vec<_>>()
        };
        let after = [
            &[0][..],
            &[0, 1],
            // The old and the new generation, the new one of one number.
            &[0, 1, 2],
            &[0, 1, 2, 3],
            &[2, 3, 4],
            &[2, 3, 4, 5],
            &[4, 5, 6],
        ];
        for (at, here_now) in after.into_iter().enumerate() {
            memory.insert(numbers[at], at);
            assert_eq!(here(&memory), here_now, "after {at}");
        }
        memory.insert(10, 7);
        assert!(memory.get(10, |thing| *thing == 6).is_none());
    }
}
