//! What chains come in, and what is said of those that are not quite that.

use blocksmith_consensus::document::{Document, DocumentError, Stretch, Unreadable, Verifier};
use blocksmith_consensus::{BlockView, Rules};

const GENESIS: &str =
    r#"{"index": 1, "previous_hash": null, "proof": 99, "timestamp": 0, "transactions": []}"#;
const GENESIS_HASH: &str = "8b89069344926ce9f90fc13f3518e95630459b81321f747302fd23d1b94f48ea";

/// The block 2 that the notes print.
const SECOND: &str = r#"{"index": 2, "timestamp": 1562874886.654986, "transactions": [{"sender": "0", "recipient": "00341426854640f596f4ba49a64f7c5a", "amount": 1}], "proof": 241341, "previous_hash": "8b89069344926ce9f90fc13f3518e95630459b81321f747302fd23d1b94f48ea"}"#;
const SECOND_HASH: &str = "6d6a9fe26bc09b9fd0f597121e983fa2348d7aaea5917700b14a736ca0d49827";

/// What becomes of a text: `valid BLOCKS TIP`, or the fault.
fn verdict(text: &str) -> String {
    let rules = Rules::lecture();
    match (Verifier { rules: &rules, tip: None }).verify(text.as_bytes()) {
        Ok(verdict) => format!("valid {} {}", verdict.blocks, verdict.tip),
        Err(fault) => fault.to_string(),
    }
}

