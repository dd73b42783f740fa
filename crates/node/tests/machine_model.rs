//! The machine stepped by hand: the queue against multisets that are counted anew, blocks in any
//! order, and what those try who want to wear a node out.
//!
//! `BLOCKSMITH_MODEL_STEPS` and `BLOCKSMITH_MODEL_SEED` as for the tree's model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use blocksmith_consensus::block::{MAX_BLOCK_BYTES, MAX_INDEX};
use blocksmith_consensus::json::Value;
use blocksmith_consensus::tree::Limits;
use blocksmith_consensus::{
    Block, ChainBlock, Checked, Hash, Invalid, Issuance, Open, Proof, Rules, Timestamp,
    Transaction, check_alone,
};
use blocksmith_node::mempool::Mempool;
use blocksmith_node::{
    Answer, Effect, Event, Input, MAX_ID_BYTES, MAX_QUEUED, MAX_QUEUED_BYTES, MAX_RETURNED,
    MAX_RETURNED_BYTES, MAX_TOLD, MAX_WEIGHED, Machine, NetworkEffect, NoWork, PeerAddress,
    PendingTransaction, Refusal, Start, StoreEffect, TransactionChange, Verdict, Work,
};
use blocksmith_testkit::memory::Chain;
use blocksmith_testkit::random::{Random, setting};

const STEPS: u64 = 20_000;
const SEED: u64 = 9_974_581;

/// A machine with everything that a store would keep for it.
struct Node {
    machine: Machine,
    chain: Chain,
    queue: BTreeMap<u64, Transaction>,
    announced: Vec<Block>,
    now: Timestamp,
}

impl Node {
    fn new(rules: Rules) -> Self {
        let genesis = rules.genesis_block(Timestamp { micros: 1_500_000_000_000_000 });
        let tip = ChainBlock::genesis(&rules, genesis);
        let chain = Chain::new(tip.clone());
        let start = Start {
            rules: Arc::new(rules),
            tip,
            side: Vec::new(),
            queue: Vec::new(),
            mempool: Mempool::default(),
            peers: Vec::new(),
            unheard: vec![],
            own_addresses: Vec::new(),
            coins_to: "node".into(),
            limits: Limits::default(),
        };
        let now = Timestamp { micros: 1_562_874_886_654_986 };
        let machine = Machine::new(start);
        Self { machine, chain, queue: BTreeMap::new(), announced: Vec::new(), now }
    }

    fn lecture() -> Self {
        Self::new(Rules::lecture().with_zeros(0))
    }

    fn step(&mut self, input: Input) -> Answer {
        self.now.micros += 1_000;
        let Ok(output) = self.machine.step(self.now, input, &mut self.chain);
        // What came and went as the store has it, without what the events say of it.
        let mut untold = BTreeMap::<Transaction, i64>::new();
        let mut many = false;
        for effect in output.effects {
            match effect {
                Effect::Store(StoreEffect::Queue(change)) => {
                    many = change.removed.len() + change.added.len() > MAX_TOLD;
                    for (place, number) in change.removed.iter().enumerate() {
                        let gone = self.queue.remove(number).expect("only what is there leaves");
                        assert!(change.left.get(place).is_none_or(|left| *left == gone));
                        *untold.entry(gone).or_default() -= 1;
                    }
                    for (number, transaction) in change.added {
                        *untold.entry(transaction.clone()).or_default() += 1;
                        let before = self.queue.insert(number, transaction);
                        assert_eq!(before, None, "numbers are new");
                    }
                }
                Effect::Network(NetworkEffect::Announce { block, .. }) => {
                    self.announced.push(block);
                }
                Effect::Event(Event::Transaction { transaction, became }) => {
                    let PendingTransaction::Open(transaction) = transaction else {
                        panic!("nobody signs here")
                    };
                    *untold.entry(transaction).or_default() -= match became {
                        TransactionChange::Entered => 1,
                        TransactionChange::Confirmed => -1,
                        became => panic!("{became:?} where nothing is replaced or dropped"),
                    };
                }
                Effect::Event(Event::ManyTransactions) => {
                    assert!(many, "few are told one by one");
                    untold.clear();
                }
                Effect::Event(_) | Effect::Store(_) | Effect::Network(_) => {}
            }
        }
        assert!(
            untold.values().all(|count| *count == 0),
            "who follows the events knows what waits"
        );
        assert_eq!(self.machine.queued(), self.queue.len());
        assert_eq!(Some(self.machine.tip()), self.chain.blocks.last());
        output.answer
    }

