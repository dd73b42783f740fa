//! Sealed blocks: `tests/vectors/forge.json`, and everything that can be wrong with one.

use std::sync::Arc;

use blocksmith_consensus::check::check_alone_with;
use blocksmith_consensus::json::{Value, canonical};
use blocksmith_consensus::ledger::{Account, BadBody, Unpayable};
use blocksmith_consensus::payment::{Coinbase, Domain, MAX_INTEGER, VerifiedEntry};
use blocksmith_consensus::tree::{Inserted, Limits, NotInserted};
use blocksmith_consensus::{
    Block, ChainBlock, Difficulty, Hash, Invalid, Malformed, Rules, Sealed, Shape, Target, Tree,
    Unproven, check_alone, merkle,
};
use blocksmith_testkit::memory::Chain;
use blocksmith_testkit::signers::Signer;

const VECTORS: &str = include_str!("../../../tests/vectors/forge.json");

/// Rules like those of `forge`, with coins for Alice from the start and targets that any machine
/// meets in a moment.
fn easy() -> Rules {
    let forge = Sealed::forge();
    let alice = Signer::alice().address;
    let coin = Coinbase { recipient: alice, amount: 1000, nonce: 0 };
    let text = coin.text(forge.hrp);
    let root = merkle::root([text.as_str()]);
    let draft = Unproven::new(1, &Hash([0; 32]), 1000, Target::from_zeros(1), &root, [&*text]);
    Sealed {
        genesis: draft.expect("a draft").into_genesis(),
        difficulty: Difficulty::Asert {
            spacing_s: 15,
            half_life_s: 450,
            easiest: Target::from_zeros(1),
            longest_gap_s: 900,
        },
        ..forge
    }
    .named("easy")
}

struct Node {
    rules: Arc<Rules>,
    domain: Domain,
    tree: Tree,
    chain: Chain,
}

impl Node {
    fn new() -> Self {
        let rules = Arc::new(easy());
        let genesis = rules.genesis_block(Default::default());
        let changes = rules.allot(&genesis).expect("a supply that can be counted");
        let tip = ChainBlock::genesis(&rules, genesis);
        Self {
            domain: rules.domain().expect("signed"),
            tree: Tree::new(rules.clone(), tip.clone(), [], Limits::default()),
            chain: Chain::with_accounts(tip, changes),
            rules,
        }
    }

    /// A block on `parent` with these payments, whose coin goes to Bob.
    fn block(&self, parent: &ChainBlock, payments: &[String], fees: u64, after_s: u64) -> Block {
        let index = parent.block.index() + 1;
        let amount = 2_000_000_000 + fees;
        let coin = Coinbase { recipient: Signer::bob().address, amount, nonce: index };
        let coin = coin.text(self.domain.hrp);
        let all: Vec<&str> = payments.iter().map(String::as_str).chain([&*coin]).collect();
        let target = self.rules.target_after(&parent.difficulty_state);
        let time = parent.block.view().timestamp_s() + after_s;
        prove(index, &parent.block.hash(), time, target, &all)
    }