#[test]
fn the_chain_of_the_notes_is_valid_in_every_form() {
    let valid = format!("valid 2 {SECOND_HASH}");
    for text in [
        format!(r#"{{"chain": [{GENESIS}, {SECOND}], "length": 2}}"#),
        format!(r#"{{"length":2,"chain":[{GENESIS},{SECOND}]}}"#),
        format!(r#"{{"length": 7, "currentChain": [{GENESIS}, {SECOND}]}}"#),
        format!(r#"{{"message": "Our chain was replaced", "new_chain": [{GENESIS}, {SECOND}]}}"#),
        format!("[{GENESIS}, {SECOND}]"),
        format!(" [\n{GENESIS}\n,\n{SECOND}\n]\n"),
        format!("{GENESIS}\n{SECOND}\n"),
        format!("\u{feff}{GENESIS}\r\n\r\n{SECOND}"),
        format!("{GENESIS}\n{SECOND}\n{{\"length\": 2, \"tip\": \"{SECOND_HASH}\"}}\n"),
        format!("{GENESIS}\n{SECOND}\n{{\"tip\":\"{SECOND_HASH}\",\"length\":2}}"),
    ] {
        assert_eq!(verdict(&text), valid, "{text}");
    }
}

#[test]
fn what_is_no_chain_is_told_so() {
    let seal = |length: u64, tip: &str| {
        verdict(&format!("{GENESIS}\n{SECOND}\n{{\"length\": {length}, \"tip\": \"{tip}\"}}\n"))
    };
    let cases = [
        (verdict(""), "genesis: the chain has no block"),
        (verdict("[]"), "genesis: the chain has no block"),
        (verdict(r#"{"chain": [], "length": 5}"#), "genesis: the chain has no block"),
        (verdict("[] x"), "json: block 1 can't be read: byte 3: `x` follows the end"),
        (
            verdict("17"),
            "block: block 1 does not have the form of a block: a block must be a JSON object, not 17",
        ),
        (
            verdict(r#"{"error": "not found"}"#),
            "block: block 1 does not have the form of a block: the block has no \"index\"",
        ),
        (verdict("<html>"), "json: block 1 can't be read: byte 0: expected"),
        (verdict(SECOND), "genesis: the chain starts with {\"index\": 2,"),
        (verdict(&format!("[{GENESIS}, ]")), "json: block 2 can't be read: byte"),
        (verdict(&format!("[{GENESIS} {SECOND}]")), "json: block 2 can't be read: byte"),
        (verdict(&format!("[{GENESIS}")), "json: block 2 can't be read: byte"),
        (verdict(&format!("[{GENESIS}] {SECOND}")), "json: block 2 can't be read: byte"),
        (verdict(&format!(r#"{{"chain": [{GENESIS}]"#)), "json: block 2 can't be read: byte"),
        (
            verdict(&format!(r#"{{"chain": [{GENESIS}], "chain": []}}"#)),
            "json: block 2 can't be read: the document has two chains, the second one at byte",
        ),
        (seal(3, SECOND_HASH), "length: the last line says 3 blocks, but there are 2"),
        (
            seal(2, GENESIS_HASH),
            "tip: block 2, the last one, has the hash 6d6a9fe26bc09b9fd0f597121e983fa2348d7aaea5917700b14a736c\
             a0d49827, but the hash of the tip must be 8b89069344926ce9f90fc13f3518e95630459b81321f747302fd\
             23d1b94f48ea",
        ),
        (seal(2, "6d6a"), "json: block 3 can't be read: an export must end in {\"length\": …"),
        (
            verdict(&format!(
                "{GENESIS}\n{{\"length\": 1, \"tip\": \"{GENESIS_HASH}\"}}\n{SECOND}\n"
            )),
            "json: block 2 can't be read: the line with length and tip must be the last",
        ),
    ];
    for (found, expected) in cases {
        assert!(found.starts_with(expected), "{found}\nis not\n{expected}");
    }
}

#[test]
fn a_lying_length_is_reported_and_not_believed() {
    let rules = Rules::lecture();
    let text = format!(r#"{{"chain": [{GENESIS}, {SECOND}], "length": 3}}"#);
    let verdict = Verifier { rules: &rules, tip: None }.verify(text.as_bytes()).expect("valid");
    assert_eq!((verdict.blocks, verdict.claimed_length), (2, Some(3)));
}

#[test]
fn blocks_come_one_by_one_with_their_places() {
    let text = format!(r#"{{"chain": [{GENESIS}, {SECOND}]}}"#);
    let mut document = Document::new(text.as_bytes());
    let first = document.next_block().expect("readable").expect("genesis");
    assert_eq!((&*first.text, first.at), (GENESIS, 11));
    let second = document.next_block().expect("readable").expect("block 2");
    assert!(second.text.starts_with(r#"{"index": 2, "previous_hash": "8b89"#), "{}", second.text);
    assert!(text[second.at..].starts_with(SECOND));
    assert_eq!(document.next_block(), Ok(None));
    assert_eq!(document.next_block(), Ok(None));
}

#[test]
fn after_an_error_there_is_nothing_more() {
    let mut document = Document::new(b"[1, x, 2]");
    assert!(document.next_block().expect("readable").is_some());
    assert!(matches!(document.next_block(), Err(Unreadable::Json(error)) if error.at == 4));
    assert_eq!(document.next_block(), Ok(None));
}

/// Objects inside transactions that look like blocks, so that every guess is wrong.
#[test]
fn a_guess_at_a_nested_object_is_not_taken() {
    let rules = Rules::lecture().with_zeros(0);
    let nested = r#"{"index": 3, "previous_hash": "", "proof": 1}"#;
    let list = vec![nested; 100].join(", ");
    let second = format!(
        r#"{{"index": 2, "previous_hash": "{GENESIS_HASH}", "proof": 5, "timestamp": 1, "transactions": [{list}]}}"#
    );
    let text = format!("[{GENESIS}, {second}]");
    let verifier = Verifier { rules: &rules, tip: None };
    let whole = Document::new(text.as_bytes());
    let splits = whole.splits(2);
    assert_eq!(splits.len(), 1);
    let (mut before, mut after) = (verifier.start(), Stretch::default());
    verifier.extend(&mut before, &mut whole.clone(), splits[0]).expect("both blocks are valid");
    assert_eq!(before.blocks(), 2);
    let guess = verifier.extend(&mut after, &mut whole.at(splits[0]), usize::MAX);
    assert!(
        matches!(guess, Err(DocumentError::Invalid(_) | DocumentError::Unreadable { .. })),
        "{guess:?}"
    );
    assert!(verifier.join(before, after).is_none());
    assert_eq!(verifier.verify(text.as_bytes()).map(|verdict| verdict.blocks), Ok(2));
}

#[test]
fn stretches_that_do_not_touch_are_not_joined() {
    let rules = Rules::lecture();
    let verifier = Verifier { rules: &rules, tip: None };
    let close = format!("[{GENESIS}, {SECOND}]");
    let wide = format!("[{GENESIS},       {SECOND}]");
    let stretches = |text| {
        let mut document = Document::new(text);
        let (mut before, mut after) = (verifier.start(), Stretch::default());
        verifier.extend(&mut before, &mut document, GENESIS.len()).expect("valid");
        verifier.extend(&mut after, &mut document, usize::MAX).expect("valid");
        (before, after)
    };
    let ((before, after), (_, elsewhere)) =
        (stretches(close.as_bytes()), stretches(wide.as_bytes()));
    assert_eq!(verifier.join(before.clone(), after).map(|joined| joined.blocks()), Some(2));
    assert!(verifier.join(before, elsewhere).is_none());
}

/// Blocks of the usual shape are read a quicker way; what it says must be the same.
#[test]
fn fields_are_found_whatever_stands_around_them() {
    let hash = format!("\"{}\"", "0f".repeat(32));
    let odd = format!("\"{}\"", "0g".repeat(32));
    let escaped = format!("\"{}\\u00eb\"", "0".repeat(58));
    for before in ["", r#""a": [1], "#] {
        for between in ["", r#""m": {"proof": 1}, "#] {
            for after in ["", r#", "zest": {"index": 9}"#] {
                for previous_hash in ["null", "\"1\"", "17", &hash, &odd, &escaped] {
                    for proof in
                        ["0", "241341", "-5", "\"74581\"", "123456789012345678901234567890"]
                    {
                        let text = format!(
                            r#"{{{before}"index": 7, {between}"previous_hash": {previous_hash}, "proof": {proof}{after}}}"#
                        );
                        let view = BlockView::of_canonical(&text).expect("a block");
                        assert_eq!(view.index, 7, "{text}");
                        assert_eq!(view.previous_hash.text(), previous_hash, "{text}");
                        assert_eq!(view.proof_json(), proof, "{text}");
                        assert_eq!(
                            view.follows(&"0f".repeat(32).parse().expect("a hash")),
                            previous_hash == hash
                        );
                    }
                }
            }
        }
    }
    for (text, problem) in [
        (format!(r#"{{"index": 0, "previous_hash": {hash}, "proof": 1}}"#), "whole number from 1"),
        (
            format!(r#"{{"index": 1.0, "previous_hash": {hash}, "proof": 1}}"#),
            "whole number from 1",
        ),
        (
            format!(r#"{{"index": 18446744073709551616, "previous_hash": {hash}, "proof": 1}}"#),
            "whole number from 1",
        ),
        (
            format!(r#"{{"index": 1, "previous_hash": {hash}, "proof": 1.0}}"#),
            "or a string, not 1.0",
        ),
        (
            format!(r#"{{"index": 1, "previous_hash": {hash}, "proof": 1e+16}}"#),
            "or a string, not 1e",
        ),
        (format!(r#"{{"index": 1, "previous_hash": {hash}}}"#), "has no \"proof\""),
        (r#"{"index": 1, "proof": 1}"#.into(), "has no \"previous_hash\""),
    ] {
        let error = BlockView::of_canonical(&text).expect_err("no block").to_string();
        assert!(error.contains(problem), "{error} for {text}");
    }
}
