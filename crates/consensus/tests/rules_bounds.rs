//! Which rules a chain can live by, and what is said of those it can't.

use std::num::NonZeroU64;

use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_consensus::block::MAX_BLOCK_BYTES;
use blocksmith_consensus::json::{Value, canonical};
use blocksmith_consensus::payment::{Coinbase, Emission, MAX_INTEGER, UNITS_PER_COIN};
use blocksmith_consensus::rules::sealed::genesis as sealed_genesis;
use blocksmith_consensus::rules::{BadRules, MIN_SEALED_BLOCK_BYTES};
use blocksmith_consensus::{
    Block, Difficulty, DifficultyState, Genesis, Hash, Invalid, Open, Rules, Sealed, Shape, Target,
    U256, Unproven, check, check_alone, merkle,
};
use proptest::prelude::*;

const FORGE_GENESIS_S: u64 = 1_767_225_600;

fn ours(sealed: Sealed) -> Rules {
    sealed.named("ours")
}

fn forge(difficulty: Difficulty) -> Rules {
    ours(Sealed { difficulty, ..Sealed::forge() })
}

fn bits(zero_bits: u32) -> Target {
    Target(U256::MAX >> zero_bits)
}

fn asert(spacing_s: u64, half_life_s: u64, longest_gap_s: u64) -> Difficulty {
    Difficulty::Asert { spacing_s, half_life_s, longest_gap_s, easiest: bits(16) }
}

fn epoch(blocks: u64, spacing_s: u64, clamp: u32) -> Difficulty {
    Difficulty::Epoch { blocks, spacing_s, clamp, easiest: bits(24) }
}

fn hrp(text: &str) -> Hrp {
    Hrp::new(text).expect("letters")
}

/// The generator's x coordinate.
fn somebody() -> Address {
    let key: Hash = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
        .parse()
        .expect("32 bytes");
    Address::from_key(key.0).expect("a point")
}

/// Rules like forge's with this genesis block.
fn starting_with(index: u64, target: Target, merkle_root: Hash, coins: &[String]) -> Rules {
    let texts = coins.iter().map(String::as_str);
    let draft = Unproven::new(index, &Hash([0; 32]), FORGE_GENESIS_S, target, &merkle_root, texts);
    ours(Sealed { genesis: draft.expect("a draft").into_genesis(), ..Sealed::forge() })
}

#[test]
fn a_chain_can_live_by_every_preset() {
    for name in Rules::PRESETS {
        let rules = Rules::preset(name).expect("a preset");
        assert_eq!((rules.name.as_str(), rules.check()), (name, Ok(())));
    }
    let genesis = sealed_genesis(FORGE_GENESIS_S, bits(24), hrp("forge"), &[]);
    assert_eq!(genesis.expect("an empty block"), Sealed::forge().genesis);
}

#[test]
fn bitcoin_like_is_bitcoins_rule_on_a_chain_of_its_own() {
    let rules = Rules::bitcoin_like();
    let easiest = bits(24);
    assert_eq!(
        rules.difficulty(),
        Difficulty::Epoch { blocks: 2_016, spacing_s: 600, clamp: 4, easiest }
    );
    assert_eq!(rules.genesis_target(), easiest);
    let (bitcoin_like, forge) = (Sealed::bitcoin_like(), Sealed::forge());
    assert_eq!(bitcoin_like.emission, forge.emission);
    assert_eq!(bitcoin_like.hrp, forge.hrp);
    assert_ne!(bitcoin_like.genesis, forge.genesis);
    let ids = [
        ("forge", "31c7e755492324985e3fcdb55283db05cfc0727754ce7f7f64ad21d4eda6f35a"),
        ("bitcoin-like", "4ff0da1e999622e003e425f802ea9194df312006264a35aabf82ffd74bf01162"),
    ];
    for (name, id) in ids {
        assert_eq!(Rules::preset(name).expect("a preset").chain_id().to_string(), id, "{name}");
    }
}

