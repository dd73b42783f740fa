//! Reads signed payments and checks their signatures, before anything comes to the one thread that
//! changes anything: on all cores, and each once.
//!
//! What was checked is remembered for a while by its text, be it that it came alone or in a block:
//! a block whose payments waited here costs no signature. So are the points of parties, each of
//! which takes a square root to find.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};
use std::thread;

use blocksmith_consensus::address::Party;
use blocksmith_consensus::check::check_alone_with;
use blocksmith_consensus::json::Value;
use blocksmith_consensus::payment::{
    BadEntry, Domain, Payment, ReadParty, Verified, VerifiedEntry,
};
use blocksmith_consensus::{Block, Checked, Invalid, Rules};

/// As many payments are handed to a thread at a time: about a millisecond's work.
const PART: usize = 32;

/// How many payments are remembered at least, and half of how many at most: as many as a mempool
/// holds. One takes some 300 bytes and its text.
const REMEMBERED: usize = 100_000;

/// How many parties are remembered at least, and half of how many at most; one takes some 250 bytes.
const PARTIES: usize = 50_000;

/// How much of a payment's text tells it from others: half of its signature, and what follows.
const TAIL_BYTES: usize = 66;

/// What checks the signatures of a chain.
pub struct Signatures {
    /// `None` where nothing is signed.
    domain: Option<Domain>,
    threads: usize,
    known: Mutex<Known>,
    parties: RwLock<Parties>,
}

/// Parties by their addresses: those that were met lately, and those before them.
#[derive(Default)]
struct Parties {
    young: HashMap<String, Party>,
    old: HashMap<String, Party>,
}

impl Parties {
    fn get(&self, address: &str) -> Option<Party> {
        self.young.get(address).or_else(|| self.old.get(address)).copied()
    }

    fn extend(&mut self, new: Vec<(String, Party)>) {
        for (address, party) in new {
            if self.young.len() >= PARTIES {
                self.old = std::mem::take(&mut self.young);
            }
            self.young.insert(address, party);
        }
    }
}

/// Payments by their texts: those that were seen lately, and those before them.
#[derive(Default)]
struct Known {
    young: HashMap<u64, Verified>,
    old: HashMap<u64, Verified>,
    hasher: RandomState,
}

impl Known {
    /// A number for a text: of the end of its signature, which is another one for each text. Of two
    /// with the same number, one is not remembered.
    fn number(&self, text: &str) -> u64 {
        let text = text.as_bytes();
        self.hasher.hash_one(&text[text.len().saturating_sub(TAIL_BYTES)..])
    }

    fn get(&self, text: &str) -> Option<&Verified> {
        let number = self.number(text);
        let known = self.young.get(&number).or_else(|| self.old.get(&number))?;
        (known.text() == text).then_some(known)
    }

    fn insert(&mut self, payment: Verified) {
        if self.young.len() >= REMEMBERED {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(self.number(payment.text()), payment);
    }
}

impl Signatures {
    /// Nothing is remembered yet.
    pub fn new(rules: &Rules) -> Self {
        let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let (known, parties) = (Mutex::default(), RwLock::default());
        Self { domain: rules.domain(), threads, known, parties }
    }

    /// What ties payments to the chain, if they are signed.
    pub(super) fn domain(&self) -> Option<&Domain> {
        self.domain.as_ref()
    }

    /// Checks blocks by themselves, in order, up to the first that breaks a rule.
    pub(super) fn check(
        &self,
        rules: &Rules,
        blocks: Vec<Block>,
    ) -> (Vec<Checked>, Option<Invalid>) {
        let mut checked = Vec::with_capacity(blocks.len());
        for block in blocks {
            match check_alone_with(rules, block, |values| self.read(&values)) {
                Ok(good) => checked.push(good),
                Err(invalid) => return (checked, Some(invalid)),
            }
        }
        (checked, None)
    }

