//! What the course's notes print, and what Python makes of chains, proofs and targets:
//! `tests/vectors/lecture.json` and `rules.json`.

use blocksmith_consensus::json::{Value, canonical};
use blocksmith_consensus::{
    Block, ChainBlock, Difficulty, Genesis, Hash, Invalid, Issuance, Job, Open, Proof, Puzzle,
    Rules, Target, check_alone, check_on,
};

const LECTURE: &str = include_str!("../../../tests/vectors/lecture.json");
const RULES: &str = include_str!("../../../tests/vectors/rules.json");

struct Vectors(String);

impl Vectors {
    fn read(text: &str) -> Self {
        Self(canonical(text.as_bytes()).expect("the vectors are JSON").into_owned())
    }

    fn get(&self, key: &str) -> Value<'_> {
        get(Value::of_canonical(&self.0), key)
    }
}

fn get<'a>(value: Value<'a>, key: &str) -> Value<'a> {
    value.get(key).unwrap_or_else(|| panic!("no {key} in {}", value.text()))
}

fn string(value: Value<'_>) -> String {
    value.as_str().expect("a string").into_owned()
}

fn hash(value: Value<'_>) -> Hash {
    string(value).parse().expect("a hash")
}

fn zeros(value: Value<'_>) -> u8 {
    value.as_u64().expect("a number of zeros").try_into().expect("a small number")
}

fn blocks(list: Value<'_>) -> Vec<Block> {
    list.elements().map(|block| Block::of_canonical(block.text()).expect("a block")).collect()
}

