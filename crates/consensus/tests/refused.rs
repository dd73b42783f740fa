//! What is no block, or no block of the chain, and how the error says so.

use std::fmt::Write as _;

use blocksmith_consensus::block::{MAX_BLOCK_BYTES, MAX_BLOCK_DEPTH, MAX_INDEX};
use blocksmith_consensus::json::{Value, canonical};
use blocksmith_consensus::transaction::{
    MAX_TRANSACTION_BYTES, MAX_TRANSACTION_DEPTH, Unqueueable,
};
use blocksmith_consensus::{
    Block, ChainBlock, Genesis, Hash, Invalid, Malformed, Open, Proof, Rules, Timestamp,
    Transaction, check_alone, check_on,
};

const HASH: &str = "8b89069344926ce9f90fc13f3518e95630459b81321f747302fd23d1b94f48ea";

fn refusal(text: &str) -> String {
    match Block::parse(text.as_bytes()) {
        Ok(block) => panic!("taken: {:.200}", block.text()),
        Err(error) => error.to_string(),
    }
}

fn nested(levels: usize) -> String {
    format!("{}{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn an_index_is_a_whole_number_from_1_on() {
    let long = "9".repeat(300);
    for index in [
        "1.5",
        "1.0",
        "1e2",
        "\"2\"",
        "true",
        "null",
        "0",
        "-0",
        "-1",
        "[2]",
        "{}",
        "18446744073709551615",
        "18446744073709551616",
        &long,
    ] {
        let error = refusal(&format!(r#"{{"index": {index}, "previous_hash": "x", "proof": 1}}"#));
        assert!(error.contains("index must be a whole number from 1"), "{index}: {error}");
        let found = canonical(index.as_bytes()).expect("JSON");
        assert!(error.contains(&found[..found.len().min(60)]), "{index}: {error}");
        assert!(error.len() < 200, "{error}");
    }
    for index in ["1", "9007199254740993", &MAX_INDEX.to_string()] {
        let text = format!(r#"{{"index": {index}, "previous_hash": "x", "proof": 1}}"#);
        let block = Block::parse(text.as_bytes()).expect("a block");
        assert_eq!(block.index().to_string(), index);
    }
}

#[test]
fn a_proof_is_a_whole_number_or_a_string() {
    let long = format!("[{}]", "1, ".repeat(1_000) + "1");
    for proof in ["1.5", "1.0", "1e3", "true", "false", "null", "[]", "{}", r#""\ud800""#, &long] {
        let error = refusal(&format!(r#"{{"index": 3, "previous_hash": "x", "proof": {proof}}}"#));
        assert!(
            error.starts_with("block 3: a proof must be a whole number or a string"),
            "{error}"
        );
        assert!(error.len() < 200, "{error}");
        let text = canonical(proof.as_bytes()).expect("JSON");
        let error = Proof::from_value(Value::of_canonical(&text)).expect_err("no proof");
        assert!(error.to_string().starts_with("a proof must be a whole number"), "{error}");
    }
}

#[test]
fn a_proof_is_served_as_it_came() {
    let huge = "7".repeat(4_300);
    let megabyte = format!("\"{}\"", "x".repeat(1_000_000));
    for (proof, text) in [
        ("74581", "74581"),
        ("-5", "-5"),
        (&huge, &huge),
        (r#""74581""#, "74581"),
        (r#""007""#, "007"),
        (r#""""#, ""),
        (r#""\u00e9\ud83c\udf81\n\"""#, "é\u{1f381}\n\""),
        (&megabyte, megabyte.trim_matches('"')),
    ] {
        let wire = format!(r#"{{"proof":{proof},"previous_hash":"x","index":2}}"#);
        let block = Block::parse(wire.as_bytes()).expect("a block");
        assert_eq!(block.view().proof_json(), proof);
        assert_eq!(block.view().proof(), text);
        let kept = Proof::from_value(Value::of_canonical(proof)).expect("a proof");
        assert_eq!((kept.json(), &*kept.text()), (proof, text));
        let parent = Block::parse(Open::lecture().genesis.to_string().as_bytes());
        let next = Block::compose(&parent.expect("a block"), &kept, Timestamp::default(), []);
        assert_eq!(next.expect("a block").view().proof_json(), proof);
    }
    assert!(
        refusal(&format!(r#"{{"index":2,"previous_hash":"x","proof":7{huge}}}"#)).contains("4301")
    );
}

#[test]
fn a_block_has_an_index_a_previous_hash_and_a_proof() {
    for (text, expected) in [
        (r#"{"index": 3, "proof": 1}"#, r#"block 3 has no "previous_hash""#),
        (r#"{"index": 3, "previous_hash": "x"}"#, r#"block 3 has no "proof""#),
        (r#"{"proof": 1, "previous_hash": "x"}"#, r#"the block has no "index""#),
        ("{}", r#"the block has no "index""#),
        ("[]", "a block must be a JSON object, not []"),
        ("null", "a block must be a JSON object, not null"),
        ("7", "a block must be a JSON object, not 7"),
        (r#""block""#, r#"a block must be a JSON object, not "block""#),
    ] {
        assert_eq!(refusal(text), expected);
    }
    assert!(refusal("").contains("JSON can't be read"));
    assert!(refusal(r#"{"index": 3,"#).contains("JSON can't be read"));
}

#[test]
fn what_is_not_finite_is_refused_wherever_it_stands() {
    for number in ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"] {
        for text in [
            format!(r#"{{"index": 2, "previous_hash": "x", "proof": 1, "timestamp": {number}}}"#),
            format!(r#"{{"index": 2, "previous_hash": "x", "proof": {number}}}"#),
            format!(
                r#"{{"index": 2, "previous_hash": "x", "proof": 1, "transactions": [{{"amount": {number}}}]}}"#
            ),
        ] {
            let error = refusal(&text);
            assert!(error.contains("NaN, infinity"), "{text}: {error}");
        }
    }
}

#[test]
fn a_block_fits_into_the_document_that_holds_the_chain() {
    let block = |levels: usize| {
        format!(
            r#"{{"index": 4, "previous_hash": "x", "proof": 1, "transactions": {}}}"#,
            nested(levels - 1)
        )
    };
    let deepest = Block::parse(block(MAX_BLOCK_DEPTH).as_bytes()).expect("a block");
    let document = format!(r#"{{"chain": [{}], "length": 1}}"#, deepest.text());
    assert!(canonical(document.as_bytes()).is_ok());
    let error = refusal(&block(MAX_BLOCK_DEPTH + 1));
    assert_eq!(
        error,
        format!(
            "block 4 has {} lists and objects inside each other; at most {MAX_BLOCK_DEPTH} are allowed",
            MAX_BLOCK_DEPTH + 1
        )
    );
    assert!(refusal(&block(991)).contains("more than 990"));
    assert!(refusal(&block(100_000)).contains("more than 990"));
    // Brackets and quotes inside a string are no levels.
    let string =
        format!(r#"{{"index":4,"previous_hash":"x","proof":1,"a":"\\\"{}"}}"#, "[".repeat(3_000));
    assert!(Block::parse(string.as_bytes()).is_ok());
}

#[test]
fn a_block_has_at_most_16_megabytes() {
    let frame = r#"{"index": 5, "note": "", "previous_hash": "x", "proof": 1}"#.len();
    let block = |bytes: usize| {
        format!(
            r#"{{"index": 5, "note": "{}", "previous_hash": "x", "proof": 1}}"#,
            "x".repeat(bytes - frame)
        )
    };
    assert!(Block::parse(block(MAX_BLOCK_BYTES).as_bytes()).is_ok());
    assert_eq!(
        refusal(&block(MAX_BLOCK_BYTES + 1)),
        "block 5 has 16000001 bytes; at most 16000000 are allowed"
    );
    // Few bytes on the wire, many in the canonical text.
    let growing = format!(
        r#"{{"index":5,"note":"{}","previous_hash":"x","proof":1}}"#,
        "é".repeat(3_000_000)
    );
    assert!(refusal(&growing).starts_with("block 5 has 18000"));
}

#[test]
fn unknown_keys_are_part_of_the_block() {
    let wire = r#"{"zoo":[1.0,{"b":1,"a":2}],"proof":1,"\u0069ndex":2,"index":3,"previous_hash":"x","Proof":null,"timestamp":"today"}"#;
    let block = Block::parse(wire.as_bytes()).expect("a block");
    assert_eq!(
        block.text(),
        r#"{"Proof": null, "index": 3, "previous_hash": "x", "proof": 1, "timestamp": "today", "zoo": [1.0, {"a": 2, "b": 1}]}"#
    );
    assert_eq!(block.index(), 3);
}

#[test]
fn of_duplicate_keys_the_last_one_counts() {
    let wire = r#"{"index":1,"proof":5,"index":2,"pr\u006fof":6,"previous_hash":null,"previous_hash":"x"}"#;
    let block = Block::parse(wire.as_bytes()).expect("a block");
    assert_eq!(block.text(), r#"{"index": 2, "previous_hash": "x", "proof": 6}"#);
    assert_eq!((block.index(), &*block.view().proof()), (2, "6"));
}

#[test]
fn a_block_without_transactions_or_timestamp_is_taken_as_python_takes_it() {
    let rules = Rules::lecture();
    let genesis = rules.genesis_block(Timestamp::default());
    for rest in [
        "",
        r#", "transactions": null"#,
        r#", "transactions": {"a": 1}"#,
        r#", "transactions": [1, null, "x", []]"#,
    ] {
        let text = format!(r#"{{"index": 2, "previous_hash": "{HASH}", "proof": 74581{rest}}}"#);
        let block = Block::parse(text.as_bytes()).expect("a block");
        let checked = check_alone(&rules, block).expect("sound");
        assert!(
            check_on(&rules, checked, Some(&ChainBlock::genesis(&rules, genesis.clone()))).is_ok(),
            "{text}"
        );
    }
}

#[test]
fn a_previous_hash_that_is_none_is_refused_and_named() {
    let digits = "1".repeat(64);
    let (upper, quoted) = (format!("\"{}\"", HASH.to_uppercase()), format!(r#""\"{HASH}\"""#));
    let (short, long) = (format!("\"{}\"", &HASH[1..]), format!("\"{HASH}0\""));
    let mut megabyte = String::from("\"");
    write!(megabyte, "{}\"", "a".repeat(1_000_000)).expect("a string");
    for previous in [
        "null", "1", "1.5", "true", "[]", "{}", "\"\"", "\"1\"", &digits, &upper, &quoted, &short,
        &long, &megabyte,
    ] {
        for rules in [Rules::lecture(), Rules::course(), Rules::dvf()] {
            let text = format!(r#"{{"index": 9, "previous_hash": {previous}, "proof": 1}}"#);
            let block = Block::parse(text.as_bytes()).expect("a block by itself");
            assert_eq!(block.parent(), None, "{previous:.100}");
            let error = check_alone(&rules, block).expect_err("no hash");
            assert!(matches!(error, Invalid::NoHash { index: 9, .. }));
            let error = error.to_string();
            assert!(error.starts_with("previous_hash: block 9 names "), "{error}");
            assert!(error.len() < 200, "{error}");
        }
    }
}

#[test]
fn every_broken_rule_says_which_block_and_both_sides() {
    let rules = Rules::lecture();
    let genesis = rules.genesis_block(Timestamp::default());
    let on_genesis = |text: String| {
        let block = Block::parse(text.as_bytes()).expect("a block");
        let checked = check_alone(&rules, block)?;
        check_on(&rules, checked, Some(&ChainBlock::genesis(&rules, genesis.clone()))).map(drop)
    };
    let error = |text: String| on_genesis(text).expect_err("a broken rule").to_string();
    assert_eq!(
        on_genesis(format!(r#"{{"index":2,"previous_hash":"{HASH}","proof":74581}}"#)),
        Ok(())
    );
    assert_eq!(
        error(format!(r#"{{"index":3,"previous_hash":"{HASH}","proof":74581}}"#)),
        "index: block 2 says that its index is 3"
    );
    let zero = "0".repeat(64);
    assert_eq!(
        error(format!(r#"{{"index":2,"previous_hash":"{zero}","proof":74581}}"#)),
        format!(
            "previous_hash: block 2 names \"{zero}\", but the block before it has the hash {HASH}"
        )
    );
    let wrong = error(format!(r#"{{"index":2,"previous_hash":"{HASH}","proof":99}}"#));
    let digest = Hash::of("9999");
    assert!(wrong.starts_with(&format!("proof: block 2 has the digest {digest}")), "{wrong}");
    assert!(wrong.contains(&format!("0000{}", "f".repeat(60))), "{wrong}");
    let foreign = error(r#"{"index":1,"previous_hash":"1","proof":100,"timestamp":5}"#.into());
    assert!(foreign.starts_with("genesis: ") && foreign.contains("\"proof\": 99"), "{foreign}");
}

#[test]
fn a_free_genesis_is_a_shape_that_has_blocks() {
    assert!(Genesis::any(1, "100", r#""1""#).is_ok());
    assert!(Genesis::any(MAX_INDEX, r#""x""#, "null").is_ok());
    for (index, proof, previous) in [
        (0, "1", "1"),
        (u64::MAX, "1", "1"),
        (1, "1.5", "1"),
        (1, "null", "1"),
        (1, r#""\ud800""#, "1"),
        (1, "1", ""),
        (1, "", "1"),
        (1, "1", "NaN"),
        (1, r#"1, "proof": 2"#, "1"),
        (1, "1", &nested(988)),
        (1, "1", &format!("\"{}\"", "x".repeat(MAX_BLOCK_BYTES))),
    ] {
        assert!(
            Genesis::any(index, proof, previous).is_err(),
            "{index} {proof:.50} {previous:.50}"
        );
    }
}

#[test]
fn the_first_block_can_be_written_at_any_time() {
    for micros in [0, 1, 99, 123_000, 1_562_874_886_654_986, 10_000_000_000_000_003, u64::MAX] {
        let block = Rules::dvf().genesis_block(Timestamp { micros });
        let again = canonical(block.text().as_bytes()).expect("JSON");
        assert_eq!(again, block.text());
    }
}

#[test]
fn there_is_no_block_after_the_last_index() {
    let parent = format!(r#"{{"index": {MAX_INDEX}, "previous_hash": null, "proof": 1}}"#);
    let parent = Block::parse(parent.as_bytes()).expect("a block");
    let next = Block::compose(&parent, &Proof::from(1), Timestamp::default(), []);
    assert!(matches!(next, Err(Malformed::Index { .. })));
}

#[test]
fn a_transaction_that_no_block_has_room_for_is_not_queued() {
    let request = |amount: &str| {
        let text = format!(r#"{{"amount": {amount}, "recipient": "b", "sender": "a"}}"#);
        let text = canonical(text.as_bytes()).expect("JSON").into_owned();
        Transaction::from_request(Value::of_canonical(&text))
    };
    let deepest = request(&nested(MAX_TRANSACTION_DEPTH - 1)).expect("fits");
    let genesis = Rules::lecture().genesis_block(Timestamp::default());
    let block = Block::compose(&genesis, &Proof::from(1), Timestamp::default(), [&deepest]);
    assert!(block.is_ok());
    assert_eq!(
        request(&nested(MAX_TRANSACTION_DEPTH)),
        Err(Unqueueable::TooDeep { found: MAX_TRANSACTION_DEPTH + 1 })
    );
    let long = format!("\"{}\"", "x".repeat(MAX_TRANSACTION_BYTES));
    assert!(matches!(request(&long), Err(Unqueueable::TooLong { .. })));
}