    /// The transactions that these canonical values are.
    ///
    /// # Errors
    /// The first that is none, or is not signed by its sender, with its place.
    fn read(&self, values: &[Value<'_>]) -> Result<Vec<VerifiedEntry>, (usize, BadEntry)> {
        let Some(domain) = &self.domain else { return Ok(Vec::new()) };
        let mut entries: Vec<_> = {
            let known = self.known();
            let known = |value: &Value<'_>| known.get(value.text()).cloned();
            values.iter().map(|value| known(value).map(VerifiedEntry::Payment)).collect()
        };
        let is_new = |(_, entry): &(usize, &Option<VerifiedEntry>)| entry.is_none();
        let new: Vec<_> =
            entries.iter().enumerate().filter(is_new).map(|(place, _)| place).collect();
        let read = |place: &usize, party: &mut ReadParty<'_>| {
            VerifiedEntry::of_canonical_with(values[*place], domain, party)
        };
        let found = self.on_all_cores(&new, read);
        let mut known = self.known();
        for (place, found) in new.into_iter().zip(found) {
            let entry = found.map_err(|why| (place, why))?;
            if let VerifiedEntry::Payment(payment) = &entry {
                known.insert(payment.clone());
            }
            entries[place] = Some(entry);
        }
        Ok(entries.into_iter().map(|entry| entry.expect("each is known or was read")).collect())
    }

    /// The payments that these texts are, in any spelling, in the same order; none where nothing
    /// is signed.
    ///
    /// # Errors
    /// Of each, what it lacks to be a payment, or that its sender did not sign it.
    pub fn payments(&self, texts: &[&[u8]]) -> Vec<Result<Verified, BadEntry>> {
        let Some(domain) = &self.domain else { return Vec::new() };
        let read = |wire: &&[u8], party: &mut ReadParty<'_>| {
            let payment = Payment::parse_with(wire, domain, party)?;
            if let Some(known) = self.known().get(payment.text()) {
                return Ok(known.clone());
            }
            Ok(payment.verify()?)
        };
        let payments = self.on_all_cores(texts, read);
        let mut known = self.known();
        for payment in payments.iter().flatten() {
            known.insert(payment.clone());
        }
        payments
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Each change is a single insertion: whatever broke, the sets are whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `work` with each item, in order, and lets it know the parties that were met before.
    fn on_all_cores<T: Sync, R: Send>(
        &self,
        items: &[T],
        work: impl Fn(&T, &mut ReadParty<'_>) -> R + Sync,
    ) -> Vec<R> {
        let parts: Vec<&[T]> = items.chunks(PART).collect();
        let next = AtomicUsize::new(0);
        let run = || {
            let (known, mut new) = (self.parties(), Vec::new());
            let mut party = |address: &str, hrp| {
                if let Some(known) = known.get(address) {
                    return Ok(known);
                }
                let party = Party::parse(address, hrp)?;
                new.push((address.to_string(), party));
                Ok(party)
            };
            let mut done = Vec::new();
            // Whoever is faster takes more of them.
            while let at = next.fetch_add(1, Ordering::Relaxed)
                && let Some(part) = parts.get(at)
            {
                let results: Vec<R> = part.iter().map(|item| work(item, &mut party)).collect();
                done.push((at, results));
            }
            (done, new)
        };
        let others = self.threads.min(parts.len()).saturating_sub(1);
        let shares = thread::scope(|scope| {
            let others: Vec<_> = (0..others).map(|_| scope.spawn(run)).collect();
            let mut shares = vec![run()];
            for other in others {
                shares.push(other.join().expect("checking a signature does not panic"));
            }
            shares
        });
        let mut all = Vec::with_capacity(parts.len());
        for (done, new) in shares {
            all.extend(done);
            if !new.is_empty() {
                self.parties.write().unwrap_or_else(PoisonError::into_inner).extend(new);
            }
        }
        all.sort_unstable_by_key(|(at, _)| *at);
        all.into_iter().flat_map(|(_, results)| results).collect()
    }

    fn parties(&self) -> RwLockReadGuard<'_, Parties> {
        self.parties.read().unwrap_or_else(PoisonError::into_inner)
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

    /// The same with another's signature.
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
                        VerifiedEntry::Coin(_) => panic!("there is no coin"),
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
                // What is good in it is remembered, what is not must not be.
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
        let mut known = Known::default();
        let all = payments(3);
        let signatures = signatures(1);
        let wires: Vec<_> = all.iter().map(String::as_bytes).collect();
        let all = signatures.payments(&wires).into_iter().map(|payment| payment.expect("signed"));
        let all: Vec<_> = all.collect();
        known.insert(all[0].clone());
        for generation in 1..=2 {
            known.old = std::mem::take(&mut known.young);
            known.insert(all[generation].clone());
            assert_eq!(known.get(all[0].text()).is_some(), generation == 1);
        }
    }
}