    fn insert(&mut self, block: &Block) -> Result<Inserted, Invalid> {
        match self.tree.insert(check_alone(&self.rules, block.clone())?, &mut self.chain) {
            Ok(inserted) => Ok(inserted),
            Err(NotInserted::Invalid(invalid)) => Err(invalid),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn tip(&self) -> ChainBlock {
        self.tree.tip().clone()
    }

    fn alice(&self) -> Account {
        self.chain.accounts.get(&Signer::alice().address).copied().unwrap_or_default()
    }

    /// What Alice signs: to Bob.
    fn pays(&self, amount: u64, fee: u64, nonce: u64) -> String {
        let alice = Signer::alice();
        let draft = alice.draft(Signer::bob().address, amount, fee, nonce);
        alice.signed(&draft, &self.domain)
    }
}

fn prove(index: u64, parent: &Hash, time: u64, target: Target, transactions: &[&str]) -> Block {
    let root = merkle::root(transactions.iter().copied());
    let draft = Unproven::new(index, parent, time, target, &root, transactions.iter().copied());
    let draft = draft.expect("a draft");
    let proof = (0..).find(|proof| target.is_met_by(&draft.header().digest(&format!("{proof}"))));
    draft.with_proof(proof.expect("there are proofs")).expect("a block")
}

#[test]
fn a_block_that_cost_less_than_any_may_is_refused_before_its_transactions_are_read() {
    let node = Node::new();
    let genesis = node.tip();
    let easiest = Target::from_zeros(1);
    for (target, is_one) in
        [(easiest, true), (Target(easiest.0 + 1), false), (Target::EASIEST, false)]
    {
        let coin = Coinbase { recipient: Signer::bob().address, amount: 2_000_000_000, nonce: 2 };
        let coin = coin.text(node.domain.hrp);
        let block = prove(2, &genesis.block.hash(), 2_000, target, &[&*coin]);
        let mut read = false;
        let outcome = check_alone_with(&node.rules, block, |_, values| {
            read = true;
            let read =
                |value| VerifiedEntry::of_canonical(value, &node.domain).map_err(|why| (0, why));
            values.into_iter().map(read).collect()
        });
        assert_eq!((outcome.is_ok(), read), (is_one, is_one), "{target}");
        if !is_one {
            let expected = Invalid::TooEasy { index: 2, easiest, found: target };
            assert_eq!(outcome.expect_err("it is too easy"), expected);
        }
    }
}

#[test]
fn python_makes_the_same_genesis_block_chain_id_seal_and_block_id() {
    let vectors = canonical(VECTORS.as_bytes()).expect("JSON");
    let vectors = Value::of_canonical(&vectors);
    let member = |name| vectors.get("chain").and_then(|chain| chain.get(name)).expect(name);
    let text = |name| member(name).as_str().expect(name).into_owned();
    let rules = Rules::forge();
    let genesis = rules.genesis_block(Default::default());
    assert_eq!(genesis.text(), text("genesis"));
    assert_eq!(genesis.hash().to_string(), text("genesis_id"));
    assert_eq!(rules.chain_id().to_string(), text("chain_id"));

    let block = rules.block(&text("block")).expect("a block");
    assert_eq!(block.header().expect("sealed").seal.to_string(), text("seal"));
    assert_eq!(block.hash().to_string(), text("id"));
    assert_eq!(block.view().merkle_root().to_string(), text("merkle_root"));
    let mut chain = Chain::new(ChainBlock::genesis(&rules, genesis.clone()));
    let mut tree =
        Tree::new(Arc::new(rules.clone()), chain.blocks[0].clone(), [], Limits::default());
    let checked = check_alone(&rules, block.clone()).expect("a good block");
    let inserted = tree.insert(checked, &mut chain);
    assert!(matches!(inserted, Ok(Inserted::NewTip(_))), "{inserted:?}");
    let balances: Vec<_> = chain.accounts.values().map(|account| account.balance).collect();
    assert_eq!(balances, [2_000_000_000]);
}

#[test]
fn a_seal_commits_to_everything_but_the_proof() {
    let node = Node::new();
    let block = node.block(&node.tip(), &[node.pays(1, 0, 0)], 0, 15);
    let seal = block.header().expect("sealed").seal;
    let read = |text: String| Block::read(Shape::Sealed, &text);
    let proof = format!(r#""proof": {}"#, block.view().proof_json());
    let other = read(block.text().replace(&proof, r#""proof": 7"#)).expect("a block");
    assert_eq!(other.header().expect("sealed").seal, seal);
    assert_ne!(other.hash(), block.hash());
    for (from, to) in [
        (r#""index": 2"#, r#""index": 3"#),
        (r#""timestamp": 1015"#, r#""timestamp": 1016"#),
        (r#""target": "0fff"#, r#""target": "0ffe"#),
        (r#""merkle_root": ""#, r#""merkle_root": "0"#),
        (r#""previous_hash": ""#, r#""previous_hash": "0"#),
    ] {
        let mut text = block.text().replace(from, to);
        if to.ends_with("\"0") {
            // The last digit makes room for it.
            let end = text.find(to).expect("it is there") + to.len() - 1 + 64;
            text.remove(end);
        }
        assert_ne!(text, block.text(), "{from}");
        assert_ne!(read(text).expect(from).header().expect("sealed").seal, seal, "{from}");
    }
}

#[test]
fn what_says_the_same_in_another_way_is_no_block() {
    let node = Node::new();
    let good = node.block(&node.tip(), &[], 0, 15);
    let good = good.text();
    let changed = |from: &str, to: &str| {
        let text = good.replacen(from, to, 1);
        assert_ne!(text, good, "{from}");
        node.rules.parse_block(text.as_bytes()).expect_err(to)
    };
    for (from, to) in [
        (r#""index": 2"#, r#""index": 2.0"#),
        (r#""index": 2"#, r#""index": "2""#),
        (r#""index": 2"#, r#""index": -2"#),
        (r#""index": 2"#, r#""index": 9007199254740992"#),
        (r#""timestamp": 1015"#, r#""timestamp": 1015.0"#),
        (r#""timestamp": 1015"#, r#""timestamp": null"#),
        (r#""timestamp": 1015"#, r#""timestamp": 1e3"#),
        (r#""proof": "#, r#""proof": -"#),
        (r#""proof": "#, r#""proof": 9007199254740992"#),
        (r#""target": "0ff"#, r#""target": "0FF"#),
        (r#""target": "0ff"#, r#""target": "0f"#),
        (r#""previous_hash": ""#, r#""previous_hash": "g"#),
        (r#""transactions": ["#, r#""transactions": {"a": ["#),
    ] {
        let error = changed(from, to);
        let is_field = matches!(error, Malformed::Field { .. } | Malformed::Json(_));
        assert!(is_field, "{to}: {error}");
    }
    for (from, to) in [
        (r#""index": 2"#, r#""extra": 1, "index": 2"#),
        (r#""index": 2, "#, ""),
        (r#""proof": "#, r#""prooof": "#),
        (r#""timestamp": 1015"#, r#""timestamp": 1015, "zeros": 4"#),
        (r#""timestamp": 1015, "#, ""),
    ] {
        let error = changed(from, to);
        assert!(matches!(error, Malformed::Fields { .. }), "{to}: {error}");
    }
    // JSON's own ways of spelling are read, and give the one text.
    let spelled = good.replace(r#""index""#, r#""\u0069ndex""#).replace(": ", ":\n ");
    assert_eq!(node.rules.parse_block(spelled.as_bytes()).expect("the same block").text(), good);
    assert_eq!(MAX_INTEGER, 9_007_199_254_740_991);
}

#[test]
fn a_changed_body_under_a_good_header_does_not_condemn_the_real_block() {
    let mut node = Node::new();
    let block = node.block(&node.tip(), &[node.pays(1, 0, 0), node.pays(2, 0, 1)], 0, 15);
    let body = block.text();
    let (one, two) = (node.pays(1, 0, 0), node.pays(2, 0, 1));
    // Left out, in another order, and the last of an odd number of leaves doubled (CVE-2012-2459).
    let coin = body.rfind(r#"{"amount": 2000000000"#).expect("a coin");
    let coin = &body[coin..body.len() - 2];
    for other in [
        body.replace(&format!("{one}, "), ""),
        body.replace(&format!("{one}, {two}"), &format!("{two}, {one}")),
        body.replace(coin, &format!("{coin}, {coin}")),
        body.replace(&node.pays(1, 0, 0), &node.pays(3, 0, 0)),
    ] {
        assert_ne!(other, body);
        let forged = node.rules.block(&other).expect("a block");
        assert_eq!(forged.hash(), block.hash(), "the id is the header's");
        let refused = node.insert(&forged).expect_err("another body");
        assert!(matches!(refused, Invalid::MerkleRoot { index: 2, .. }), "{refused}");
    }
    assert!(matches!(node.insert(&block), Ok(Inserted::NewTip(_))));
    assert_eq!(node.alice(), Account { balance: 997, nonce: 2 });
}

#[test]
fn every_rule_of_a_block_is_named_when_it_is_broken() {
    let mut node = Node::new();
    let tip = node.tip();
    let target = node.rules.target_after(&tip.difficulty_state);
    let parent = tip.block.hash();
    let coin = |amount, nonce| {
        let recipient = Signer::bob().address;
        Coinbase { recipient, amount, nonce }.text(node.domain.hrp)
    };
    let good = coin(2_000_000_000, 2);
    let elsewhere = Domain { chain_id: Hash([1; 32]), ..node.domain };
    let alice = Signer::alice();
    let draft = alice.draft(Signer::bob().address, 1, 0, 0);
    let other_chain = alice.signed(&draft, &elsewhere);
    let unproven = {
        let root = merkle::root([&*good]);
        Unproven::new(2, &parent, 1015, target, &root, [&*good]).expect("a draft")
    };
    let bad_proof =
        (0..).find(|proof| !target.is_met_by(&unproven.header().digest(&format!("{proof}"))));
    let hard = Target::from_zeros(2);
    let long = "x".repeat(1_000_000);
    let cases = [
        (prove(3, &parent, 1015, target, &[&coin(2_000_000_000, 3)]), "index"),
        (prove(2, &parent, 999, target, &[&good]), "timestamp"),
        (prove(2, &parent, 1015, hard, &[&good]), "target"),
        (prove(2, &parent, 1015, Target::EASIEST, &[&good]), "target"),
        (unproven.with_proof(bad_proof.expect("most are")).expect("a block"), "proof"),
        (prove(2, &parent, 1015, target, &[]), "transactions"),
        (prove(2, &parent, 1015, target, &[&good, &good]), "transactions"),
        (prove(2, &parent, 1015, target, &[&coin(2_000_000_001, 2)]), "transactions"),
        (prove(2, &parent, 1015, target, &[&coin(2_000_000_000, 3)]), "transactions"),
        (prove(2, &parent, 1015, target, &["7", &good]), "transactions"),
        (prove(2, &parent, 1015, target, &[&node.pays(1001, 0, 0), &good]), "transactions"),
        (prove(2, &parent, 1015, target, &[&node.pays(1, 0, 1), &good]), "transactions"),
        (prove(2, &parent, 1015, target, &[&other_chain, &good]), "signature"),
        (prove(2, &parent, 1015, target, &[&format!("{long:?}"), &good]), "size"),
    ];
    for (block, rule) in cases {
        let refused = node.insert(&block).expect_err(rule);
        assert_eq!(refused.rule(), rule, "{refused}");
        assert_eq!(node.tip(), tip, "nothing has changed");
        assert_eq!(node.alice(), Account { balance: 1000, nonce: 0 });
    }
    // Target zero can't be met, and one above the limit is not the right one.
    let zero =
        Unproven::new(2, &parent, 1015, Target::from_zeros(64), &merkle::root([&*good]), [&*good]);
    let zero = zero.expect("a draft").with_proof(0).expect("a block");
    assert_eq!(node.insert(&zero).expect_err("no digest is zero").rule(), "proof");
}

#[test]
fn a_branch_whose_block_overspends_is_left_and_everything_is_as_it_was() {
    let mut node = Node::new();
    let genesis = node.tip();
    let ours = node.block(&genesis, &[node.pays(400, 0, 0)], 0, 15);
    node.insert(&ours).expect("a good block");
    let before = (node.tip(), node.chain.accounts.clone());

    // A branch whose second block spends what is not there, unseen until it has more work.
    let first = node.block(&genesis, &[node.pays(900, 0, 0)], 0, 20);
    let first_linked = genesis.followed_by(&node.rules, first.clone());
    let second = node.block(&first_linked, &[node.pays(200, 0, 1)], 0, 15);
    assert_eq!(node.insert(&first), Ok(Inserted::SideBranch));
    let refused = node.insert(&second).expect_err("she has 100 left");
    let Invalid::Body { index: 3, why } = &refused else { panic!("{refused}") };
    let BadBody::Payment { position: 0, why, .. } = &**why else { panic!("{refused}") };
    assert_eq!(*why, Unpayable::Balance { balance: 100, amount: 200, fee: 0 });
    assert_eq!((node.tip(), node.chain.accounts.clone()), before);

    // The good part of it can still win.
    let better = node.block(&first_linked, &[node.pays(100, 0, 1)], 0, 15);
    let Ok(Inserted::NewTip(change)) = node.insert(&better) else { panic!("it has more work") };
    assert_eq!((change.disconnected.len(), change.connected.len()), (1, 2));
    assert_eq!(node.alice(), Account { balance: 0, nonce: 2 });
}

#[test]
fn what_stands_on_a_block_that_overspends_is_forgotten_with_it() {
    let mut node = Node::new();
    let genesis = node.tip();
    // Two blocks of ours, in a hurry: each halves the others' chance to have more work.
    let mut tip = genesis.clone();
    for _ in 0..3 {
        let block = node.block(&tip, &[], 0, 15);
        node.insert(&block).expect("a good block");
        tip = node.tip();
    }
    let bad = node.block(&genesis, &[node.pays(1001, 0, 0)], 0, 15);
    let mut at = genesis.followed_by(&node.rules, bad.clone());
    assert_eq!(node.insert(&bad), Ok(Inserted::SideBranch), "nobody has looked yet");
    for _ in 0..2 {
        let next = node.block(&at, &[], 0, 15);
        assert_eq!(node.insert(&next), Ok(Inserted::SideBranch));
        at = at.followed_by(&node.rules, next);
    }
    let last = node.block(&at, &[], 0, 15);
    let refused = node.insert(&last).expect_err("the first of the branch is bad");
    assert!(matches!(refused, Invalid::Body { index: 2, .. }), "{refused}");
    assert_eq!(node.tree.side_blocks(), 0);
    assert_eq!(node.tip(), tip);
}

#[test]
fn a_block_of_the_other_form_is_none_of_the_chains() {
    let node = Node::new();
    let genesis = node.rules.genesis_block(Default::default());
    let text = format!(
        r#"{{"index": 2, "previous_hash": "{}", "proof": 0, "transactions": []}}"#,
        genesis.hash()
    );
    let open = Block::of_canonical(&text).expect("an open block");
    let found = check_alone(&node.rules, open).map(drop);
    assert_eq!(found, Err(Invalid::Form { index: 2 }));
    let sealed = node.block(node.tree.tip(), &[], 0, 15);
    let found = check_alone(&Rules::lecture().with_zeros(0), sealed).map(drop);
    assert_eq!(found, Err(Invalid::Form { index: 2 }));
}
