//! Who is told and who is asked, and when: the machine stepped by hand.

use std::convert::Infallible;
use std::sync::Arc;

use blocksmith_consensus::check_alone;
use blocksmith_consensus::ledger::{Account, Accounts, Changes};
use blocksmith_consensus::tree::BestChain;
use blocksmith_consensus::tree::Limits;
use blocksmith_consensus::{
    Ancestry, Block, Checked, Hash, Linked, Listed, Proof, Rules, Timestamp, Transaction,
};
use blocksmith_node::mempool::Mempool;
use blocksmith_node::{Address, Answer, Effect, Input, MAX_PEERS, Machine, Output, Start, Verdict};

const SECOND: u64 = 1_000_000;

/// A best chain in a vector, and blocks of side branches in another.
struct Blocks(Vec<Linked>, Vec<Linked>);

impl Ancestry for Blocks {
    type Error = Infallible;

    fn index_of(&self, hash: &Hash) -> Result<Option<u64>, Infallible> {
        let found = self.0.iter().find(|linked| linked.block.hash() == *hash);
        Ok(found.map(|linked| linked.block.index()))
    }

    fn at(&self, index: u64) -> Result<Option<Linked>, Infallible> {
        Ok(self.0.iter().find(|linked| linked.block.index() == index).cloned())
    }
}

impl Accounts for Blocks {
    type Error = Infallible;

    fn account(&self, _: &blocksmith_consensus::address::Address) -> Result<Account, Infallible> {
        Ok(Account::default())
    }
}

impl BestChain for Blocks {
    fn connect(&mut self, linked: &Linked, _: &Changes, _: &[Listed]) -> Result<(), Infallible> {
        self.1.retain(|side| side.block != linked.block);
        self.0.push(linked.clone());
        Ok(())
    }

    fn disconnect(&mut self, _: &Linked, _: &[Listed]) -> Result<(), Infallible> {
        self.1.extend(self.0.pop());
        Ok(())
    }

    fn keep_side(&mut self, linked: &Linked) -> Result<(), Infallible> {
        self.1.push(linked.clone());
        Ok(())
    }

    fn side(&self, hash: &Hash) -> Result<Option<Linked>, Infallible> {
        Ok(self.1.iter().find(|linked| linked.block.hash() == *hash).cloned())
    }

    fn forget_side(&mut self, hash: &Hash) -> Result<(), Infallible> {
        self.1.retain(|linked| linked.block.hash() != *hash);
        Ok(())
    }
}

fn sound(block: Block) -> Box<Checked> {
    check_alone(&rules(), block).expect("sound").into()
}

fn all_sound(blocks: &[Block]) -> Vec<Checked> {
    blocks.iter().map(|block| *sound(block.clone())).collect()
}

struct Node {
    machine: Machine,
    chain: Blocks,
    now: Timestamp,
}

impl Node {
    fn with_peers(peers: &[&str]) -> Self {
        let rules = Arc::new(rules());
        let block = rules.genesis.block(Timestamp::default());
        let tip = Linked::genesis(&rules, block);
        let machine = Machine::new(Start {
            rules,
            tip: tip.clone(),
            side: vec![],
            queue: vec![],
            mempool: Mempool::default(),
            peers: peers.iter().map(|peer| address(peer)).collect(),
            own_addresses: vec![address("me:5000")],
            limits: Limits::default(),
        });
        Self {
            machine,
            chain: Blocks(vec![tip], vec![]),
            now: Timestamp { micros: 1_000 * SECOND },
        }
    }

    /// A node whose peers were all asked, and answered that they have what it has.
    fn at_rest(peers: &[&str]) -> Self {
        let mut node = Self::with_peers(peers);
        let tip = node.end();
        let mut asking = asked(&node.step(Input::Tick));
        while let Some(peer) = asking.pop() {
            asking.extend(asked(&node.answered(&peer, tip)));
        }
        node
    }

