//! Chain files of sealed chains: what they say, what is said of one that is wrong, and that no
//! number in one breaks anything.

use std::path::Path;

use blocksmith::chain::{Chain, ChainError, describe};
use blocksmith_consensus::json::Value;
use blocksmith_consensus::ledger::Account;
use blocksmith_consensus::payment::MAX_INTEGER;
use blocksmith_consensus::{Difficulty, Family, Rules, Sealed, Shape, Target, U256};
use proptest::prelude::*;

/// The rules of `forge`, as a file says them.
const FORGE: &str = r#"
name = "forge"
puzzle = "seal"
max_block_bytes = 1000000

[difficulty.asert]
spacing_s = 15
half_life_s = 450
longest_gap_s = 900
easiest = "0000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"

[spending]
addresses = "forge"
first_subsidy = 2000000000
halving_blocks = 2100000

[genesis]
timestamp = 1767225600
target = "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
"#;

const EPOCH: &str = r#"[difficulty.epoch]
blocks = 2016
spacing_s = 600
clamp = 4
easiest = "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
"#;

/// A point of the curve to which nobody has the key.
const SOMEBODY: &str = "forge12zffkaxp5py4fdutfdsrt6t6tcrc5ks09rkfd428hlhf4n5q8tqqelyfyl";

fn repository(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path).display().to_string()
}

fn rules(text: &str) -> Rules {
    Chain::parse(text).unwrap_or_else(|error| panic!("{error}: {text}")).rules
}

/// The file with the whole table of its difficulty replaced.
fn with_difficulty(table: &str) -> String {
    let start = FORGE.find("[difficulty").expect("a table");
    let end = FORGE.find("[spending").expect("a table");
    format!("{}{table}\n{}", &FORGE[..start], &FORGE[end..])
}

/// The file with one field's value replaced; nothing takes the field out.
fn with(field: &str, value: Option<&str>) -> String {
    let line = |line: &str| match line.split_once(" = ") {
        Some((name, _)) if name == field => {
            value.map_or(String::new(), |value| format!("{name} = {value}\n"))
        }
        _ => format!("{line}\n"),
    };
    let text: String = FORGE.lines().map(line).collect();
    assert_ne!(text, FORGE, "{field}");
    text
}

fn balances(all: &[(&str, u64)]) -> String {
    let balance = |(address, amount): &(&str, u64)| {
        format!("\n[[genesis.balances]]\naddress = \"{address}\"\namount = {amount}\n")
    };
    all.iter().map(balance).collect()
}

#[test]
fn a_file_says_all_of_forge_and_of_bitcoin_like() {
    assert_eq!(rules(FORGE), Rules::forge());
    let text = with_difficulty(EPOCH)
        .replace("name = \"forge\"", "name = \"bitcoin-like\"")
        .replace("1767225600", "1231006505");
    assert_eq!(rules(&text), Rules::bitcoin_like());
    assert_eq!(rules(&text).chain_id(), Rules::bitcoin_like().chain_id());

    // The literal block is the same as what it is written from.
    let block = Rules::forge().genesis_block(Default::default());
    let literal = format!("[genesis]\nblock = '{}'\n", block.text());
    let start = FORGE.find("[genesis]").expect("a table");
    assert_eq!(rules(&format!("{}{literal}", &FORGE[..start])), Rules::forge());
}

#[test]
fn the_example_is_the_chain_that_python_makes_of_it() {
    let chain = Chain::load(&repository("chains/forge-example.toml"), None).expect("a chain file");
    // Python's json and hashlib, over the values of the file.
    let id = "ad30a8b0d30ad9b167ff53a8786f204914b7614a996d299059253d70ef980d63";
    assert_eq!(chain.rules.chain_id().to_string(), id);
    assert_eq!(describe(&chain.rules), "forge-example with a block every 10 s");
    let file = std::fs::read_to_string(repository("chains/forge-example.toml")).expect("a file");
    let line = format!("[genesis]\nprevious_hash = \"{}\"", "0123456789abcdef".repeat(4));
    let id = "03c0e6b0b85afe0c35a7a77fc33637960cfa0853c71edd2186078f6c9c629836";
    assert_eq!(rules(&file.replace("[genesis]", &line)).chain_id().to_string(), id);
    let commented = "#     [difficulty.epoch]";
    let text = std::fs::read_to_string(repository("chains/forge-example.toml")).expect("a file");
    let (before, rest) = text.split_once(commented).expect("the other difficulty, in a comment");
    let (table, rest) = rest.split_once("[difficulty.asert]").expect("the difficulty");
    let (_, rest) = rest.split_once("\n\n").expect("more");
    let epoch = format!("{before}\n[difficulty.epoch]{}\n{rest}", table.replace("#     ", ""));
    let found = rules(&epoch).difficulty();
    assert_eq!(found, Rules::bitcoin_like().difficulty(), "what the comment says is right");
}

