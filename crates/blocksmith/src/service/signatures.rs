//! Checks blocks by themselves before they come to the one thread that changes anything: nearly all
//! of that is signatures, which all cores share.

use std::num::NonZeroUsize;
use std::thread;

use blocksmith_consensus::check::check_alone_with;
use blocksmith_consensus::payment::{BadSignature, Payment, Verified};
use blocksmith_consensus::{Block, Checked, Invalid, Rules};

/// As many signatures are worth a thread: about a millisecond's work.
const MIN_A_THREAD: usize = 32;

/// Checks blocks in order, up to the first that breaks a rule.
pub(super) fn check(rules: &Rules, blocks: Vec<Block>) -> (Vec<Checked>, Option<Invalid>) {
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut checked = Vec::with_capacity(blocks.len());
    for block in blocks {
        match check_alone_with(rules, block, |payments| verify(payments, threads)) {
            Ok(good) => checked.push(good),
            Err(invalid) => return (checked, Some(invalid)),
        }
    }
    (checked, None)
}

/// Checks the signatures of a block's payments on at most so many threads.
///
/// # Errors
/// The first that is not its sender's, with its place.
fn verify(payments: Vec<Payment>, threads: usize) -> Result<Vec<Verified>, (usize, BadSignature)> {
    let size = payments.len().div_ceil(threads.max(1)).max(MIN_A_THREAD);
    let run = |start: usize, part: Vec<Payment>| -> Result<Vec<Verified>, (usize, BadSignature)> {
        let verify = |(place, payment): (usize, Payment)| {
            payment.verify().map_err(|why| (start + place, why))
        };
        part.into_iter().enumerate().map(verify).collect()
    };
    let mut parts = Vec::new();
    let mut payments = payments.into_iter();
    loop {
        let part: Vec<_> = payments.by_ref().take(size).collect();
        if part.is_empty() {
            break;
        }
        parts.push((parts.len() * size, part));
    }
    thread::scope(|scope| {
        let first = parts.drain(..parts.len().min(1)).next();
        let others: Vec<_> =
            parts.into_iter().map(|(start, part)| scope.spawn(move || run(start, part))).collect();
        let mut verified = match first {
            Some((start, part)) => run(start, part)?,
            None => Vec::new(),
        };
        for other in others {
            verified.extend(other.join().expect("checking a signature does not panic")?);
        }
        Ok(verified)
    })
}

#[cfg(test)]
mod tests {
    use blocksmith_consensus::Hash;
    use blocksmith_consensus::address::{Address, Hrp};
    use blocksmith_consensus::payment::{Domain, Draft};
    use secp256k1::{Keypair, schnorr};

    use super::*;

    fn payments(count: u64) -> Vec<Payment> {
        let keys = Keypair::from_secret_bytes([7; 32]).expect("a secret key");
        let key = keys.x_only_public_key().0.to_byte_array();
        let alice = Address::from_key(key).expect("a point");
        let hrp = Hrp::new("forge").expect("lower-case letters");
        let domain = Domain { chain_id: Hash([1; 32]), hrp };
        let payment = |nonce| {
            let draft =
                Draft { sender: alice, recipient: alice, amount: 1, fee: 0, nonce, memo: None };
            let unsigned = draft.write(&domain).expect("a payment");
            let signature = schnorr::sign_no_aux_rand(&unsigned.id().0, &keys).to_byte_array();
            let text = unsigned.signed(&signature);
            Payment::parse(text.as_bytes(), &domain).expect("a payment")
        };
        (0..count).map(payment).collect()
    }

    /// The same with another's signature.
    fn forged(payments: &[Payment], place: usize) -> Payment {
        let (good, other) = (&payments[place], &payments[place ^ 1]);
        let hex = |payment: &Payment| -> String {
            payment.signature().iter().map(|byte| format!("{byte:02x}")).collect()
        };
        let text = good.text().replace(&hex(good), &hex(other));
        let hrp = Hrp::new("forge").expect("lower-case letters");
        let domain = Domain { chain_id: Hash([1; 32]), hrp };
        Payment::parse(text.as_bytes(), &domain).expect("a payment")
    }

    #[test]
    fn all_are_checked_in_order_on_any_number_of_threads() {
        for count in [0, 1, 31, 32, 33, 64, 100] {
            let all = payments(count);
            for threads in [0, 1, 2, 3, 8] {
                let verified = verify(all.clone(), threads).expect("all are signed");
                let ids = |payment: &Verified| payment.id();
                let expected: Vec<_> = all.iter().map(Payment::id).collect();
                assert_eq!(verified.iter().map(ids).collect::<Vec<_>>(), expected);
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
                let (found, _) = verify(some, threads).expect_err("one is forged");
                assert_eq!(found, place, "{threads} threads");
            }
        }
    }
}