    fn step(&mut self, input: Input) -> Output {
        let Ok(output) = self.machine.step(self.now, input, &mut self.chain);
        output
    }

    fn after(&mut self, micros: u64) -> &mut Self {
        self.now.micros += micros;
        self
    }

    fn end(&self) -> (u64, Hash) {
        let block = &self.machine.tip().block;
        (block.index(), block.hash())
    }

    fn mine(&mut self) -> Output {
        let block = next(&self.machine.tip().block, "alice");
        self.step(Input::Block { block: sound(block), from: None })
    }

    fn answered(&mut self, peer: &str, tip: (u64, Hash)) -> Output {
        self.step(Input::Answered { peer: address(peer), tip: Some(tip) })
    }

    fn fail(&mut self, peer: &str) -> Output {
        self.step(Input::Failed { peer: address(peer) })
    }
}

fn rules() -> Rules {
    Rules::lecture().with_zeros(1)
}

fn address(text: &str) -> Address {
    text.parse().expect("an address")
}

/// A block on top of `parent` with its lowest proof.
fn next(parent: &Block, miner: &str) -> Block {
    let rules = rules();
    let job = rules.job(parent.view(), &parent.hash(), None);
    let proof = (0..u64::MAX).find(|proof| job.accepts(proof.to_string())).expect("a proof");
    let coin = format!(r#"[{{"amount": 1, "recipient": "{miner}", "sender": "0"}}]"#);
    let coin = blocksmith_consensus::json::Value::of_canonical(&coin);
    let coin: Vec<_> = coin.elements().map(Transaction::of_block).collect();
    Block::compose(parent, &Proof::from(proof), Timestamp::default(), &coin).expect("a block")
}

fn grown(length: usize, miner: &str) -> Vec<Block> {
    let mut blocks = vec![rules().genesis.block(Timestamp::default())];
    while blocks.len() < length {
        blocks.push(next(&blocks[blocks.len() - 1], miner));
    }
    blocks
}

/// Each announcement: the index of its block, and who is told.
fn told(output: &Output) -> Vec<(u64, Vec<String>)> {
    let announced = output.effects.iter().filter_map(|effect| match effect {
        Effect::Announce { block, to } => {
            Some((block.index(), to.iter().map(Address::to_string).collect()))
        }
        _ => None,
    });
    announced.collect()
}

fn asked(output: &Output) -> Vec<String> {
    let asked = output.effects.iter().filter_map(|effect| match effect {
        Effect::Ask(peer) => Some(peer.to_string()),
        _ => None,
    });
    asked.collect()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| name.to_string()).collect()
}

#[test]
fn each_peer_is_told_of_a_tip_once() {
    let mut node = Node::at_rest(&["a:1", "b:1"]);
    assert_eq!(told(&node.mine()), [(2, names(&["a:1", "b:1"]))]);
    assert_eq!(told(&node.after(SECOND).step(Input::Tick)), []);
    let block = node.machine.tip().block.clone();
    assert_eq!(told(&node.step(Input::Block { block: sound(block), from: None })), []);
}

#[test]
fn whoever_sends_a_block_is_not_told_of_it() {
    let mut node = Node::at_rest(&["a:1", "b:1"]);
    let block = next(&node.machine.tip().block, "bob");
    let output = node.step(Input::Block { block: sound(block), from: Some(address("a:1")) });
    assert_eq!(output.answer, Answer::Block(Verdict::NewTip));
    assert_eq!(told(&output), [(2, names(&["b:1"]))]);
}

#[test]
fn nobody_is_told_of_a_side_branch() {
    let mut node = Node::at_rest(&["a:1"]);
    let rival = next(&node.machine.tip().block, "bob");
    node.mine();
    let output = node.step(Input::Block { block: sound(rival), from: None });
    assert_eq!(output.answer, Answer::Block(Verdict::SideBranch));
    assert_eq!(told(&output), []);
}

