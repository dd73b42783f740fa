//! Chain files: what they say, and what is said of one that is wrong.

use std::path::Path;

use blocksmith_consensus::json::{Value, canonical};
use blocksmith_consensus::{
    Block, ChainBlock, Difficulty, Family, Genesis, Invalid, Issuance, Open, Puzzle, Rules, Target,
    Timestamp, check_alone, check_on,
};
use blocksmith_service::chain::{Chain, ChainError, Dialect, describe};

const LECTURE: &str = include_str!("../../../../tests/vectors/lecture.json");

const GOOD: &str = r#"
name = "ours"
puzzle = "last_block"
zeros = 3
dialect = "course"

[genesis]
block = '{"proof": 99, "index": 1, "previous_hash": null, "timestamp": 0, "transactions": []}'

[coin]
sender = '"0"'
amount = "1"
"#;

fn repository(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path).display().to_string()
}

fn load(text: &[u8]) -> Result<Chain, ChainError> {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("chain.toml");
    std::fs::write(&path, text).expect("written");
    Chain::load(&path.display().to_string(), None)
}

fn verdict(rules: &Rules, chain: &[Block]) -> Result<(), Invalid> {
    let mut parent: Option<ChainBlock> = None;
    for block in chain {
        check_on(rules, check_alone(rules, block.clone())?, parent.as_ref())?;
        parent = Some(match parent {
            Some(parent) => parent.followed_by(rules, block.clone()),
            None => ChainBlock::genesis(rules, block.clone()),
        });
    }
    Ok(())
}

/// The rules of an open chain.
fn open(rules: &Rules) -> &Open {
    match &rules.family {
        Family::Open(open) => open,
        Family::Sealed(_) => panic!("{} is sealed", rules.name),
    }
}

#[test]
fn the_first_lectures_blocks_are_valid_by_its_chain_file() {
    let chain = Chain::load(&repository("chains/lecture-1.toml"), None).expect("a chain file");
    let id = "e2d92065fb5e99820fdd40114c16feea9a30b56f995e374cd1068117726dee9a";
    assert_eq!(chain.rules.chain_id().to_string(), id);
    assert_eq!(describe(&chain.rules), "lecture-1 with 4 zeros");
    assert_eq!(chain.dialect, Dialect::LectureOne);
    // A file that was written before there was this dialect says so by its coins.
    let text = std::fs::read_to_string(repository("chains/lecture-1.toml")).expect("a file");
    let older = text.replace("dialect = \"lecture-1\"\n", "");
    assert_ne!(older, text);
    assert_eq!(Chain::parse(&older), Ok(chain.clone()));

    let vectors = canonical(LECTURE.as_bytes()).expect("JSON");
    let printed = Value::of_canonical(&vectors).get("lecture_1").expect("Lecture I");
    let blocks: Vec<_> =
        printed.get("currentChain").expect("the key of Lecture I").elements().collect();
    let mut blocks: Vec<_> =
        blocks.iter().map(|text| Block::of_canonical(text.text()).expect("a block")).collect();
    assert_eq!(blocks.len(), 3);
    assert_eq!(verdict(&chain.rules, &blocks), Ok(()));
    let coin = blocks[1].view().transactions().last().expect("a coin");
    let (sender, amount) =
        (coin.get("sender").expect("it has"), coin.get("amount").expect("it has"));
    let issuance = Issuance { sender: sender.text().into(), amount: amount.text().into() };
    assert_eq!(open(&chain.rules).issuance, issuance);

    // Everybody's own genesis is one.
    let own = chain.rules.genesis_block(Timestamp { micros: 1_600_000_000_123_456 });
    assert_eq!(verdict(&chain.rules, &[own]), Ok(()));
    blocks[1] = Block::of_canonical(&blocks[1].text().replace("9188", "9189")).expect("a block");
    let found = verdict(&chain.rules, &blocks);
    assert!(matches!(found, Err(Invalid::PreviousHash { index: 3, .. })), "{found:?}");
}