#[test]
fn difficulties_that_break_are_refused_and_their_neighbours_are_not() {
    let most = MAX_INTEGER;
    let number = |field, found| Some(BadRules::Number { field, least: 1, most, found });
    let cases = [
        (asert(15, 450, 900), None),
        (asert(1, 1, 2), None),
        (asert(most - 1, most, most), None),
        (asert(0, 450, 900), number("spacing_s", 0)),
        (asert(most + 1, most, most), number("spacing_s", most + 1)),
        (asert(15, 0, 900), number("half_life_s", 0)),
        (asert(15, most + 1, 900), number("half_life_s", most + 1)),
        (asert(15, 450, 0), number("longest_gap_s", 0)),
        (asert(15, 450, most + 1), number("longest_gap_s", most + 1)),
        (asert(15, 14, 900), Some(BadRules::HalfLife { spacing_s: 15, found: 14 })),
        (asert(15, 450, 15), Some(BadRules::LongestGap { spacing_s: 15, found: 15 })),
        (asert(15, 450, 16), None),
        (epoch(2_016, 600, 4), None),
        (epoch(1, 1, 1), None),
        (epoch(most, 1, 4), None),
        (epoch(0, 600, 4), number("blocks", 0)),
        (epoch(most + 1, 1, 4), number("blocks", most + 1)),
        (epoch(1, 0, 4), number("spacing_s", 0)),
        (epoch(1, most + 1, 4), number("spacing_s", most + 1)),
        (epoch(most, 2, 4), Some(BadRules::Epoch { blocks: most, spacing_s: 2 })),
        (epoch(1 << 32, 1 << 32, 4), Some(BadRules::Epoch { blocks: 1 << 32, spacing_s: 1 << 32 })),
        (epoch(1, 3, 4), Some(BadRules::Clamp { expected_s: 3, found: 4 })),
        (epoch(1, 4, 4), None),
        (epoch(1, u32::MAX.into(), u32::MAX), None),
        (
            epoch(1, 4, 0),
            Some(BadRules::Number { field: "clamp", least: 1, most: u32::MAX.into(), found: 0 }),
        ),
    ];
    for (difficulty, expected) in cases {
        assert_eq!(forge(difficulty).check().err(), expected, "{difficulty:?}");
    }
}

/// What the bounds are for: where they are not kept, one quick block is the end.
#[test]
fn a_clamp_beyond_an_epochs_seconds_would_end_the_chain() {
    let rule = epoch(1, 3, 4);
    let mut difficulty_state = DifficultyState::genesis(bits(24), 0);
    for _ in 0..2 {
        difficulty_state = rule.difficulty_state_after(bits(24), &difficulty_state, 7);
    }
    assert_eq!(rule.target_after(bits(24), &difficulty_state), Target(U256::ONE));
}

#[test]
fn a_genesis_block_fits_its_chain() {
    let forge = Sealed::forge();
    let none = merkle::root::<&str>([]);
    let easiest = bits(16);
    let check = |index, target| starting_with(index, target, none, &[]).check();
    assert_eq!(check(1, easiest), Ok(()));
    assert_eq!(check(1, Target(U256::ONE)), Ok(()));
    assert_eq!(check(2, easiest), Err(BadRules::GenesisIndex { found: 2 }));
    for found in [Target(U256::ZERO), Target(easiest.0 + 1)] {
        assert_eq!(check(1, found), Err(BadRules::GenesisTarget { most: easiest, found }));
    }
    let nowhere = Difficulty::Asert {
        spacing_s: 15,
        half_life_s: 450,
        longest_gap_s: 900,
        easiest: Target(U256::ZERO),
    };
    let found = ours(Sealed { difficulty: nowhere, ..forge.clone() }).check();
    assert!(matches!(found, Err(BadRules::GenesisTarget { .. })), "{found:?}");

    let coin = |hrp, amount, nonce| Coinbase { recipient: somebody(), amount, nonce }.text(hrp);
    let start = |coins: &[String]| starting_with(1, easiest, merkle::root(coins), coins);
    let own = hrp("forge");
    assert_eq!(start(&[coin(own, 5, 0), coin(own, 0, 1)]).check(), Ok(()));
    assert_eq!(
        starting_with(1, easiest, none, &[coin(own, 5, 0)]).check(),
        Err(BadRules::MerkleRoot { stated: none, found: merkle::root([coin(own, 5, 0)]) })
    );
    let mined = Emission::FORGE.total();
    let left = u64::try_from(u128::from(MAX_INTEGER) - mined).expect("forge's fits");
    assert_eq!(start(&[coin(own, left, 0)]).check(), Ok(()));
    for (coins, reason) in [
        (vec![coin(own, left, 0), coin(own, 1, 1)], "gives 607199282040992 units"),
        (vec![coin(own, 5, 1)], "the nonce of the coinbase must be 0, not 1"),
        (vec![coin(hrp("fake"), 5, 0)], "start with \"forge1\""),
    ] {
        let error = start(&coins).check().expect_err(reason).to_string();
        assert!(error.starts_with("genesis: "), "{error}");
        assert!(error.contains(reason), "{error}");
    }

    let balances = vec![(somebody(), 7); 100];
    let genesis = sealed_genesis(0, easiest, own, &balances).expect("a block");
    let found = genesis.text().len();
    assert!(found > MIN_SEALED_BLOCK_BYTES);
    let limited = |max_block_bytes| {
        ours(Sealed { genesis: genesis.clone(), max_block_bytes, ..forge.clone() })
    };
    assert_eq!(limited(found).check(), Ok(()));
    let (limit, expected) = (found - 1, BadRules::GenesisSize { limit: found - 1, found });
    assert_eq!(limited(limit).check(), Err(expected));
}