#[test]
fn a_peer_in_back_off_is_left_out_and_told_when_it_answers_and_is_behind() {
    let mut node = Node::at_rest(&["a:1", "b:1"]);
    let genesis = node.end();
    assert_eq!(told(&node.mine()), [(2, names(&["a:1", "b:1"]))]);
    node.fail("a:1");
    assert_eq!(told(&node.mine()), [(3, names(&["b:1"]))]);
    assert_eq!(asked(&node.after(SECOND - 1).step(Input::Tick)), names(&[]));
    assert_eq!(asked(&node.after(1).step(Input::Tick)), names(&["a:1"]));
    assert_eq!(told(&node.answered("a:1", genesis)), [(3, names(&["a:1"]))]);
    assert_eq!(told(&node.mine()), [(4, names(&["a:1", "b:1"]))]);
}

#[test]
fn the_wait_doubles_up_to_a_minute_and_an_answer_ends_it() {
    let mut node = Node::at_rest(&["a:1"]);
    for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
        node.fail("a:1");
        assert_eq!(asked(&node.after(wait * SECOND - 1).step(Input::Tick)), names(&[]));
        assert_eq!(asked(&node.after(1).step(Input::Tick)), names(&["a:1"]), "after {wait} s");
    }
    let tip = node.end();
    node.answered("a:1", tip);
    node.fail("a:1");
    assert_eq!(asked(&node.after(SECOND).step(Input::Tick)), names(&["a:1"]));
}

#[test]
fn a_peer_is_asked_again_ten_seconds_after_its_answer() {
    let mut node = Node::at_rest(&["a:1"]);
    assert_eq!(asked(&node.after(10 * SECOND - 1).step(Input::Tick)), names(&[]));
    assert_eq!(asked(&node.after(1).step(Input::Tick)), names(&["a:1"]));
    assert_eq!(asked(&node.after(100 * SECOND).step(Input::Tick)), names(&[]), "it is being asked");
}

#[test]
fn a_clock_that_is_set_back_silences_nobody() {
    let mut node = Node::at_rest(&["a:1"]);
    node.now.micros -= 900 * SECOND;
    assert_eq!(asked(&node.step(Input::Tick)), names(&["a:1"]));
    let tip = node.end();
    node.answered("a:1", tip);
    assert_eq!(asked(&node.after(10 * SECOND).step(Input::Tick)), names(&["a:1"]));
}

#[test]
fn an_orphan_ahead_has_all_peers_asked_a_few_at_a_time() {
    let peers = ["a:1", "b:1", "c:1", "d:1", "e:1", "f:1"];
    let mut node = Node::at_rest(&peers);
    let ahead = grown(5, "bob").remove(4);
    let orphan = Input::Block { block: sound(ahead), from: None };
    assert_eq!(asked(&node.step(orphan.clone())), names(&[]), "they were asked just now");
    let first = asked(&node.after(SECOND / 2).step(Input::Tick));
    assert_eq!(first.len(), 4);
    assert_eq!(asked(&node.step(orphan)), names(&[]), "four are being asked");
    let tip = node.end();
    let mut all = first.clone();
    for peer in first {
        all.extend(asked(&node.answered(&peer, tip)));
    }
    all.sort();
    all.dedup();
    assert_eq!(all, names(&peers));
}

#[test]
fn an_orphan_below_our_tip_has_nobody_asked() {
    let mut node = Node::at_rest(&["a:1"]);
    for _ in 0..4 {
        node.mine();
    }
    let block = grown(4, "bob").remove(3);
    let output = node.after(SECOND).step(Input::Block { block: sound(block), from: None });
    assert_eq!(output.answer, Answer::Block(Verdict::Orphan));
    assert_eq!(asked(&output), names(&[]));
}