#[test]
fn balances_are_coins_in_their_order() {
    let other = "forge10xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vq49wxpx";
    let all = [(SOMEBODY, 5), (other, 0), (SOMEBODY, 7)];
    let rules = rules(&format!("{FORGE}{}", balances(&all)));
    let block = &rules.genesis_block(Default::default());
    let text = |value: Option<Value<'_>>| value.expect("a field").text().to_string();
    let coins: Vec<_> = block
        .view()
        .transactions()
        .map(|coin| ["recipient", "amount", "nonce", "sender"].map(|field| text(coin.get(field))))
        .collect();
    let expected = |(nonce, (address, amount)): (usize, &(&str, u64))| {
        [format!("\"{address}\""), amount.to_string(), nonce.to_string(), "\"0\"".into()]
    };
    assert_eq!(coins, all.iter().enumerate().map(expected).collect::<Vec<_>>());
    let changes = rules.allot(block).expect("an allotment");
    let after: Vec<_> = changes.accounts.iter().map(|change| change.after).collect();
    assert_eq!(after, [Account { balance: 12, nonce: 0 }]);

    // As many as fit: those of a chain with short blocks too.
    let many = balances(&vec![(SOMEBODY, 1); 200]);
    assert_eq!(Chain::parse(&format!("{FORGE}{many}")).map(drop), Ok(()));
    let short = format!("{}{many}", with("max_block_bytes", Some("12000")));
    let error = Chain::parse(&short).expect_err("too long");
    assert!(error.contains("the genesis block has 2") && error.contains("allows 12000"), "{error}");
}