#[test]
fn the_body_of_a_genesis_block_is_the_chains_own() {
    let balances = [(somebody(), 7)];
    let genesis = sealed_genesis(0, bits(24), hrp("forge"), &balances).expect("a block");
    let rules = ours(Sealed { genesis, ..Sealed::forge() });
    let block = rules.genesis_block(Default::default());
    assert!(check_alone(&rules, block.clone()).is_ok());
    let text = block.text().replace("\"amount\": 7", "\"amount\": 8");
    let richer = Block::read(Shape::Sealed, &text).expect("a block");
    assert_eq!(richer.hash(), block.hash(), "the id tells nothing of the coins");
    let found = check_alone(&rules, richer.clone());
    assert!(matches!(found, Err(Invalid::Genesis { .. })), "{found:?}");
    let found = check::genesis(&rules, richer.view());
    assert!(matches!(found, Err(Invalid::Genesis { .. })), "{found:?}");
}

#[test]
fn other_numbers_have_bounds_too() {
    let with = |first, halving| {
        let halving = NonZeroU64::new(halving).expect("not zero");
        let emission = Emission { first, halving };
        ours(Sealed { emission, ..Sealed::forge() })
    };
    let limited = |max_block_bytes| ours(Sealed { max_block_bytes, ..Sealed::forge() });
    assert_eq!(with(0, MAX_INTEGER).check(), Ok(()));
    assert_eq!(with(MAX_INTEGER / 2, 1).check(), Ok(()));
    for (rules, field) in [
        (with(MAX_INTEGER + 1, 1), "first_subsidy"),
        (with(u64::MAX, u64::MAX), "first_subsidy"),
        (with(1, MAX_INTEGER + 1), "halving_blocks"),
        (limited(MIN_SEALED_BLOCK_BYTES - 1), "max_block_bytes"),
        (limited(MAX_BLOCK_BYTES + 1), "max_block_bytes"),
        (limited(0), "max_block_bytes"),
    ] {
        let error = rules.check().expect_err(field).to_string();
        assert!(error.starts_with(&format!("{field} must be a whole number from ")), "{error}");
    }
    let too_much = with(MAX_INTEGER, 2).check().expect_err("too many coins").to_string();
    assert!(too_much.starts_with("genesis: "), "{too_much}");
    for max_block_bytes in [MIN_SEALED_BLOCK_BYTES, MAX_BLOCK_BYTES] {
        assert_eq!(limited(max_block_bytes).check(), Ok(()));
    }
}

#[test]
fn the_smallest_block_holds_sixteen_of_the_longest_payments() {
    let longest = hrp(&"a".repeat(31));
    let address = somebody().to_text(longest);
    let amount = MAX_INTEGER / 2;
    let payment = format!(
        r#"{{"amount": {amount}, "fee": {amount}, "memo": "{}", "nonce": {MAX_INTEGER}, "recipient": "{address}", "sender": "{address}", "signature": "{}"}}"#,
        "m".repeat(254),
        "f".repeat(128)
    );
    let coin = Coinbase { recipient: somebody(), amount: MAX_INTEGER, nonce: MAX_INTEGER };
    let coin = coin.text(longest);
    let mut texts = vec![payment.as_str(); 16];
    texts.push(&coin);
    let block =
        Unproven::new(MAX_INTEGER, &Hash([0; 32]), MAX_INTEGER, bits(0), &Hash([0; 32]), texts)
            .and_then(|draft| draft.with_proof(MAX_INTEGER))
            .expect("a block");
    let length = block.text().len();
    assert!(
        (MIN_SEALED_BLOCK_BYTES * 9 / 10..=MIN_SEALED_BLOCK_BYTES).contains(&length),
        "{length}"
    );
}

#[test]
fn a_genesis_block_has_the_form_of_its_chains_blocks() {
    let (forge, lecture) = (Sealed::forge(), Open::lecture());
    let first = Rules::lecture().genesis_block(Default::default());
    for rules in [
        Open { genesis: Genesis::Fixed(forge.genesis.clone()), ..lecture }.named("ours"),
        ours(Sealed { genesis: first, ..forge.clone() }),
    ] {
        assert_eq!(rules.check(), Err(BadRules::GenesisForm));
    }
    let fixed = Sealed { difficulty: Difficulty::Fixed(bits(20)), ..forge };
    assert_eq!(ours(fixed).check(), Ok(()), "a target that stays is no harm");
}