#[test]
fn a_new_peer_is_asked_at_once_and_a_node_is_no_peer_of_itself() {
    let mut node = Node::with_peers(&[]);
    let register = ["a:1", "me:5000", "a:1"].map(address).to_vec();
    let output = node.step(Input::Register(register));
    assert_eq!(output.answer, Answer::Peers(vec![address("a:1")]));
    assert_eq!(asked(&output), names(&["a:1"]));
    let output = node.step(Input::IsSelf { peer: address("a:1") });
    assert_eq!(output.effects, [Effect::RemovePeer(address("a:1"))]);
    let output = node.step(Input::Register(vec![address("a:1")]));
    assert_eq!(output.answer, Answer::Peers(vec![]));
}

#[test]
fn peers_are_bounded() {
    let mut node = Node::with_peers(&[]);
    let many = (0..2 * MAX_PEERS).map(|number| address(&format!("h{number}:1"))).collect();
    let Answer::Peers(peers) = node.step(Input::Register(many)).answer else { panic!("peers") };
    assert_eq!(peers.len(), MAX_PEERS);
}

#[test]
fn nobody_is_told_of_the_tips_in_the_middle_of_a_branch() {
    let mut node = Node::at_rest(&["a:1", "b:1"]);
    let blocks = grown(10, "bob");
    let branch = |range: std::ops::Range<usize>, more| Input::Branch {
        blocks: all_sound(&blocks[range]),
        from: address("a:1"),
        more,
    };
    assert_eq!(told(&node.step(branch(1..4, true))), []);
    assert_eq!(told(&node.after(SECOND / 5).step(Input::Tick)), [], "time goes by meanwhile");
    assert_eq!(told(&node.step(branch(4..8, true))), []);
    assert_eq!(told(&node.mine()), [(9, names(&["a:1", "b:1"]))], "ours is no part of it");
    assert_eq!(told(&node.step(branch(8..10, false))), [(10, names(&["b:1"]))]);
}

#[test]
fn a_branch_that_breaks_off_leaves_a_tip_that_is_told() {
    for ends in [true, false] {
        let mut node = Node::at_rest(&["a:1", "b:1"]);
        let blocks = grown(4, "bob")[1..].to_vec();
        let output = node.step(Input::Branch {
            blocks: all_sound(&blocks),
            from: address("a:1"),
            more: true,
        });
        assert_eq!(told(&output), []);
        let tip = node.end();
        let output = if ends { node.answered("a:1", tip) } else { node.fail("a:1") };
        assert_eq!(told(&output), [(4, names(&["b:1"]))]);
    }
}

#[test]
fn what_follows_a_block_that_found_no_place_is_not_looked_at() {
    let mut node = Node::at_rest(&["a:1"]);
    let mut blocks = grown(6, "bob");
    blocks.drain(..2);
    let branch = Input::Branch { blocks: all_sound(&blocks), from: address("a:1"), more: false };
    assert_eq!(node.step(branch).answer, Answer::Block(Verdict::Orphan));
    let missing = grown(2, "bob").remove(1);
    node.step(Input::Block { block: sound(missing), from: None });
    assert_eq!(node.end(), (3, blocks[0].hash()), "one of the orphans was kept");
}

#[test]
fn addresses_keep_host_and_port_alone() {
    let same = ["http://Host:1", "https://host:1/any/path", "host:1", " host:1?x#y "];
    for text in same {
        assert_eq!(address(text).as_str(), "host:1", "{text}");
    }
    assert_eq!(address("http://[::1]:5000/").as_str(), "[::1]:5000");
    assert_eq!(address("[FE80::1]").as_str(), "[fe80::1]");
    assert_eq!(address("host").as_str(), "host");
    for text in [
        "",
        "http://",
        ":1",
        "h:0",
        "h:65536",
        "h:+1",
        "h:",
        "h:1:2",
        "[::1",
        "[]:1",
        "[::1]5000",
        "[::1]:",
        "a b:1",
        "u@h:1",
        "h\r\nx:1",
        &"h".repeat(300),
    ] {
        assert!(text.parse::<Address>().is_err(), "{text:?}");
    }
}
