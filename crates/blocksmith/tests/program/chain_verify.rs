//! Long chains, on several threads and in pieces: the verdict is that of one thread over the whole.

use blocksmith::verify::{ReadError, VerifyError, verify, verify_read};
use blocksmith_consensus::document::{ExportTrailer, Verifier};
use blocksmith_consensus::json::Value;
use blocksmith_consensus::{Block, Proof, Rules, Timestamp, Transaction};

/// Enough for three threads.
const BLOCKS: usize = 13_000;

fn rules() -> Rules {
    Rules::dvf().with_zeros(0)
}

fn chain(length: usize) -> Vec<Block> {
    let mut chain = vec![rules().genesis_block(Timestamp { micros: 900_000 })];
    let recipient = format!("\"{}\"", "r".repeat(32));
    let coin = Transaction::new(
        Value::of_canonical("\"0\""),
        Value::of_canonical(&recipient),
        Value::of_canonical("1"),
    );
    while chain.len() < length {
        let (parent, number) = (chain.last().expect("genesis"), chain.len() as u64);
        let time = Timestamp { micros: 900_000 + number };
        chain.push(Block::compose(parent, &Proof::from(number), time, [&coin]).expect("a block"));
    }
    chain
}

fn lines(chain: &[Block]) -> String {
    chain.iter().map(|block| format!("{}\n", block.text())).collect()
}

fn array(chain: &[Block]) -> String {
    let texts: Vec<_> = chain.iter().map(Block::text).collect();
    format!("[{}]", texts.join(", "))
}

#[test]
fn any_number_of_threads_comes_to_the_same_verdict() {
    let (rules, chain) = (rules(), chain(BLOCKS));
    let tip = chain[BLOCKS - 1].hash();
    for text in [lines(&chain), array(&chain)] {
        let verifier = Verifier { rules: &rules, tip: None };
        let valid = verifier.verify(text.as_bytes());
        assert_eq!(valid.as_ref().map(|verdict| verdict.blocks), Ok(BLOCKS as u64));
        for threads in [0, 1, 2, 3, 50] {
            assert_eq!(verify(&verifier, text.as_bytes(), threads), valid, "{threads} threads");
        }
        let verifier = Verifier { rules: &rules, tip: Some(tip) };
        for place in [1, BLOCKS / 3, BLOCKS / 2 - 1, BLOCKS / 2, BLOCKS / 2 + 1, BLOCKS - 1] {
            let coin = text.match_indices("\"amount\": 1").nth(place - 1).expect("a coin").0;
            let mut text = text.clone().into_bytes();
            text[coin + "\"amount\": ".len()] = b'2';
            let fault = verify(&verifier, &text, 3).expect_err("changed");
            assert_eq!(fault.block(&rules), Some(place as u64 + 1), "{fault}");
        }
    }
}

#[test]
fn a_chain_that_is_read_in_pieces_comes_to_the_same_verdict() {
    let (rules, chain) = (rules(), chain(500));
    let tip = chain[499].hash();
    let verifier = Verifier { rules: &rules, tip: None };
    let text = format!("{}\n{}\n", lines(&chain), ExportTrailer { length: 500, tip });
    for held in [1_000, 1_001, 1_500, 10_007, text.len(), text.len() + 1, 1 << 20] {
        let verdict = verify_read(&verifier, text.as_bytes(), held, 2).expect("valid");
        assert_eq!((verdict.blocks, verdict.tip), (500, tip), "{held} bytes held");
        for place in [0, 1, 2, 3, 250, 498, 499] {
            let time = format!("\"timestamp\": {}", Timestamp { micros: 900_000 + place });
            let changed = text.replacen(&time, "\"timestamp\": 5", 1);
            let fault = match verify_read(&verifier, changed.as_bytes(), held, 2) {
                Err(VerifyError::Document(fault)) => fault,
                other => panic!("{other:?} after a change at {place}, {held} bytes held"),
            };
            assert_eq!(fault.block(&rules), Some(place + 1), "{fault}; {held} bytes held");
        }
    }
}

#[test]
fn a_fault_of_the_text_is_placed_in_the_whole_text() {
    let (rules, chain) = (rules(), chain(300));
    let verifier = Verifier { rules: &rules, tip: None };
    let good = lines(&chain);
    let text = format!("{good}x\n");
    for held in [2_000, 1 << 20] {
        let error = verify_read(&verifier, text.as_bytes(), held, 1).expect_err("an x");
        let expected = format!("json: block 301 can't be read: byte {}: ", good.len());
        assert!(error.to_string().starts_with(&expected), "{error}");
    }
}

#[test]
fn a_long_text_without_lines_is_refused() {
    let (rules, chain) = (rules(), chain(50));
    let verifier = Verifier { rules: &rules, tip: None };
    let one_line = lines(&chain).replace('\n', " ");
    for text in [array(&chain), format!("{{\"chain\": {}}}", array(&chain)), one_line] {
        let verdict = verify_read(&verifier, text.as_bytes(), 4_000, 1);
        assert!(matches!(verdict, Err(VerifyError::Read(ReadError::NoLines { held: 4_000 }))));
    }
}
