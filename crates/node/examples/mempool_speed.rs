//! How long a mempool of 100,000 payments takes: `cargo run --release --example mempool_speed`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use blocksmith_consensus::Timestamp;
use blocksmith_node::mempool::{Limits, Mempool};

const ROUNDS: usize = 7;
const BLOCK_BYTES: usize = 999_000;

fn main() {
    // Ten of each, sixteen of each, and one of each: the more there are of one, the longer the
    // chunks; the fewer, the more queues.
    for (people, each) in [(10_000, 10), (6_250, 16), (100_000, 1)] {
        println!("{people} senders with {each} payments each");
        measure(people, each);
    }
}

fn measure(people: u64, each: u64) {
    let now = |micros: u64| Timestamp { micros: 1_700_000_000_000_000 + micros };
    let (bank, mut all) = blocksmith_testkit::crowd::payments(0..people, each, 0..=5_000);
    let (rich_bank, rich) =
        blocksmith_testkit::crowd::payments(people..people + 1_000, 1, 4_000..=20_000);
    all.sort_by_key(|payment| payment.nonce());
    let ids = all.iter().map(|payment| payment.id()).collect();
    let mut times: [Vec<Duration>; 7] = Default::default();
    for _ in 0..ROUNDS {
        let mut bank = bank.clone();
        bank.0.extend(rich_bank.0.iter());
        let mut mempool =
            Mempool::new(Limits { payments: all.len(), bytes: 1 << 30, ..Limits::default() });
        let mut clock = Instant::now();
        let mut lap = |times: &mut Vec<Duration>, parts: usize| {
            times.push(clock.elapsed() / parts as u32);
            clock = Instant::now();
        };
        for (number, payment) in (0..).zip(&all) {
            let Ok(admitted) = mempool.admit(now(number), payment.clone(), &bank);
            black_box(&admitted.expect("there is room"));
        }
        lap(&mut times[0], all.len());
        for (number, payment) in (200_000..).zip(&rich) {
            let Ok(admitted) = mempool.admit(now(number), payment.clone(), &bank);
            black_box(&admitted.expect("better than most"));
        }
        lap(&mut times[1], rich.len());
        let block = mempool.template(BLOCK_BYTES);
        lap(&mut times[2], 1);
        black_box(mempool.estimate(BLOCK_BYTES));
        lap(&mut times[3], 1);
        let turns = mempool.turns(&ids, |_| BLOCK_BYTES);
        lap(&mut times[6], 1);
        black_box(turns);
        let block: Vec<_> = block.into_iter().cloned().collect();
        for payment in &block {
            let account = bank.0.get_mut(&payment.sender()).expect("one of the crowd");
            *account = account.pay(payment).expect("in the order of the nonces");
        }
        let senders: Vec<_> = block.iter().map(|payment| payment.sender()).collect();
        lap(&mut Vec::new(), 1);
        let Ok(change) = mempool.follow(now(300_000), Some(senders), [], &bank);
        lap(&mut times[4], 1);
        assert_eq!(change.removed.len(), block.len());
        let kept: Vec<_> = mempool.iter().cloned().collect();
        lap(&mut Vec::new(), 1);
        black_box(Mempool::restore(Limits::default(), kept, &bank).expect("never fails"));
        lap(&mut times[5], 1);
    }
    let names = [
        "admission, each",
        "admission that evicts, each",
        "template of 1 MB",
        "estimate",
        "following a block of 1 MB",
        "restart",
        "the turns of all, as far as they are told",
    ];
    for (name, mut times) in names.into_iter().zip(times) {
        times.sort();
        println!("  {name}: best {:.2?}, median {:.2?}", times[0], times[ROUNDS / 2]);
    }
}