    fn take(&mut self, block: &Block) -> Verdict {
        let checked = match check_alone(self.machine.rules(), block.clone()) {
            Ok(checked) => checked,
            Err(invalid) => return Verdict::Invalid(invalid),
        };
        match self.step(Input::Block { block: checked.into(), from: None }) {
            Answer::Block(verdict) => verdict,
            answer => panic!("{answer:?}"),
        }
    }

    fn post(&mut self, transaction: &Transaction) -> bool {
        match self.step(Input::Transaction(transaction.clone())) {
            Answer::Queued(index) => index.is_some(),
            answer => panic!("{answer:?}"),
        }
    }

    fn prove(&mut self, proof: Proof, recipient: String) -> Result<Block, Refusal> {
        match self.step(Input::Proof { proof, recipient: Some(recipient) }) {
            Answer::Mined(mined) => mined.map_err(refusal),
            answer => panic!("{answer:?}"),
        }
    }

    fn work(&mut self, recipient: Option<&str>) -> Result<Work, NoWork> {
        match self.step(Input::Work { recipient: recipient.map(str::to_string) }) {
            Answer::Work(work) => work,
            answer => panic!("{answer:?}"),
        }
    }

    fn solve(&mut self, id: &str, proof: Proof) -> Result<Block, NoWork> {
        match self.step(Input::Solution { id: id.into(), proof }) {
            Answer::Mined(mined) => mined,
            answer => panic!("{answer:?}"),
        }
    }