#[test]
fn what_an_id_covers_can_be_read_and_differs_where_ids_do() {
    let forge = Sealed::forge();
    let shorter = ours(Sealed { max_block_bytes: 500_000, ..forge.clone() });
    let emission = Emission { first: UNITS_PER_COIN, ..Emission::FORGE };
    let others = [
        Rules::lecture(),
        Rules::course(),
        Rules::dvf(),
        Rules::lecture().with_zeros(5),
        Rules::forge(),
        Rules::bitcoin_like(),
        ours(Sealed { difficulty: asert(15, 450, 901), ..forge.clone() }),
        shorter,
        ours(Sealed { emission, ..forge.clone() }),
        ours(Sealed { hrp: hrp("fake"), ..forge.clone() }),
        starting_with(1, bits(23), merkle::root::<&str>([]), &[]),
    ];
    for one in &others {
        let text = one.json();
        assert_eq!(canonical(text.as_bytes()).expect("JSON"), text, "canonical");
        for other in &others {
            assert_eq!(one.chain_id() == other.chain_id(), text == other.json());
        }
    }
    let text = Rules::forge().json();
    let get = |path: &str| {
        let step = |value: Value<'static>, key: &str| value.get(key);
        let value = Value::of_canonical(String::leak(text.clone()));
        path.split('.').try_fold(value, step).map(|value| value.text().to_string())
    };
    for (path, expected) in [
        ("difficulty.asert.half_life_s", "450"),
        ("max_block_bytes", "1000000"),
        ("spending.signed.addresses", "\"forge\""),
        ("spending.signed.halving_blocks", "2100000"),
        ("puzzle", "\"seal\""),
    ] {
        assert_eq!(get(path).as_deref(), Some(expected), "{path}");
    }
}

/// Numbers of every size, with those at which things change more often.
fn number() -> impl Strategy<Value = u64> {
    let edges =
        [0, 1, 2, 3, 4, 15, 600, u64::from(u32::MAX), MAX_INTEGER, MAX_INTEGER + 1, u64::MAX];
    prop_oneof![
        prop::sample::select(edges.to_vec()),
        (0_u32..64, any::<u64>()).prop_map(|(shift, number)| number >> shift),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    (0_u32..=256).prop_map(|bits| Target(U256::MAX.checked_shr(bits).unwrap_or(U256::ZERO)))
}

fn difficulty() -> impl Strategy<Value = Difficulty> {
    prop_oneof![
        (number(), number(), number(), target()).prop_map(
            |(spacing_s, half_life_s, longest_gap_s, easiest)| Difficulty::Asert {
                spacing_s,
                half_life_s,
                easiest,
                longest_gap_s
            }
        ),
        (number(), number(), number(), target()).prop_map(|(blocks, spacing_s, clamp, easiest)| {
            let clamp = clamp as u32;
            Difficulty::Epoch { blocks, spacing_s, clamp, easiest }
        }),
    ]
}

/// The difficulty state with another height, at which an epoch ends, and another time on the clock.
fn at_end_of_epoch(
    rules: &Rules,
    difficulty_state: &DifficultyState,
    elapsed_s: u64,
) -> DifficultyState {
    let height = match rules.difficulty() {
        Difficulty::Epoch { blocks, .. } => blocks + 1,
        _ => difficulty_state.height(),
    };
    let mut bytes = difficulty_state.to_bytes();
    bytes[..8].copy_from_slice(&height.to_be_bytes());
    bytes[16..24].copy_from_slice(&elapsed_s.to_be_bytes());
    DifficultyState::from_bytes(&bytes)
}

proptest! {
    // Most random numbers make no rules.
    #![proptest_config(ProptestConfig { max_global_rejects: 200_000, ..ProptestConfig::default() })]

    /// Overflow would panic, as in every build with debug assertions.
    #[test]
    fn rules_that_pass_give_targets_for_any_gaps(
        difficulty in difficulty(),
        first in target(),
        start in 0..=MAX_INTEGER,
        gaps in prop::collection::vec(number(), 1..40),
    ) {
        let genesis = sealed_genesis(start, first, hrp("forge"), &[]).expect("an empty block");
        let rules = ours(Sealed { genesis, difficulty, ..Sealed::forge() });
        prop_assume!(rules.check().is_ok());
        let block = rules.genesis_block(Default::default());
        let (mut difficulty_state, mut time) = (rules.first_difficulty_state(block.view()), start);
        for gap in gaps {
            let target = rules.target_after(&difficulty_state);
            prop_assert!(target.0 >= 1 && target <= rules.difficulty().easiest());
            time = time.saturating_add(gap).min(MAX_INTEGER);
            difficulty_state = rules.difficulty().difficulty_state_after(first, &difficulty_state, time);
            prop_assert_eq!(difficulty_state.target(), target);
            // Epochs are longer than anybody's patience: the end of one, after that time.
            let end = rules.target_after(&at_end_of_epoch(&rules, &difficulty_state, gap.min(MAX_INTEGER)));
            prop_assert!(end.0 >= 1 && end <= rules.difficulty().easiest());
        }
    }
}