#[test]
fn each_mistake_is_told_with_its_field() {
    let genesis = FORGE.find("[genesis]").expect("a table");
    let start = |table: &str| format!("{}{table}", &FORGE[..genesis]);
    let block = |from: &str, to: &str| {
        let block = Rules::forge().genesis_block(Default::default());
        start(&format!("[genesis]\nblock = '{}'\n", block.text().replace(from, to)))
    };
    let lecture = std::fs::read_to_string(repository("chains/lecture-1.toml")).expect("a file");
    let lecture = |line: &str, table: &str| {
        format!("{}\n{table}\n", lecture.replace("zeros = 4", &format!("zeros = 4\n{line}")))
    };
    let most = MAX_INTEGER + 1;
    let huge = most.to_string();
    let huge = Some(&*huge);
    let zero = "0".repeat(64);
    let (zero, easy) = (format!("\"{zero}\""), format!("\"0001{}\"", "f".repeat(60)));
    for (text, expected) in [
        // Parts that don't fit.
        (with("max_block_bytes", None), "needs max_block_bytes, the longest block in bytes"),
        (with("max_block_bytes", Some("1000000\nzeros = 4")), "zeros belongs to the other puzzles"),
        (with("max_block_bytes", Some("1000000\ntarget = \"ff\"")), "target belongs to the other"),
        (format!("{FORGE}\n[coin]\nsender = '\"0\"'\namount = '1'\n"), "write [spending] instead"),
        (with_difficulty(""), "needs a difficulty: [difficulty.asert] with spacing_s, half_life_s"),
        (FORGE.replace("[spending]", "[spendings]"), "unknown field `spendings`"),
        (
            FORGE[..FORGE.find("[spending]").expect("it")].to_string() + "[genesis]\n",
            "needs [spending] with addresses, first_subsidy and halving_blocks",
        ),
        (with_difficulty("[difficulty.assert]"), "expected `asert` or `epoch`"),
        (with_difficulty(&format!("{EPOCH}\n[difficulty.asert]\n")), "exactly 1"),
        (with_difficulty(&EPOCH.replace("clamp = 4\n", "")), "missing field `clamp`"),
        (with("half_life_s", None), "missing field `half_life_s`"),
        (with("half_life_s", Some("450\nspeed = 1")), "unknown field `speed`"),
        (with("spacing_s", Some("1.5")), "invalid type"),
        (with("spacing_s", Some("-1")), "-1"),
        (with("puzzle", Some("\"last_proof\"")), "[difficulty] belongs to puzzle = \"seal\""),
        (
            lecture("", "[spending]\naddresses = 'x'\nfirst_subsidy = 1\nhalving_blocks = 1"),
            "[spending] belongs to puzzle = \"seal\"",
        ),
        (lecture("max_block_bytes = 1000000", ""), "max_block_bytes belongs to puzzle = \"seal\""),
        (lecture("", "").replace("index = 1", "timestamp = 1"), "genesis.timestamp belongs to"),
        (lecture("", "").replace("index = 1", "target = ''"), "genesis.target belongs to"),
        (lecture("", "").replace("index = 1", "balances = []"), "genesis.balances belongs to"),
        (lecture("", "").replace("[coin]", "[conn]"), "unknown field `conn`"),
        (lecture("", "").split("[coin]").next().expect("it").to_string(), "[coin] is missing"),
        // Numbers of the difficulty.
        (with("spacing_s", Some("0")), "spacing_s must be a whole number from 1 to"),
        (
            with("spacing_s", huge),
            "spacing_s must be a whole number from 1 to 9007199254740991, not 9007",
        ),
        (with("half_life_s", Some("0")), "half_life_s must be a whole number from 1"),
        (with("half_life_s", huge), "half_life_s must be a whole number from 1"),
        (with("half_life_s", Some("14")), "half_life_s must be at least spacing_s, 15, not 14"),
        (with("longest_gap_s", Some("0")), "longest_gap_s must be a whole number from 1"),
        (with("longest_gap_s", huge), "longest_gap_s must be a whole number from 1"),
        (
            with("longest_gap_s", Some("15")),
            "longest_gap_s must be more than spacing_s, 15, not 15",
        ),
        (with("easiest", Some("\"ff\"")), "easiest must have 64 hex digits, and has 2"),
        (
            with("easiest", Some(&zero)),
            "the target of the genesis block must be at least 1 and at most ",
        ),
        (with_difficulty(&EPOCH.replace("2016", "0")), "blocks must be a whole number from 1"),
        (
            with_difficulty(&EPOCH.replace("2016", &most.to_string())),
            "blocks must be a whole number",
        ),
        (with_difficulty(&EPOCH.replace("600", "0")), "spacing_s must be a whole number from 1"),
        (
            with_difficulty(&EPOCH.replace("600", &MAX_INTEGER.to_string())),
            "an epoch of 2016 blocks",
        ),
        (with_difficulty(&EPOCH.replace("= 4", "= 0")), "clamp must be a whole number from 1"),
        (with_difficulty(&EPOCH.replace("= 4", "= 4294967296")), "4294967296"),
        (with_difficulty(&EPOCH.replace("= 4", "= 1209601")), "clamp must be at most 1209600"),
        // Numbers of the rest.
        (with("halving_blocks", Some("0")), "halving_blocks must be a whole number from 1"),
        (with("halving_blocks", huge), "halving_blocks must be a whole number from 1"),
        (with("first_subsidy", huge), "first_subsidy must be a whole number from 0"),
        (
            with("first_subsidy", Some("3000000000")),
            "the genesis block gives 0 units, and miners will get 125",
        ),
        (
            with("addresses", Some("\"Forge\"")),
            "addresses: the prefix of addresses must be 1 to 31",
        ),
        (with("addresses", Some("\"\"")), "addresses: the prefix of addresses must be 1 to 31"),
        (
            with("max_block_bytes", Some("11999")),
            "max_block_bytes must be a whole number from 12000",
        ),
        (
            with("max_block_bytes", Some("16000001")),
            "max_block_bytes must be a whole number from 12000",
        ),
        // The start.
        (
            start("[genesis]\n"),
            "genesis must have either block, or timestamp, target and any number",
        ),
        (with("target", None), "genesis must have either block, or timestamp, target"),
        (with("timestamp", None), "genesis must have either block, or timestamp, target"),
        (
            with("timestamp", Some("1\nblock = '{}'")),
            "genesis must have either block, or timestamp",
        ),
        (with("timestamp", Some("1\nindex = 1")), "genesis must have either block, or timestamp"),
        (
            with("timestamp", huge),
            "genesis: block 1: \"timestamp\" must be a whole number below 2^53",
        ),
        (with("target", Some("\"FF\"")), "genesis.target must have 64 hex digits, and has 2"),
        (
            with("target", Some(&zero)),
            "the target of the genesis block must be at least 1 and at most ",
        ),
        (with("target", Some(&easy)), "must be at least 1 and at most 0000ffff"),
        (start("[genesis]\nblock = 'x'\n"), "genesis.block is not JSON"),
        (start("[genesis]\nblock = '{}'\n"), "genesis: the block has no \"index\""),
        (
            block("\"index\": 1", "\"index\": 2"),
            "the index of the genesis block must be 1 on this chain, not 2",
        ),
        (block("e3b0", "e3b1"), "the merkle_root of the genesis block is e3b1"),
        (block("\"transactions\": []", "\"transactions\": [7]"), "merkle_root"),
        (
            format!("{FORGE}{}", balances(&[(SOMEBODY, 1), ("class1qqq", 1)])),
            "[[genesis.balances]] number 2: address: an address of this chain must start with \"forge1\"",
        ),
        (
            format!("{FORGE}{}", balances(&[(SOMEBODY, most)])),
            "[[genesis.balances]] number 1: amount must be at most 9007199254740991",
        ),
        (
            format!("{FORGE}{}", balances(&[(SOMEBODY, MAX_INTEGER)])),
            "genesis: the genesis block gives 9007199254740991 units",
        ),
        (format!("{FORGE}{}note = 1\n", balances(&[(SOMEBODY, 1)])), "unknown field `note`"),
    ] {
        let error = match Chain::parse(&text) {
            Ok(chain) => panic!("taken: {text}: {:?}", chain.rules),
            Err(error) => error,
        };
        assert!(error.contains(expected), "expected {expected:?}: {error:.600}");
    }
}