/// The rules of `chains/lecture-1.toml`.
fn lecture_1() -> Rules {
    Open {
        genesis: Genesis::any(1, "99", "1").expect("a shape"),
        issuance: Issuance { sender: "0".into(), amount: "1".into() },
        ..Open::lecture()
    }
    .named("lecture-1")
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

#[test]
fn the_blocks_that_the_notes_print_have_the_hashes_that_the_notes_print() {
    let vectors = Vectors::read(LECTURE);
    let first = blocks(get(vectors.get("lecture_1"), "currentChain"));
    let second = blocks(get(vectors.get("lecture_2"), "chain"));
    for (chain, hashes) in [(&first, "hashes_1"), (&second, "hashes_2")] {
        let expected: Vec<Hash> = vectors.get(hashes).elements().map(hash).collect();
        assert_eq!(chain.iter().map(Block::hash).collect::<Vec<_>>(), expected);
    }
    let shown =
        [&first[0], &first[1], &second[0], &second[1]].map(|block| block.hash().to_string());
    assert_eq!(
        shown,
        [
            "c89e42365daa6bd6e08c31abf143568c9411079082d3dfdf2f7e9b0bdc4bbacb",
            "c13fbbb5e6983425f3aee2d34b24d856e50616e797c058cf7a4cac6c39eef9b8",
            "8b89069344926ce9f90fc13f3518e95630459b81321f747302fd23d1b94f48ea",
            "6d6a9fe26bc09b9fd0f597121e983fa2348d7aaea5917700b14a736ca0d49827",
        ]
    );
    let Genesis::Fixed(genesis) = Open::lecture().genesis else { panic!("a fixed genesis") };
    assert_eq!(genesis.hash(), second[0].hash());
}

#[test]
fn the_chains_that_the_notes_print_are_valid() {
    let vectors = Vectors::read(LECTURE);
    let first = blocks(get(vectors.get("lecture_1"), "currentChain"));
    let second = blocks(get(vectors.get("lecture_2"), "chain"));
    assert_eq!(verdict(&lecture_1(), &first), Ok(()));
    assert_eq!(verdict(&Rules::lecture(), &second), Ok(()));
    assert_eq!(verdict(&Rules::lecture().with_zeros(5), &second), Ok(()));
    assert!(matches!(
        verdict(&Rules::lecture().with_zeros(6), &second),
        Err(Invalid::Proof { index: 2, .. })
    ));
    assert!(matches!(verdict(&Rules::lecture(), &first), Err(Invalid::Genesis { .. })));
    assert!(matches!(verdict(&lecture_1(), &second), Err(Invalid::Genesis { .. })));
    assert!(matches!(verdict(&Rules::dvf(), &second), Err(Invalid::Genesis { .. })));
}

#[test]
fn counting_up_from_0_finds_the_proofs_of_the_notes() {
    let vectors = Vectors::read(LECTURE);
    for walk in vectors.get("walks").elements() {
        let zeros = zeros(get(walk, "zeros"));
        let proofs: Vec<u64> =
            get(walk, "proofs").elements().map(|p| p.as_u64().expect("a proof")).collect();
        for pair in proofs.windows(2) {
            let prefix = pair[0].to_string().into_bytes();
            let job = Job {
                prefix: prefix.into(),
                suffix: (&[][..]).into(),
                target: Target::from_zeros(zeros),
            };
            assert!(job.accepts(pair[1].to_string()), "{zeros} zeros: {pair:?}");
            // The whole way is walked by the miner's tests; here its end, and the short ones.
            let from = if pair[1] > 1_000_000 { pair[1] - 100_000 } else { 0 };
            let earlier = (from..pair[1]).find(|proof| job.accepts(proof.to_string()));
            assert_eq!(earlier, None, "{zeros} zeros: {pair:?}");
        }
    }
}

#[test]
fn chain_ids_never_change() {
    let ids = |name: &str, zeros| {
        let rules = if name == "lecture-1" { Ok(lecture_1()) } else { Rules::preset(name) };
        rules.expect("a preset").with_zeros(zeros).chain_id().to_string()
    };
    let literal = [
        ("lecture", 4, "fa367520c5207b3e4b0176522e3140bd3664ae431e48de2c08f0463b16a88608"),
        ("course", 6, "48cd4ee06b54dc903355f63f759fc377a71cd25f5335a5f20791081e6e1ef1ae"),
        ("dvf", 4, "0b00f2a525a3b754cf7627861dfb76c13a9b7dc6f87c6dfc391700e86645f2d9"),
        ("lecture-1", 4, "e2d92065fb5e99820fdd40114c16feea9a30b56f995e374cd1068117726dee9a"),
    ];
    for (name, zeros, id) in literal {
        assert_eq!(ids(name, zeros), id, "{name}");
    }
    let vectors = Vectors::read(LECTURE);
    for case in vectors.get("chain_ids").elements() {
        let name = string(get(case, "name"));
        assert_eq!(ids(&name, zeros(get(case, "zeros"))), string(get(case, "id")), "{name}");
    }
}

#[test]
fn a_chain_id_covers_what_decides_and_nothing_else() {
    let lecture = Open::lecture;
    let id = Rules::lecture().chain_id();
    let chain_id = |open: Open| open.named("ours").chain_id();
    assert_eq!(chain_id(lecture()), id);
    let issuance = Issuance { sender: "0".into(), amount: "50".into() };
    assert_eq!(chain_id(Open { issuance, ..lecture() }), id);

    let other = Block::parse(br#"{"index":1,"previous_hash":null,"proof":99,"timestamp":0}"#);
    let genesis = Genesis::Fixed(other.expect("a block"));
    assert_ne!(chain_id(Open { genesis, ..lecture() }), id);
    assert_ne!(chain_id(Open { puzzle: Puzzle::LastBlock, ..lecture() }), id);
    assert_ne!(Rules::lecture().with_zeros(5).chain_id(), id);

    // A block that holds nothing but what the shape of a free genesis says.
    let block = Block::parse(br#"{"index":1,"previous_hash":"1","proof":100}"#);
    let fixed = Open { genesis: Genesis::Fixed(block.expect("a block")), ..Open::dvf() };
    assert_ne!(chain_id(fixed), Rules::dvf().chain_id());
}

#[test]
fn chains_that_python_mined_are_valid_and_any_edit_below_the_tip_is_found() {
    let vectors = Vectors::read(RULES);
    for case in vectors.get("chains").elements() {
        let name = string(get(case, "name"));
        let zeros = zeros(get(case, "zeros"));
        let rules = Rules::preset(&name).expect("a preset").with_zeros(zeros);
        let chain = blocks(get(case, "chain"));
        let expected: Vec<Hash> = get(case, "hashes").elements().map(hash).collect();
        assert_eq!(chain.iter().map(Block::hash).collect::<Vec<_>>(), expected, "{name}");
        assert_eq!(verdict(&rules, &chain), Ok(()), "{name} with {zeros} zeros");

        for at in 1..chain.len() - 1 {
            let mut edited = chain.clone();
            let text = edited[at].text().replace("bob", "eve");
            edited[at] = Block::of_canonical(&text).expect("still a block");
            let index = edited[at].index() + 1;
            assert!(
                matches!(verdict(&rules, &edited), Err(Invalid::PreviousHash { index: found, .. }) if found == index),
                "{name}: block {at} edited"
            );
        }
        let proof = chain[1].view().proof_json().to_string();
        let text = chain[1].text().replace(&proof, "1");
        let wrong = [chain[0].clone(), Block::of_canonical(&text).expect("still a block")];
        let found = verdict(&rules, &wrong);
        assert!(matches!(found, Err(Invalid::Proof { index: 2, .. })), "{name}: {found:?}");
        let skipped: Vec<_> = [&chain[..1], &chain[2..]].concat();
        if skipped.len() > 1 {
            let expected = Err(Invalid::Index { expected: 2, found: 3 });
            assert_eq!(verdict(&rules, &skipped), expected, "{name}");
        }
    }
}

#[test]
fn digests_of_odd_proofs_are_those_of_python() {
    let vectors = Vectors::read(RULES);
    let cases = vectors.get("digests");
    for case in cases.elements() {
        let puzzle = match &*string(get(case, "puzzle")) {
            "last_proof" => Puzzle::LastProof,
            "last_block" => Puzzle::LastBlock,
            "last_proof_and_hash" => Puzzle::LastProofAndHash,
            other => panic!("no such puzzle: {other}"),
        };
        let rules = Open { puzzle, ..Open::lecture() };
        let last = get(case, "last").text();
        let parent = format!(
            r#"{{"index": 7, "note": "\u00fc", "previous_hash": "x", "proof": {last}, "timestamp": 0}}"#
        );
        let parent = Block::of_canonical(&parent).expect("a block");
        let proof = Proof::from_value(get(case, "proof")).expect("a proof");
        let job = rules.job(parent.view(), &parent.hash());
        let shown = format!("{puzzle:?}: {last} then {}", proof.json());
        assert_eq!(job.digest(&*proof.text()), hash(get(case, "digest")), "{shown}");
        assert_eq!(job.clone().into_owned(), job, "{shown}");
    }
    assert!(cases.elements().count() >= 500);
}

#[test]
fn targets_and_their_work_are_those_of_big_integers() {
    let vectors = Vectors::read(RULES);
    let cases = vectors.get("targets");
    for case in cases.elements() {
        let text = string(get(case, "target"));
        let target: Target = text.parse().expect("a target");
        assert_eq!(target.to_string(), text);
        let work: Target = string(get(case, "work")).parse().expect("256 bits");
        assert_eq!(target.work(), work.0, "{text}");
        let expected = get(case, "zeros").as_u64().map(|zeros| zeros as u8);
        assert_eq!(target.zeros(), expected, "{text}");
        if let Some(zeros) = expected {
            assert_eq!(Target::from_zeros(zeros), target, "{zeros}");
        }
        let at = Hash(target.to_be_bytes());
        assert!(target.is_met_by(&at) && target.is_met_by(&Hash([0; 32])), "{text}");
        if let Some(above) = target.0.checked_add(1u8.into()) {
            assert!(!target.is_met_by(&Hash(above.to_be_bytes())), "{text}");
        }
    }
    assert!(cases.elements().count() >= 350);
    assert_eq!(Target::from_zeros(65), Target::from_zeros(64));
    assert_eq!(Target::from_zeros(u8::MAX), Target::from_zeros(64));
    for wrong in
        ["", "0", "0x00", &"F".repeat(64), &"f".repeat(63), &"f".repeat(65), &"+".repeat(64)]
    {
        assert!(wrong.parse::<Target>().is_err(), "{wrong}");
    }
}

#[test]
fn presets_have_the_zeros_of_the_course() {
    for (name, zeros) in [("lecture", 4), ("course", 6), ("dvf", 4)] {
        let rules = Rules::preset(name).expect("a preset");
        assert_eq!(rules.name, name);
        assert_eq!(rules.difficulty(), Difficulty::Fixed(Target::from_zeros(zeros)));
    }
    let error = Rules::preset("bitcoin").expect_err("no preset").to_string();
    for name in Rules::PRESETS.iter().chain(&["bitcoin", "chain file"]) {
        assert!(error.contains(name), "{error}");
    }
}
