//! Megabytes of JSON per second: `cargo run --release --example json_speed`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use blocksmith_consensus::json::{Reader, Value, canonical};

const SORTED: &str = r#"{"index": 2, "previous_hash": "8b89069344926ce9f90fc13f3518e95630459b81321f747302fd23d1b94f48ea", "proof": 241341, "timestamp": 1562874886.654986, "transactions": [{"amount": 1, "recipient": "00341426854640f596f4ba49a64f7c5a", "sender": "0"}]}"#;
const COMPACT: &str = r#"{"index":2,"previous_hash":"8b89069344926ce9f90fc13f3518e95630459b81321f747302fd23d1b94f48ea","proof":241341,"timestamp":1562874886.654986,"transactions":[{"amount":1,"recipient":"00341426854640f596f4ba49a64f7c5a","sender":"0"}]}"#;
const UNSORTED: &str = r#"{"index": 2, "timestamp": 1562874886.654986, "transactions": [{"sender": "0", "recipient": "00341426854640f596f4ba49a64f7c5a", "amount": 1}], "proof": 241341, "previous_hash": "8b89069344926ce9f90fc13f3518e95630459b81321f747302fd23d1b94f48ea"}"#;

const BLOCKS: usize = 4000;
const ROUNDS: usize = 15;

fn main() {
    for (name, block) in [("canonical", SORTED), ("compact", COMPACT), ("unsorted", UNSORTED)] {
        for (digits, block) in [
            ("6 decimals", block.to_owned()),
            ("7 decimals", block.replace("886.654986", "886.6549864")),
        ] {
            let separator = if name == "compact" { "," } else { ", " };
            let chain = format!("[{}]", vec![block.as_str(); BLOCKS].join(separator));
            report(&format!("{name}, {digits}, whole chain"), chain.len(), || {
                black_box(canonical(black_box(chain.as_bytes())).expect("valid").len());
            });
            report(&format!("{name}, {digits}, block by block"), chain.len(), || {
                let mut reader = Reader::new(black_box(chain.as_bytes()));
                let mut more = reader.open_array().expect("valid");
                while more {
                    black_box(reader.value().expect("valid").len());
                    more = reader.next_element().expect("valid");
                }
            });
        }
    }
    let chain = format!("[{}]", vec![SORTED; BLOCKS].join(", "));
    report("members of each block", chain.len(), || {
        for block in Value::of_canonical(black_box(&chain)).elements() {
            black_box(block.members().count());
        }
    });
}

fn report(what: &str, bytes: usize, mut run: impl FnMut()) {
    let fastest = (0..ROUNDS).fold(Duration::MAX, |fastest, _| {
        let start = Instant::now();
        run();
        fastest.min(start.elapsed())
    });
    println!("{what}: {:.0} MB/s", bytes as f64 / fastest.as_secs_f64() / 1e6);
}