#[test]
fn zeros_are_for_chains_whose_difficulty_is_a_number_of_them() {
    for name in ["forge", "bitcoin-like", &repository("chains/forge-example.toml")] {
        let plain = Chain::load(name, None).expect("a chain").rules;
        assert_eq!(plain.shape(), Shape::Sealed);
        let error = Chain::load(name, Some(4)).expect_err("no zeros");
        assert!(matches!(error, ChainError::NoZeros { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&plain.name) && text.contains("zeros can't be set"), "{text}");
    }
}

/// Numbers of every size that TOML writes, with those at which things change more often.
fn number() -> impl Strategy<Value = u64> {
    let edges = [0, 1, 2, 3, 4, 15, 600, u64::from(u32::MAX), MAX_INTEGER, MAX_INTEGER + 1];
    prop_oneof![
        prop::sample::select(edges.to_vec()),
        (1_u32..64, any::<u64>()).prop_map(|(shift, number)| number >> shift),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    (0_u32..=256).prop_map(|bits| Target(U256::MAX.checked_shr(bits).unwrap_or(U256::ZERO)))
}

/// The text of a file, its genesis target and time aside like any other.
fn file() -> impl Strategy<Value = String> {
    let asert =
        (number(), number(), number(), target()).prop_map(|(spacing, half, gap, easiest)| {
            format!(
                "[difficulty.asert]\nspacing_s = {spacing}\nhalf_life_s = {half}\n\
             longest_gap_s = {gap}\neasiest = \"{easiest}\"\n"
            )
        });
    let epoch =
        (number(), number(), number(), target()).prop_map(|(blocks, spacing, clamp, easiest)| {
            format!(
                "[difficulty.epoch]\nblocks = {blocks}\nspacing_s = {spacing}\nclamp = {clamp}\n\
             easiest = \"{easiest}\"\n"
            )
        });
    let start = (number(), target(), number());
    (prop_oneof![asert, epoch], start, number(), number()).prop_map(
        |(difficulty, (timestamp, target, amount), subsidy, halving)| {
            format!(
                "name = \"x\"\npuzzle = \"seal\"\nmax_block_bytes = 12000\n{difficulty}\
                 [spending]\naddresses = \"forge\"\nfirst_subsidy = {}\nhalving_blocks = {}\n\
                 [genesis]\ntimestamp = {timestamp}\ntarget = \"{target}\"\n{}",
                subsidy >> 20,
                (halving >> 30).max(1),
                balances(&[(SOMEBODY, amount >> 10)]),
            )
        },
    )
}

proptest! {
    // Most random numbers make no chain.
    #![proptest_config(ProptestConfig { max_global_rejects: 400_000, ..ProptestConfig::default() })]

    #[test]
    fn what_loads_never_breaks(text in file(), gaps in prop::collection::vec(number(), 1..40)) {
        let chain = Chain::parse(&text);
        prop_assume!(chain.is_ok());
        let rules = chain.expect("it was").rules;
        let Family::Sealed(Sealed { emission, .. }) = &rules.family else { panic!("payments are signed") };
        let block = rules.genesis_block(Default::default());
        let first = rules.genesis_target();
        let mut difficulty_state = rules.first_difficulty_state(block.view());
        let mut time = block.header().expect("a header").timestamp_s;
        for (at, gap) in gaps.into_iter().enumerate() {
            let target = rules.target_after(&difficulty_state);
            prop_assert!(target.0 >= 1 && target <= rules.difficulty().easiest());
            time = time.saturating_add(gap).min(MAX_INTEGER);
            difficulty_state = rules.difficulty().difficulty_state_after(first, &difficulty_state, time);
            prop_assert!(emission.subsidy(at as u64 + gap) <= emission.first);
        }
        prop_assert!(!matches!(rules.difficulty(), Difficulty::Fixed(_)));
        rules.chain_id();
    }
}