    fn mine(&mut self) -> Result<Block, Refusal> {
        self.prove(Proof::from(1), r#""miner""#.into())
    }

    fn tip(&self) -> Block {
        self.machine.tip().block.clone()
    }

    fn texts(&self) -> Vec<&str> {
        self.queue.values().map(Transaction::text).collect()
    }
}

fn refusal(no_work: NoWork) -> Refusal {
    match no_work {
        NoWork::Refused(refusal) => refusal,
        other => panic!("{other:?}"),
    }
}

fn from_json(text: &str) -> Transaction {
    Transaction::of_block(Value::of_canonical(text))
}

fn payment(amount: usize) -> Transaction {
    from_json(&format!(r#"{{"amount": {amount}, "recipient": "bob", "sender": "alice"}}"#))
}

fn large(bytes: usize, sender: &str) -> Transaction {
    from_json(&format!(r#"{{"amount": "{}", "sender": "{sender}"}}"#, "x".repeat(bytes)))
}

fn coin() -> Transaction {
    from_json(r#"{"amount": 1, "recipient": "miner", "sender": "0"}"#)
}

fn block(parent: &Block, salt: u64, transactions: &[Transaction]) -> Block {
    let timestamp = Timestamp { micros: salt * 1_000_000 };
    Block::compose(parent, &Proof::from(salt), timestamp, transactions).expect("a block")
}

fn branch(parent: &Block, salt: u64, length: usize) -> Vec<Block> {
    let mut blocks = vec![parent.clone()];
    for at in 0..length {
        blocks.push(block(&blocks[at], salt, &[coin()]));
    }
    blocks.split_off(1)
}

type Counts = BTreeMap<String, i64>;

/// How often each payment stands in these blocks; coins, which come last, are none.
fn payments<'a>(blocks: impl IntoIterator<Item = &'a ChainBlock>) -> Counts {
    let mut counts = Counts::new();
    for linked in blocks {
        let all: Vec<_> =
            linked.block.view().transactions().map(|value| value.text().to_string()).collect();
        let last = all.last().is_some_and(|text| text.contains(r#""sender": "0""#));
        for text in &all[..all.len() - usize::from(last)] {
            *counts.entry(text.clone()).or_default() += 1;
        }
    }
    counts
}

#[test]
fn the_queue_follows_the_multisets() {
    let steps = setting("BLOCKSMITH_MODEL_STEPS", STEPS);
    let seed = setting("BLOCKSMITH_MODEL_SEED", SEED);
    let mut random = Random::new(seed);
    let (mut reorgs, mut returned, mut step) = (0, 0, 0);
    while step < steps {
        let mut node = Node::lecture();
        let mut made = vec![node.tip()];
        let mut expected = Counts::new();
        for _ in 0..400 {
            step += 1;
            let at = format!("step {step}, BLOCKSMITH_MODEL_SEED={seed}");
            let before = node.chain.blocks.clone();
            match random.below(10) {
                0..4 => {
                    let transaction = payment(random.below(12));
                    assert!(node.post(&transaction), "{at}");
                    *expected.entry(transaction.text().to_string()).or_default() += 1;
                }
                4 => {
                    let waiting: Vec<_> = node.queue.values().cloned().chain([coin()]).collect();
                    let mined = node.mine().expect("every proof is valid");
                    let held: Vec<_> =
                        mined.view().transactions().map(Transaction::of_block).collect();
                    assert_eq!(held, waiting, "{at}: the queue in order, then the coin");
                    made.push(mined);
                }
                _ => {
                    let near = made.len().min(5);
                    let parent = match random.percent(85) {
                        true => &made[made.len() - 1 - random.below(near)],
                        false => random.pick(&made),
                    };
                    let mut inside: Vec<_> =
                        (0..random.below(4)).map(|_| payment(random.below(12))).collect();
                    if random.percent(80) {
                        inside.push(coin());
                    }
                    let new = block(parent, step, &inside);
                    made.push(new.clone());
                    assert!(!matches!(node.take(&new), Verdict::Invalid(_)), "{at}");
                }
            }
            let same = before.iter().zip(&node.chain.blocks).take_while(|(a, b)| a == b).count();
            let dropped = payments(&before[same..]);
            let joined = payments(&node.chain.blocks[same..]);
            reorgs += u64::from(same < before.len());
            for text in dropped.keys().chain(joined.keys()).collect::<BTreeSet<_>>() {
                let count = |side: &Counts| side.get(text).copied().unwrap_or(0);
                let change = count(&dropped) - count(&joined);
                returned += change.max(0);
                let waiting = expected.entry(text.clone()).or_default();
                *waiting = (*waiting + change).max(0);
            }
            expected.retain(|_, count| *count > 0);
            let mut found = Counts::new();
            for text in node.texts() {
                *found.entry(text.to_string()).or_default() += 1;
            }
            assert_eq!(found, expected, "{at}");
        }
    }
    let least = steps / 50;
    assert!(reorgs > least && returned > least as i64, "{reorgs} reorgs, {returned} came back");
}

/// Payments that each have a text of their own: whatever was posted or ever stood on the best chain
/// is on it or waits.
#[test]
fn no_payment_is_lost_or_paid_twice() {
    let seed = setting("BLOCKSMITH_MODEL_SEED", SEED);
    let mut random = Random::new(seed);
    let mut node = Node::lecture();
    let mut made = vec![node.tip()];
    let mut known = BTreeSet::new();
    for step in 0..1_200 {
        if random.percent(50) {
            let transaction = payment(step);
            assert!(node.post(&transaction));
            known.insert(transaction.text().to_string());
        } else {
            let near = made.len().min(4);
            let parent = made[made.len() - 1 - random.below(near)].clone();
            let mut inside: Vec<_> =
                (0..random.below(3)).map(|n| payment(10_000 * (n + 1) + step)).collect();
            if parent == node.tip() {
                inside.extend(node.queue.values().take(2).cloned());
            }
            inside.push(coin());
            let new = block(&parent, step as u64, &inside);
            made.push(new.clone());
            node.take(&new);
        }
        let on_chain = payments(&node.chain.blocks);
        known.extend(on_chain.keys().cloned());
        let mut all: Vec<_> = on_chain.into_keys().collect();
        all.extend(node.texts().iter().map(ToString::to_string));
        all.sort();
        let expected: Vec<_> = known.iter().cloned().collect();
        assert_eq!(all, expected, "step {step}, BLOCKSMITH_MODEL_SEED={seed}");
    }
}

#[test]
fn blocks_in_any_order_end_in_the_longest_chain() {
    let seed = setting("BLOCKSMITH_MODEL_SEED", SEED);
    for round in 0..30 {
        let mut random = Random::new(seed + round);
        for rules in [Rules::lecture().with_zeros(0), Rules::dvf().with_zeros(0)] {
            let mut node = Node::new(rules);
            let mut made = vec![node.tip()];
            for salt in 0..200 {
                let near = made.len().min(8);
                let parent = made[made.len() - 1 - random.below(near)].clone();
                made.push(block(&parent, salt, &[coin()]));
            }
            let longest = made.iter().map(Block::index).max();
            for left in (1..made.len()).rev() {
                let place = random.below(left + 1);
                made.swap(left, place);
            }
            for block in &made {
                let verdict = node.take(block);
                assert!(!matches!(verdict, Verdict::Invalid(_)), "{verdict:?}, seed {seed}");
            }
            assert_eq!(Some(node.tip().index()), longest, "round {round}, seed {seed}");
        }
    }
}

#[test]
fn a_thousand_blocks_from_the_tip_down_are_put_in_order_quickly() {
    let mut node = Node::lecture();
    let blocks = branch(&node.tip(), 1, 1_000);
    let began = Instant::now();
    for block in blocks.iter().rev() {
        node.take(block);
    }
    assert_eq!(node.tip(), blocks[999]);
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[test]
fn a_flood_of_orphans_keeps_no_block_out() {
    let mut node = Node::lecture();
    let began = Instant::now();
    let fat = "x".repeat(1_000_000);
    for salt in 0..20_000_u64 {
        let parent = Hash::of(salt.to_be_bytes());
        let note = if salt % 100 == 0 { &*fat } else { "" };
        let text = format!(
            r#"{{"index": {}, "note": "{note}", "previous_hash": "{parent}", "proof": {salt}}}"#,
            MAX_INDEX - salt
        );
        let orphan = Block::of_canonical(&text).expect("a block");
        assert_eq!(node.take(&orphan), Verdict::Orphan);
    }
    // All of one parent that comes at last, each of them with a wrong index.
    let first = block(&node.tip(), 1, &[coin()]);
    for salt in 0..2_000 {
        let text =
            format!(r#"{{"index": 9, "previous_hash": "{}", "proof": {salt}}}"#, first.hash());
        assert_eq!(node.take(&Block::of_canonical(&text).expect("a block")), Verdict::Orphan);
    }
    assert_eq!(node.take(&first), Verdict::NewTip);
    assert_eq!(node.tip(), first);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}

#[test]
fn a_block_that_can_have_no_parent_is_refused_and_does_not_wait() {
    let mut node = Node::lecture();
    for previous in ["null", "5", &"1".repeat(64), &format!("\"{}\"", "AB".repeat(32))] {
        let text = format!(r#"{{"index": 2, "previous_hash": {previous}, "proof": 1}}"#);
        let verdict = node.take(&Block::of_canonical(&text).expect("a block"));
        let expected = matches!(verdict, Verdict::Invalid(Invalid::NoHash { index: 2, .. }));
        assert!(expected, "{verdict:?}");
    }
}

#[test]
fn what_a_reorg_brings_back_comes_first_and_in_its_old_order() {
    let mut node = Node::lecture();
    let genesis = node.tip();
    let first = block(&genesis, 1, &[payment(1), payment(2), coin()]);
    let second = block(&first, 1, &[payment(3), payment(2), coin()]);
    node.take(&first);
    node.take(&second);
    assert!(node.post(&payment(4)));
    let mut other = branch(&genesis, 2, 2);
    other.push(block(&other[1], 2, &[payment(2), coin()]));
    for block in &other {
        node.take(block);
    }
    assert_eq!(node.tip(), other[2]);
    let expected = [payment(1), payment(3), payment(2), payment(4)];
    assert_eq!(node.texts(), expected.iter().map(Transaction::text).collect::<Vec<_>>());
}

#[test]
fn coins_of_any_sender_do_not_come_back() {
    let issuance = Issuance { sender: r#""the mint""#.into(), amount: "50".into() };
    let rules = Open { issuance, ..Open::lecture() }.named("mint").with_zeros(0);
    let mut node = Node::new(rules);
    let genesis = node.tip();
    node.post(&payment(1));
    let mined = node.mine().expect("a block");
    assert!(mined.text().contains(r#""sender": "the mint""#));
    for block in branch(&genesis, 7, 2) {
        node.take(&block);
    }
    assert_eq!(node.texts(), [payment(1).text()]);
}

/// Dropping a block of payments again and again is free under the lecture's rules.
#[test]
fn dropped_blocks_fill_the_queue_up_to_its_bound() {
    let mut node = Node::lecture();
    for round in 0..30 {
        let fork = node.tip();
        let inside: Vec<_> = (0..6_000).map(|n| payment(round * 10_000 + n)).collect();
        node.take(&block(&fork, 2 * round as u64, &inside));
        for block in branch(&fork, 2 * round as u64 + 1, 2) {
            node.take(&block);
        }
        assert_eq!(node.queue.len(), ((round + 1) * 6_000).min(MAX_RETURNED));
    }
    assert!(!node.post(&payment(1)));

    let mut node = Node::lecture();
    for salt in 0..8 {
        let fork = node.tip();
        node.take(&block(&fork, 2 * salt, &[large(9_000_000, &salt.to_string()), coin()]));
        for block in branch(&fork, 2 * salt + 1, 2) {
            node.take(&block);
        }
        let bytes: usize = node.texts().iter().map(|text| text.len()).sum();
        assert!(bytes <= MAX_RETURNED_BYTES, "{bytes}");
    }
    assert_eq!(node.queue.len(), 7);
}

#[test]
fn a_transaction_that_fills_a_block_keeps_nobody_waiting_for_ever() {
    let mut node = Node::lecture();
    let genesis = node.tip();
    // The first fits into a block of somebody else, but with no coin beside it.
    let whole = block(&genesis, 1, &[large(MAX_BLOCK_BYTES - 400, "a")]);
    let most = block(&whole, 1, &[large(15_000_000, "b")]);
    for block in [&whole, &most] {
        assert_eq!(node.take(block), Verdict::NewTip);
    }
    assert!(node.post(&payment(1)));
    for block in branch(&genesis, 3, 3) {
        node.take(&block);
    }
    assert_eq!(node.queue.len(), 2);
    let mined = node.mine().expect("a block");
    assert!((15_000_000..=MAX_BLOCK_BYTES).contains(&mined.text().len()));
    assert_eq!(node.queue.len(), 0);

    // Seven megabytes come back in front of fifteen: each block takes what still fits.
    assert!(node.post(&payment(2)));
    for (salt, bytes) in [(4, 7_000_000), (6, 15_000_000)] {
        let fork = node.tip();
        node.take(&block(&fork, salt, &[large(bytes, "c")]));
        for block in branch(&fork, salt + 1, 2) {
            node.take(&block);
        }
    }
    assert_eq!(node.queue.len(), 3);
    assert_eq!(node.mine().expect("a block").view().transactions().count(), 3);
    assert_eq!(node.mine().expect("a block").view().transactions().count(), 2);
    assert_eq!(node.queue.len(), 0);
}

#[test]
fn a_coin_that_no_block_has_room_for_is_the_miners_own_fault() {
    let mut node = Node::lecture();
    node.post(&payment(1));
    let long = format!("\"{}\"", "x".repeat(MAX_BLOCK_BYTES));
    let deep = format!("{}{}", "[".repeat(987), "]".repeat(987));
    for recipient in [long, deep] {
        let refusal = node.prove(Proof::from(1), recipient).expect_err("no room");
        assert!(matches!(refusal, Refusal::Malformed(_)), "{refusal}");
    }
    let mined = node.mine().expect("a block");
    assert_eq!(mined.view().transactions().count(), 2);
}

#[test]
fn the_queue_is_bounded() {
    let mut node = Node::lecture();
    let taken = (0..MAX_QUEUED + 5).filter(|&n| node.post(&payment(n))).count();
    assert_eq!(taken, MAX_QUEUED);
    let mut node = Node::lecture();
    let large = from_json(&format!("\"{}\"", "x".repeat(99_998)));
    let taken = (0..100).filter(|_| node.post(&large)).count();
    assert_eq!(taken, MAX_QUEUED_BYTES / 100_000);
}

#[test]
fn a_late_or_wrong_proof_makes_no_block() {
    let mut node = Node::new(Rules::lecture());
    let me = || r#""me""#.to_string();
    let wrong = node.prove(Proof::from(99), me()).expect_err("no proof");
    assert!(matches!(wrong, Refusal::Proof { tip_index: 1, .. }));
    assert!(wrong.to_string().starts_with("the proof is not valid on block 1"), "{wrong}");
    let text = Proof::from_value(Value::of_canonical(r#""74581""#)).expect("a proof");
    let work = node.work(Some("me")).expect("work");
    let mined = node.solve(&work.id, text).expect("a block");
    assert_eq!(mined.view().proof_json(), r#""74581""#);
    assert!(mined.text().contains(r#""recipient": "me""#), "{}", mined.text());
    assert_eq!(node.announced, [mined]);
    let late = node.solve(&work.id, Proof::from(74_581)).expect_err("too late");
    assert_eq!(late, NoWork::Refused(Refusal::Stale { tip_index: 2 }));
    assert!(node.prove(Proof::from(74_581), me()).is_err());
    assert!(node.prove(Proof::from(28_441), me()).is_ok());
}

#[test]
fn work_on_an_open_chain_is_made_for_whoever_is_named_and_taken_by_its_id() {
    let mut node = Node::lecture();
    node.post(&payment(1));
    for (recipient, paid) in
        [(None, r#""node""#), (Some("Zo\u{eb}/\"x"), r#""Zo\u00eb/\"x""#), (Some("a"), r#""a""#)]
    {
        let tip = node.tip();
        let work = node.work(recipient).expect("work");
        assert_eq!((work.index, work.previous_hash), (tip.index() + 1, tip.hash()));
        assert!(work.job.accepts("1"), "any proof is good");
        let block = node.solve(&work.id, Proof::from(1)).expect("a block");
        assert_eq!((block.index(), block.parent()), (work.index, Some(tip.hash())));
        let coin = block.view().transactions().last().expect("a coin");
        assert_eq!(coin.get("recipient").expect("it has").text(), paid);
    }
    let long = "x".repeat(MAX_ID_BYTES - 1);
    assert!(matches!(node.work(Some(&long)), Err(NoWork::Recipient(_))));
    assert!(node.work(Some(&long[1..])).is_ok());
    let tip = node.tip().hash();
    for id in ["", "me", &tip.to_string()[1..]] {
        assert_eq!(node.solve(id, Proof::from(1)), Err(NoWork::Id), "{id}");
    }
    let long = node.solve(&format!("{tip}/{long}"), Proof::from(1));
    assert!(matches!(long, Err(NoWork::Recipient(_))), "{long:?}");
}

fn sound(blocks: &[Block]) -> Vec<Checked> {
    let check = |block: &Block| check_alone(&Rules::lecture(), block.clone()).expect("sound");
    blocks.iter().map(check).collect()
}

#[test]
fn nobody_is_told_of_a_branch_before_its_last_page() {
    let mut node = Node::lecture();
    let blocks = branch(&node.tip(), 1, 30);
    let from: PeerAddress = "localhost:5001".parse().expect("an address");
    for (page, blocks) in blocks.chunks(10).enumerate() {
        let input = Input::Branch { blocks: sound(blocks), from: from.clone(), more: page < 2 };
        assert_eq!(node.step(input), Answer::Block(Verdict::NewTip));
        assert_eq!(node.announced.len(), usize::from(page == 2));
    }
    assert_eq!(node.announced, [blocks[29].clone()]);
}

#[test]
fn what_follows_an_invalid_block_of_a_branch_is_not_looked_at() {
    let mut node = Node::lecture();
    let mut blocks = branch(&node.tip(), 1, 30);
    let edited = blocks[9].text().replace("\"index\": 11", "\"index\": 12");
    blocks[9] = Block::of_canonical(&edited).expect("a block");
    let from: PeerAddress = "localhost:5001".parse().expect("an address");
    let answer = node.step(Input::Branch { blocks: sound(&blocks), from, more: false });
    let expected = Invalid::Index { expected: 11, found: 12 };
    assert_eq!(answer, Answer::Block(Verdict::Invalid(expected)));
    assert_eq!(node.tip(), blocks[8]);
}

/// What is beyond the bound is not looked at: the blocks from the fork on hold one payment after
/// another many times, and the last one once.
#[test]
fn of_a_reorg_so_many_payments_are_looked_at() {
    for (many, comes_back) in [(MAX_WEIGHED - 1, true), (MAX_WEIGHED, false)] {
        let mut node = Node::lecture();
        let genesis = node.tip();
        let many = vec![from_json("7"); many];
        let ours = block(&genesis, 1, &many);
        node.take(&ours);
        node.take(&block(&ours, 1, &[payment(1)]));
        let theirs = block(&genesis, 2, &many);
        node.take(&theirs);
        let next = block(&theirs, 2, &[]);
        node.take(&next);
        assert_eq!(node.take(&block(&next, 2, &[])), Verdict::NewTip);
        let expected: &[Transaction] = if comes_back { &[payment(1)] } else { &[] };
        assert!(node.queue.values().eq(expected), "{} wait", node.queue.len());
    }
}

#[test]
fn a_reorg_of_twenty_thousand_blocks_is_quick() {
    let mut node = Node::lecture();
    let genesis = node.tip();
    let from: PeerAddress = "localhost:5001".parse().expect("an address");
    let began = Instant::now();
    for (salt, length) in [(1, 20_000), (2, 20_001)] {
        let blocks = branch(&genesis, salt, length);
        let last = blocks[length - 1].clone();
        node.step(Input::Branch { blocks: sound(&blocks), from: from.clone(), more: false });
        assert_eq!(node.tip(), last);
    }
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}
