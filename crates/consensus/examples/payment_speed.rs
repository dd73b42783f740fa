//! How fast payments are read and their signatures checked, on one core and on all, and what
//! libsecp256k1 does by itself.
//!
//!     cargo run --release -p blocksmith-consensus --example payment_speed [PAYMENTS]

use std::num::NonZero;
use std::time::Instant;

use blocksmith_consensus::Hash;
use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_consensus::json::Value;
use blocksmith_consensus::payment::{Domain, Draft, Payment};
use secp256k1::{Keypair, XOnlyPublicKey, schnorr};

const ROUNDS: usize = 20;

struct Signed {
    text: String,
    key: XOnlyPublicKey,
    hash: [u8; 32],
    signature: schnorr::Signature,
}

fn signed(number: u64, domain: &Domain) -> Signed {
    let mut secret = [1; 32];
    secret[24..].copy_from_slice(&number.to_be_bytes());
    let keys = Keypair::from_secret_bytes(secret).expect("a secret key");
    let key = keys.x_only_public_key().0;
    let sender = Address::from_key(key.to_byte_array()).expect("a point");
    let draft =
        Draft { sender, recipient: sender, amount: 1 + number, fee: 1000, nonce: 0, memo: None };
    let unsigned = draft.write(domain).expect("a payment");
    let hash = unsigned.id().0;
    let signature = schnorr::sign_no_aux_rand(&hash, &keys);
    let text = unsigned.signed(&signature.to_byte_array());
    Signed { text, key, hash, signature }
}

/// How many times a second `work` is done with each of `all`, which threads share among them.
fn rate<T: Sync>(threads: usize, all: &[T], work: impl Fn(&T) + Sync) -> f64 {
    let start = Instant::now();
    std::thread::scope(|scope| {
        for part in all.chunks(all.len().div_ceil(threads)) {
            scope.spawn(|| part.iter().for_each(&work));
        }
    });
    all.len() as f64 / start.elapsed().as_secs_f64()
}

fn main() {
    let count = std::env::args().nth(1).map_or(4000, |text| text.parse().expect("a number"));
    let hrp = Hrp::new("forge").expect("letters");
    let domain = Domain { chain_id: Hash::of("a chain for vectors"), hrp };
    let all: Vec<Signed> = (0..count).map(|number| signed(number, &domain)).collect();
    let read = |one: &Signed| {
        Payment::of_canonical(Value::of_canonical(&one.text), &domain).expect("a payment")
    };
    let payments: Vec<Payment> = all.iter().map(read).collect();
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    for threads in [1, cores] {
        // In turn, so that what else the machine does is the same for all, and the best of it.
        let mut best = [0.0_f64; 3];
        for _ in 0..ROUNDS {
            let rates = [
                rate(threads, &all, |one| {
                    schnorr::verify(&one.signature, &one.hash, &one.key).expect("signed");
                }),
                rate(threads, &payments, |payment| {
                    payment.clone().verify().expect("signed");
                }),
                rate(threads, &all, |one| {
                    read(one);
                }),
            ];
            best = std::array::from_fn(|name| best[name].max(rates[name]));
        }
        let names = ["libsecp256k1 alone", "Payment::verify", "Payment::of_canonical"];
        for (name, rate) in names.into_iter().zip(best) {
            println!("{name}, threads: {threads}, a second: {rate:.0}");
        }
    }
}