#[test]
fn a_file_says_everything_that_a_preset_says() {
    let chain = load(GOOD.as_bytes()).expect("a chain file");
    assert_eq!(chain.rules, Rules { name: "ours".into(), ..Rules::course().with_zeros(3) });
    assert_eq!(chain.dialect, Dialect::Course);

    let target = format!("target = \"{}\"", "12".repeat(32));
    let chain =
        load(GOOD.replace("zeros = 3", &target).replace("dialect = \"course\"", "").as_bytes());
    let chain = chain.expect("a chain file");
    assert_eq!(chain.dialect, Dialect::Notes);
    let Difficulty::Fixed(found) = chain.rules.difficulty() else { panic!("it is fixed") };
    assert_eq!(found.to_string(), "12".repeat(32));
    assert_eq!(describe(&chain.rules), format!("ours with the target {}", "12".repeat(32)));

    let any = GOOD.replace(
        GOOD.lines().find(|line| line.starts_with("block")).expect("a block"),
        "index = 5\nproof = '\"x\"'\nprevious_hash = '{\"b\":1,\"a\":[2]}'",
    );
    let expected = Genesis::any(5, r#""x""#, r#"{"a": [2], "b": 1}"#).expect("a shape");
    let any = load(any.as_bytes()).expect("a chain file").rules;
    assert_eq!(open(&any).genesis, expected);
}

#[test]
fn each_mistake_is_told_in_its_own_words() {
    let genesis = GOOD.lines().find(|line| line.starts_with("block")).expect("a block");
    let any = |index: &str, proof: &str, previous: &str| {
        let shape = format!("index = {index}\nproof = '{proof}'\nprevious_hash = '{previous}'");
        GOOD.replace(genesis, &shape)
    };
    let long = format!("\"{}\"", "x".repeat(17_000_000));
    let deep = format!("{}{}", "[".repeat(988), "]".repeat(988));
    let coin = format!("\"{}\"", "x".repeat(100_001));
    for (text, expected) in [
        (String::new(), "missing field `name`"),
        ("name = ".into(), "TOML parse error at line 1"),
        (GOOD.replace("zeros = 3", ""), "either zeros, from 0 to 64, or target"),
        (GOOD.replace("zeros = 3", "zeros = 65"), "either zeros, from 0 to 64, or target"),
        (GOOD.replace("zeros = 3", "zeros = 300"), "300"),
        (GOOD.replace("zeros = 3", "zeros = -1"), "-1"),
        (GOOD.replace("zeros = 3", "zeros = '3'"), "invalid type"),
        (GOOD.replace("zeros = 3", "zeros = 3\ntarget = 'ff'"), "either zeros"),
        (GOOD.replace("zeros = 3", "target = 'ff'"), "target must have 64 hex digits, and has 2"),
        (GOOD.replace("last_block", "last_blok"), "unknown variant `last_blok`"),
        (GOOD.replace("\"course\"", "\"corse\""), "unknown variant `corse`"),
        (GOOD.replace("zeros = 3", "zeros = 3\nspeed = 1"), "unknown field `speed`"),
        (GOOD.replace("amount", "amuont"), "unknown field `amuont`"),
        (GOOD.replace("amount = \"1\"", "amount = \"one\""), "coin.amount is not JSON"),
        (GOOD.replace("amount = \"1\"", ""), "missing field `amount`"),
        (GOOD.replace("'\"0\"'", &format!("'{coin}'")), "coin: the transaction has"),
        (
            GOOD.replace(genesis, ""),
            "genesis must have either block, or index, proof and previous_hash",
        ),
        (GOOD.replace(genesis, "index = 1"), "genesis must have either block, or index"),
        (GOOD.replace(genesis, &format!("{genesis}\nindex = 1")), "genesis must have either block"),
        (GOOD.replace(genesis, "blok = ''"), "unknown field `blok`"),
        (
            GOOD.replace("\"proof\": 99", "\"proof\": 1.5"),
            "genesis: block 1: a proof must be a whole",
        ),
        (
            GOOD.replace("\"index\": 1", "\"index\": 0"),
            "genesis: a block's index must be a whole number",
        ),
        (GOOD.replace("null", "NaN"), "genesis: this JSON can't be read"),
        (any("0", "1", "1"), "genesis: a block's index must be a whole number from 1"),
        (any("-1", "1", "1"), "-1"),
        (any("1", "1.5", "1"), "genesis: block 1: a proof must be a whole number or a string"),
        (
            any("1", "\"\\ud800\"", "1"),
            "genesis: block 1: a proof must be a whole number or a string",
        ),
        (any("1", "one", "1"), "genesis.proof is not JSON"),
        (any("1", "1", ""), "genesis.previous_hash is not JSON"),
        (any("1", "1", &long), "genesis: block 1 has 170000"),
        (any("1", "1", &deep), "genesis: block 1 has 989 lists and objects"),
    ] {
        let error = match load(text.as_bytes()) {
            Ok(chain) => panic!("taken: {:.400}: {chain:.400?}", text),
            Err(error) => error.to_string(),
        };
        assert!(error.contains(expected), "{error:.600}");
        assert!(error.starts_with("the chain file "), "{error:.600}");
        assert!(error.contains("chain.toml has a mistake: "), "{error:.600}");
    }
    let error = load(b"name = \"ours\"\n# Zo\xeb\n").expect_err("not UTF-8").to_string();
    assert!(error.contains("has a mistake: line 2, column 5: the text there"), "{error}");
    let error = load(&b"#".repeat((32 << 20) + 1)).expect_err("too long").to_string();
    assert!(error.contains("more than 33554432 bytes"), "{error}");
}

#[test]
fn what_is_neither_a_preset_nor_a_file_is_told() {
    let error = Chain::load("lectur", None).expect_err("no preset").to_string();
    assert!(error.contains("\"lectur\""), "{error}");
    let all = "lecture, course, dvf, forge or bitcoin-like";
    assert!(
        error.contains(all) && all.matches(", ").count() + 2 == Rules::PRESETS.len(),
        "{error}"
    );
    let error = Chain::load("./nowhere.toml", None).expect_err("no file").to_string();
    assert!(error.contains("./nowhere.toml can't be read"), "{error}");
    let error = Chain::load(&repository("chains"), None).expect_err("a folder").to_string();
    assert!(error.contains("can't be read"), "{error}");
}

#[test]
fn another_number_of_zeros_is_another_chain() {
    let file = repository("chains/lecture-1.toml");
    for name in ["lecture", "course", "dvf", &file] {
        let plain = Chain::load(name, None).expect("a chain").rules;
        let Difficulty::Fixed(target) = plain.difficulty() else { panic!("it is fixed") };
        let zeros = target.zeros().expect("a number of zeros");
        assert_eq!(Chain::load(name, Some(zeros)).expect("a chain").rules, plain);
        let mut ids: Vec<_> = (0..=64)
            .map(|zeros| Chain::load(name, Some(zeros)).expect("a chain").rules.chain_id())
            .collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 65, "{name}");
        let error = Chain::load(name, Some(65)).expect_err("too many");
        assert!(matches!(error, ChainError::Zeros { found: 65 }), "{error}");
    }
    let easy = Chain::load("lecture", Some(2)).expect("a chain").rules;
    assert_eq!(easy.difficulty(), Difficulty::Fixed(Target::from_zeros(2)));
    assert_eq!(open(&easy).puzzle, Puzzle::LastProof);
}
