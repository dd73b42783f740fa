//! Who is told and who is asked, and when: the machine stepped by hand.

use std::convert::Infallible;
use std::sync::Arc;

use blocksmith_consensus::check_alone;
use blocksmith_consensus::ledger::{Account, Accounts, Changes, Contents};
use blocksmith_consensus::tree::BestChain;
use blocksmith_consensus::tree::Limits;
use blocksmith_consensus::{
    Ancestry, Block, ChainBlock, Checked, Hash, Proof, Rules, Timestamp, Transaction,
};
use blocksmith_node::mempool::Mempool;
use blocksmith_node::{
    Answer, Effect, Event, Health, Input, MAX_PEERS, Machine, NetworkEffect, Output, PeerAddress,
    PeerChange, Registered, Registration, Start, StoreEffect, Verdict,
};

const SECOND: u64 = 1_000_000;

/// A best chain in a vector, and blocks of side branches in another.
struct Blocks(Vec<ChainBlock>, Vec<ChainBlock>);

impl Ancestry for Blocks {
    type Error = Infallible;

    fn index_of(&self, hash: &Hash) -> Result<Option<u64>, Infallible> {
        let found = self.0.iter().find(|linked| linked.block.hash() == *hash);
        Ok(found.map(|linked| linked.block.index()))
    }

    fn at(&self, index: u64) -> Result<Option<ChainBlock>, Infallible> {
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
    fn connect(
        &mut self,
        linked: &ChainBlock,
        _: &Changes,
        _: Option<&Contents>,
    ) -> Result<(), Infallible> {
        self.1.retain(|side| side.block != linked.block);
        self.0.push(linked.clone());
        Ok(())
    }

    fn disconnect(&mut self, _: &ChainBlock) -> Result<(), Infallible> {
        self.1.extend(self.0.pop());
        Ok(())
    }

    fn keep_side(&mut self, linked: &ChainBlock) -> Result<(), Infallible> {
        self.1.push(linked.clone());
        Ok(())
    }

    fn side(&self, hash: &Hash) -> Result<Option<ChainBlock>, Infallible> {
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
        let block = rules.genesis_block(Timestamp::default());
        let tip = ChainBlock::genesis(&rules, block);
        let machine = Machine::new(Start {
            rules,
            tip: tip.clone(),
            side: vec![],
            queue: vec![],
            mempool: Mempool::default(),
            peers: peers.iter().map(|peer| address(peer)).collect(),
            unheard: vec![],
            own_addresses: vec![address("me:5000")],
            coins_to: "node".into(),
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
        self.step(Input::Failed { peer: address(peer), why: String::new() })
    }
}

fn rules() -> Rules {
    Rules::lecture().with_zeros(1)
}

fn address(text: &str) -> PeerAddress {
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
    let mut blocks = vec![rules().genesis_block(Timestamp::default())];
    while blocks.len() < length {
        blocks.push(next(&blocks[blocks.len() - 1], miner));
    }
    blocks
}

/// Each announcement: the index of its block, and who is told.
fn told(output: &Output) -> Vec<(u64, Vec<String>)> {
    let announced = output.effects.iter().filter_map(|effect| match effect {
        Effect::Network(NetworkEffect::Announce { block, to }) => {
            Some((block.index(), to.iter().map(PeerAddress::to_string).collect()))
        }
        _ => None,
    });
    announced.collect()
}

/// What is to be kept or done, without what is told.
fn done(output: &Output) -> Vec<Effect> {
    let done = output.effects.iter().filter(|effect| !matches!(effect, Effect::Event(_)));
    done.cloned().collect()
}

/// What is told of peers.
fn became(output: &Output) -> Vec<(&str, PeerChange)> {
    let told = output.effects.iter().filter_map(|effect| match effect {
        Effect::Event(Event::Peer { address, became }) => Some((address.as_str(), became.clone())),
        _ => None,
    });
    told.collect()
}

fn removed(peer: &str) -> Effect {
    StoreEffect::RemovePeer(address(peer)).into()
}

fn asked(output: &Output) -> Vec<String> {
    let asked = output.effects.iter().filter_map(|effect| match effect {
        Effect::Network(NetworkEffect::Ask { peer, .. }) => Some(peer.to_string()),
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

/// Begins a round of questions to all: its number, and who is asked at once.
fn resolve(node: &mut Node) -> (u64, Vec<String>) {
    let output = node.step(Input::Resolve);
    let Answer::Round(round) = output.answer else { panic!("{:?}", output.answer) };
    (round, asked_closely(&output))
}

/// Who is asked for somebody who waits; nobody is asked otherwise.
fn asked_closely(output: &Output) -> Vec<String> {
    let closely = output.effects.iter().filter_map(|effect| match effect {
        Effect::Network(NetworkEffect::Ask { closely, .. }) => Some(*closely),
        _ => None,
    });
    assert!(closely.into_iter().all(|closely| closely), "{output:?}");
    asked(output)
}

#[test]
fn a_round_has_all_peers_asked_four_at_a_time_and_is_over_with_the_last_answer() {
    let mut node = Node::at_rest(&["a:1", "b:1", "c:1", "d:1", "e:1", "f:1"]);
    let tip = node.end();
    let (round, mut asking) = resolve(&mut node);
    assert_eq!(asking.len(), 4);
    let mut all = asking.clone();
    for left in (0..6).rev() {
        assert!(node.machine.rounds_over() < round, "{left} and one more are left");
        assert_eq!(asked(&node.step(Input::Tick)), names(&[]), "four are being asked");
        let next = asked_closely(&node.answered(&asking.remove(0), tip));
        assert_eq!(next.len(), usize::from(left >= 4), "{left} are left");
        all.extend(next.clone());
        asking.extend(next);
    }
    assert_eq!(node.machine.rounds_over(), round);
    all.sort();
    assert_eq!(all, names(&["a:1", "b:1", "c:1", "d:1", "e:1", "f:1"]));
    assert_eq!(asked(&node.after(SECOND).step(Input::Tick)), names(&[]));
}

#[test]
fn a_round_without_peers_is_over_at_once() {
    let mut node = Node::at_rest(&[]);
    assert_eq!(resolve(&mut node), (1, names(&[])));
    assert_eq!(node.machine.rounds_over(), 1);
}

#[test]
fn a_peer_that_fails_or_is_forgotten_holds_no_round_up() {
    let mut node = Node::at_rest(&["a:1", "b:1", "c:1"]);
    node.fail("a:1");
    node.fail("a:1");
    let (round, asking) = resolve(&mut node);
    assert_eq!(asking.len(), 3, "also the one that was to be left alone for two seconds");
    node.fail("a:1");
    node.step(Input::Forget { peer: address("b:1") });
    assert!(node.machine.rounds_over() < round, "the last one has not answered");
    node.fail("c:1");
    assert_eq!(node.machine.rounds_over(), round);
    assert_eq!(
        asked(&node.step(Input::Tick)),
        names(&[]),
        "those that failed are left alone again"
    );
}

#[test]
fn peers_that_fail_keep_none_waiting_that_was_of_use_in_a_round() {
    let mut node = Node::at_rest(&["a:1", "b:1", "c:1", "d:1", "e:1"]);
    for dead in ["a:1", "b:1", "c:1"] {
        node.fail(dead);
    }
    let (round, asking) = resolve(&mut node);
    let tip = node.end();
    assert!(asking.contains(&"d:1".into()) && asking.contains(&"e:1".into()), "{asking:?}");
    assert_eq!(asking.len(), 4);
    let dead = asking.iter().find(|peer| !["d:1", "e:1"].contains(&peer.as_str())).unwrap();
    assert_eq!(asked_closely(&node.answered("d:1", tip)), names(&[]), "two that fail at a time");
    assert_eq!(asked_closely(&node.fail(dead)).len(), 1);
    assert!(node.machine.rounds_over() < round);
}

#[test]
fn a_question_that_is_under_way_counts_for_each_round_that_began_before_its_answer() {
    let mut node = Node::at_rest(&["a:1", "b:1"]);
    let tip = node.end();
    assert_eq!(asked(&node.after(10 * SECOND).step(Input::Tick)).len(), 2);
    let (first, asking) = resolve(&mut node);
    assert_eq!(asking, names(&[]), "both are being asked");
    node.answered("a:1", tip);
    let (second, asking) = resolve(&mut node);
    assert_eq!(asking, names(&["a:1"]), "its answer was before the second round");
    assert!(node.machine.rounds_over() < first, "one answer is missing, whoever else asks");
    node.answered("b:1", tip);
    assert_eq!(node.machine.rounds_over(), first, "the first waits for no answer of the second");
    node.answered("a:1", tip);
    assert_eq!(node.machine.rounds_over(), second);
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
    assert_eq!(registered(&output), names(&["a:1"]));
    assert_eq!(asked(&output), names(&["a:1"]));
    let output = node.step(Input::IsSelf { peer: address("a:1") });
    assert_eq!(done(&output), [removed("a:1")]);
    let output = node.step(Input::Register(vec![address("a:1")]));
    assert_eq!(each(&output), [Registered::Itself]);
    assert_eq!(registered(&output), names(&[]));
}

#[test]
fn peers_are_bounded() {
    let mut node = Node::with_peers(&[]);
    let many = (0..2 * MAX_PEERS).map(|number| address(&format!("h{number}:1"))).collect();
    let peers = registered(&node.step(Input::Register(many)));
    assert_eq!(peers.len(), MAX_PEERS);
}

fn register(peers: impl IntoIterator<Item = String>) -> Input {
    Input::Register(peers.into_iter().map(|peer| address(&peer)).collect())
}

fn registered(output: &Output) -> Vec<String> {
    let Answer::Registered(Registration { peers, .. }) = &output.answer else { panic!("peers") };
    peers.iter().map(PeerAddress::to_string).collect()
}

/// What became of each address.
fn each(output: &Output) -> &[Registered] {
    let Answer::Registered(Registration { each, .. }) = &output.answer else { panic!("peers") };
    each
}

/// As `--peer` names them.
fn choose(peers: Vec<PeerAddress>) -> Input {
    Input::Choose { peers, keep: false }
}

fn liars(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("a-liar-{number}:1")).collect()
}

/// What becomes of a question.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// It is answered at once, and the peer is where we are.
    Honest,
    /// It comes to nothing after so many seconds.
    Fails(u64),
    /// It is answered, and the next one comes to nothing.
    Turns(u64),
    /// It is answered, and none after it.
    Once(u64),
}

/// A node whose questions are answered by the clock.
struct Days {
    node: Node,
    manner: Box<dyn Fn(&str) -> Manner>,
    /// When questions are over, and how well.
    under_way: Vec<(Timestamp, String, bool)>,
    /// When each peer was asked.
    asked: std::collections::BTreeMap<String, Vec<u64>>,
}

impl Days {
    fn new(node: Node, manner: impl Fn(&str) -> Manner + 'static) -> Self {
        let (under_way, asked) = (Vec::new(), Default::default());
        Self { node, manner: Box::new(manner), under_way, asked }
    }

    fn step(&mut self, input: Input) {
        let now = self.node.now;
        for peer in asked(&self.node.step(input)) {
            let times = self.asked.entry(peer.clone()).or_default();
            times.push(now.micros);
            let (seconds, fails) = match (self.manner)(&peer) {
                Manner::Honest => (0, false),
                Manner::Turns(seconds) if times.len().is_multiple_of(2) => (seconds, true),
                Manner::Once(seconds) if times.len() > 1 => (seconds, true),
                Manner::Turns(_) | Manner::Once(_) => (0, false),
                Manner::Fails(seconds) => (seconds, true),
            };
            let over = Timestamp { micros: now.micros + seconds * SECOND };
            self.under_way.push((over, peer, fails));
        }
        assert!(self.under_way.len() <= 4);
    }

    fn live(&mut self, seconds: u64) {
        let tip = Some(self.node.end());
        for _ in 0..seconds * 5 {
            self.node.after(SECOND / 5);
            self.step(Input::Tick);
            while let Some(at) = self.under_way.iter().position(|(at, ..)| *at <= self.node.now) {
                let (_, peer, fails) = self.under_way.remove(at);
                let peer = address(&peer);
                self.step(if fails {
                    Input::Failed { peer, why: String::new() }
                } else {
                    Input::Answered { peer, tip }
                });
            }
        }
    }

    /// The longest that a peer was not asked, in seconds, from this moment on.
    fn longest_wait(&self, peer: &str, from: Timestamp) -> u64 {
        let asked = self.asked.get(peer).into_iter().flatten().copied();
        let asked = asked.filter(|at| *at >= from.micros);
        let mut before = from.micros;
        let waits = asked.chain([self.node.now.micros]).map(|at| {
            let wait = at - before;
            before = at;
            wait
        });
        waits.max().unwrap_or(0).div_ceil(SECOND)
    }
}

/// What 252 liars may cost that stall for as long as a question may last, and dead addresses.
#[test]
fn nobody_who_fails_keeps_a_peer_waiting_that_was_of_use_once() {
    for seconds in [30, 2] {
        let mut days = Days::new(Node::with_peers(&[]), move |peer| match peer {
            "z:1" => Manner::Honest,
            _ => Manner::Fails(seconds),
        });
        let began = days.node.now;
        days.step(register(liars(252)));
        days.step(register(["z:1".into()]));
        let first = 252 / 2 * (seconds + 1);
        days.live(first);
        assert!(days.longest_wait("z:1", began) <= first && days.asked.contains_key("z:1"));
        let of_use = Timestamp { micros: days.asked["z:1"][0] };
        days.live(4 * 3_600);
        let wait = days.longest_wait("z:1", of_use);
        assert!(wait <= 11, "{wait} s, liars stall for {seconds} s");
        let least = days.asked.values().map(Vec::len).min().unwrap_or(0);
        assert!(days.asked.len() == 253 && least >= 3, "the others have their turns, too");
    }
}

#[test]
fn liars_who_are_of_use_now_and_then_keep_nobody_waiting_for_long() {
    for manner in [Manner::Turns(30), Manner::Once(30)] {
        let mut days = Days::new(Node::with_peers(&[]), move |peer| match peer {
            "z:1" | "new:1" => Manner::Honest,
            _ => manner,
        });
        days.step(register(["z:1".into()]));
        days.step(register(liars(252)));
        let began = days.node.now;
        days.live(3_600);
        let wait = days.longest_wait("z:1", began);
        assert!(wait <= 45, "{wait} s, {manner:?}");
        // Every second question is for whoever waited longest.
        let came = days.node.now;
        days.step(register(["new:1".into()]));
        days.live(252 * 31);
        let first = days.asked.get("new:1").map(|times| times[0] - came.micros);
        assert!(first.is_some(), "{manner:?}");
        println!("{manner:?}: the new one waits for {} s", first.unwrap_or(0) / SECOND);
    }
}

#[test]
fn ever_new_liars_do_not_push_in() {
    let mut days = Days::new(Node::with_peers(&[]), |peer| match peer {
        "z:1" => Manner::Honest,
        _ => Manner::Fails(30),
    });
    days.step(register(liars(100)));
    days.step(register(["z:1".into()]));
    for number in 0..110 / 2 * 31 / 10 {
        days.step(register([1, 2, 3].map(|n| format!("a-{number}-{n}:1"))));
        days.live(10);
    }
    assert!(days.asked.contains_key("z:1"));
}

#[test]
fn a_peer_that_was_of_use_and_fails_comes_before_liars_when_it_is_back() {
    let up = std::rc::Rc::new(std::cell::Cell::new(true));
    let is_up = up.clone();
    let mut days = Days::new(Node::at_rest(&["z:1"]), move |peer| match peer {
        "z:1" if is_up.get() => Manner::Honest,
        "z:1" => Manner::Fails(0),
        _ => Manner::Fails(30),
    });
    days.step(register(liars(252)));
    days.live(600);
    up.set(false);
    days.live(3_600);
    up.set(true);
    let back = days.node.now;
    days.live(600);
    let wait = days.longest_wait("z:1", back);
    assert!(wait <= 60 + 45, "{wait} s");
}

#[test]
fn a_peer_that_whoever_runs_the_node_chose_is_asked_at_once() {
    let mut days = Days::new(Node::with_peers(&[]), |peer| match peer {
        "z:1" => Manner::Honest,
        _ => Manner::Fails(30),
    });
    days.step(register(liars(252)));
    days.step(register(["z:1".into()]));
    days.step(choose(vec![address("z:1")]));
    assert_eq!(days.asked["z:1"].len(), 1);
}

#[test]
fn of_a_full_table_those_go_first_that_failed_and_never_were_of_use() {
    let mut node = Node::at_rest(&["of-use:1", "of-use-and-gone:1"]);
    node.step(register(["chosen:1"].map(String::from)));
    node.step(choose(vec![address("chosen:1")]));
    node.fail("chosen:1");
    node.fail("of-use-and-gone:1");
    node.after(SECOND).step(register(["old:1".into()]));
    let mut full = registered(&node.after(SECOND).step(register(liars(MAX_PEERS - 4))));
    assert_eq!(full.len(), MAX_PEERS);
    let new = ["new:1", "new:2", "new:3"].map(String::from);
    assert_eq!(registered(&node.step(register(new.clone()))), full, "nobody has failed");

    // The oldest first; nobody goes who did not fail, or is being asked.
    node.fail("a-liar-7:1");
    node.fail("old:1");
    let output = node.step(register(new.clone()));
    full.retain(|peer| !["a-liar-7:1", "old:1"].contains(&&**peer));
    full.extend(new[..2].to_vec());
    full.sort_by_key(|peer| address(peer));
    assert_eq!(registered(&output), full);
    let added = |new: &String| StoreEffect::AddPeer(address(new)).into();
    assert_eq!(
        done(&output)[..4],
        [removed("old:1"), added(&new[0]), removed("a-liar-7:1"), added(&new[1])]
    );
    let told = [
        ("old:1", PeerChange::Forgotten),
        (&*new[0], PeerChange::Added),
        ("a-liar-7:1", PeerChange::Forgotten),
        (&*new[1], PeerChange::Added),
    ];
    assert_eq!(became(&output), told);

    node.fail("of-use-and-gone:1");
    assert_eq!(registered(&node.step(register(["new:3".into()]))), full, "it was of use");

    // A chosen one always fits, and it is never a chosen one that goes.
    let chosen = |number: usize| address(&format!("chosen:{number}"));
    node.step(choose((2..MAX_PEERS).map(chosen).collect()));
    for peer in node.machine.peers() {
        node.fail(peer.as_str());
    }
    node.step(choose((2..MAX_PEERS + 9).map(chosen).collect()));
    let peers = node.machine.peers();
    assert_eq!(peers, {
        let mut all: Vec<_> = (1..=MAX_PEERS).map(chosen).collect();
        all.sort();
        all
    });
    node.step(register(["late:1".into()]));
    assert_eq!(node.machine.peers(), peers);
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

/// The waits before a peer is asked again that fails each time, in seconds.
fn waits(node: &mut Node, peer: &str, count: usize) -> Vec<u64> {
    let wait = |node: &mut Node| {
        node.fail(peer);
        let failed = node.now;
        let report = node.machine.peer_reports().pop().expect("a peer");
        let next = report.asked_again.expect("it is not asked now").micros - failed.micros;
        assert_eq!(asked(&node.after(next - 1).step(Input::Tick)), names(&[]));
        assert_eq!(asked(&node.after(1).step(Input::Tick)), names(&[peer]));
        next / SECOND
    };
    (0..count).map(|_| wait(node)).collect()
}

#[test]
fn one_that_never_answered_is_asked_less_and_less() {
    let minutes = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];
    for (named, chosen, longest) in
        [(register(["a:1".into()]), false, 3_600), (choose(vec![address("a:1")]), true, 600)]
    {
        let mut node = Node::with_peers(&[]);
        node.step(named.clone());
        let mut expected = minutes.to_vec();
        expected.extend([1_024, 2_048, 3_600, 3_600].map(|wait| longest.min(wait)));
        assert_eq!(waits(&mut node, "a:1", 14), expected, "chosen: {chosen}");

        // Whoever names it again believes that it is there.
        node.fail("a:1");
        node.after(100 * SECOND);
        assert_eq!(asked(&node.step(named.clone())), names(&["a:1"]));
        node.fail("a:1");
        let soon = asked(&node.after(SECOND).step(named.clone()));
        assert_eq!(soon, if chosen { names(&["a:1"]) } else { names(&[]) }, "not for anybody");

        // Once it has answered, it is worth more.
        let tip = node.end();
        let answered = Effect::from(StoreEffect::PeerAnswered(address("a:1")));
        assert!(node.answered("a:1", tip).effects.contains(&answered));
        node.after(20 * SECOND).step(Input::Tick);
        assert_eq!(waits(&mut node, "a:1", 8), [1, 2, 4, 8, 16, 32, 60, 60]);
    }
}

#[test]
fn one_that_is_named_at_each_start_is_kept_once_it_has_answered() {
    let mut node = Node::with_peers(&[]);
    let kept = |output: &Output| {
        let kept = output.effects.iter().filter(|effect| matches!(effect, Effect::Store(_)));
        kept.cloned().collect::<Vec<_>>()
    };
    assert_eq!(kept(&node.step(choose(vec![address("typed:1")]))), []);
    assert_eq!(kept(&node.fail("typed:1")), []);
    let tip = node.end();
    assert_eq!(
        kept(&node.answered("typed:1", tip)),
        [Effect::from(StoreEffect::PeerAnswered(address("typed:1")))]
    );
    assert_eq!(kept(&node.answered("typed:1", tip)), [], "once");

    // What others name, or whoever runs the node once, is kept at once.
    for (peer, named) in [
        ("others:1", register(["others:1".into()])),
        ("once:1", Input::Choose { peers: vec![address("once:1")], keep: true }),
    ] {
        assert_eq!(kept(&node.step(choose(vec![address(peer)]))), []);
        assert_eq!(
            kept(&node.step(named.clone())),
            [Effect::from(StoreEffect::AddPeer(address(peer)))]
        );
        assert_eq!(kept(&node.step(named)), []);
    }
}

#[test]
fn those_of_an_earlier_run_that_never_answered_still_have_not() {
    let rules = Arc::new(rules());
    let tip = ChainBlock::genesis(&rules, rules.genesis_block(Timestamp::default()));
    let machine = Machine::new(Start {
        rules,
        tip: tip.clone(),
        side: vec![],
        queue: vec![],
        mempool: Mempool::default(),
        peers: vec![address("heard:1")],
        unheard: vec![address("unheard:1")],
        own_addresses: vec![],
        coins_to: "node".into(),
        limits: Limits::default(),
    });
    let chain = Blocks(vec![tip.clone()], vec![]);
    let mut node = Node { machine, chain, now: Timestamp { micros: 1_000 * SECOND } };
    assert_eq!(asked(&node.step(Input::Tick)), names(&["heard:1", "unheard:1"]));
    for _ in 0..20 {
        node.fail("heard:1");
        node.fail("unheard:1");
    }
    let now = node.now.micros;
    let next = node.machine.peer_reports().into_iter().map(|report| report.asked_again);
    let next: Vec<_> = next.map(|next| next.map(|next| (next.micros - now) / SECOND)).collect();
    assert_eq!(next, [Some(60), Some(3_600)]);
    let answered = node.answered("heard:1", (1, tip.block.hash()));
    assert_eq!(done(&answered), [], "that it has is known");
}

#[test]
fn a_peer_that_is_forgotten_is_called_no_more() {
    let mut node = Node::at_rest(&["a:1", "b:1"]);
    let genesis = node.end();
    let output = node.after(20 * SECOND).step(Input::Tick);
    assert_eq!(asked(&output), names(&["a:1", "b:1"]));
    let output = node.step(Input::Forget { peer: address("A:1") });
    assert_eq!(output.answer, Answer::Forgotten(Some(address("a:1"))));
    let hang_up = NetworkEffect::HangUp(address("a:1")).into();
    assert_eq!(done(&output), [removed("a:1"), hang_up]);
    assert_eq!(became(&output), [("a:1", PeerChange::Forgotten)]);
    assert_eq!(told(&node.mine()), [(2, names(&["b:1"]))]);
    // What was under way comes to nothing.
    assert_eq!(node.answered("a:1", genesis).effects, []);
    let branch = Input::Branch { blocks: vec![], from: address("a:1"), more: true };
    assert_eq!(node.step(branch).effects, []);
    assert_eq!(told(&node.mine()), [(3, names(&["b:1"]))], "nobody waits for the rest");
    assert_eq!(asked(&node.after(1_000 * SECOND).step(Input::Tick)), names(&[]));
    assert_eq!(node.step(Input::Forget { peer: address("a:1") }).answer, Answer::Forgotten(None));
    assert_eq!(asked(&node.step(register(["a:1".into()]))), names(&["a:1"]), "it may come back");
}

#[test]
fn of_two_names_of_one_node_the_later_goes_unless_it_was_chosen() {
    let same =
        |peer: &str, other: &str| Input::SameNode { peer: address(peer), other: address(other) };
    let gone = |output: &Output| match &output.answer {
        Answer::Forgotten(gone) => gone.as_ref().map(PeerAddress::to_string),
        answer => panic!("{answer:?}"),
    };
    // Whoever lies about who it is takes the place of nobody.
    for asked_first in ["a:1", "liar:1"] {
        let mut node = Node::with_peers(&[]);
        node.step(register(["a:1".into()]));
        node.after(SECOND).step(register(["liar:1".into()]));
        let asked_then = if asked_first == "a:1" { "liar:1" } else { "a:1" };
        let output = node.step(same(asked_then, asked_first));
        assert_eq!(gone(&output).as_deref(), Some("liar:1"), "{asked_first} was asked first");
        let hung_up = output.effects.contains(&NetworkEffect::HangUp(address("liar:1")).into());
        assert_eq!(hung_up, asked_first == "liar:1", "{:?}", output.effects);
        assert_eq!(node.machine.peers(), [address("a:1")]);
    }
    let mut node = Node::with_peers(&[]);
    node.step(register(["a:1".into()]));
    node.after(SECOND).step(choose(vec![address("b:1")]));
    assert_eq!(gone(&node.step(same("b:1", "a:1"))).as_deref(), Some("a:1"));
    assert!(node.machine.peer_reports()[0].chosen);
    assert_eq!(gone(&node.step(same("b:1", "a:1"))), None, "a:1 is none any more");
}

#[test]
fn how_peers_stand_can_be_seen() {
    let mut node = Node::with_peers(&["a:1"]);
    node.step(choose(vec![address("b:1")]));
    let since = node.now;
    let report = |node: &Node, at: usize| node.machine.peer_reports().swap_remove(at);
    assert_eq!((report(&node, 0).health, report(&node, 0).asked_again), (Health::New, None));
    assert!(!report(&node, 0).chosen && report(&node, 1).chosen);
    let tip = node.end();
    node.answered("a:1", tip);
    let why = "it sleeps".to_string();
    node.step(Input::Failed { peer: address("b:1"), why: why.clone() });
    node.after(SECOND).step(Input::Tick);
    node.step(Input::Failed { peer: address("b:1"), why: why.clone() });
    assert_eq!((report(&node, 0).health, report(&node, 0).since), (Health::Answers, since));
    assert_eq!(report(&node, 1).health, Health::Fails { times: 2, why });
    assert_eq!(report(&node, 1).since, since);
    let next = report(&node, 1).asked_again.expect("later");
    assert_eq!(next.micros, node.now.micros + 2 * SECOND);
    node.after(SECOND);
    node.answered("b:1", tip);
    assert_eq!((report(&node, 1).health, report(&node, 1).since), (Health::Answers, node.now));
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
    assert_eq!(address("host.:01").as_str(), "host:1");
    assert_eq!(address("[::ffff:10.0.0.1]:1").as_str(), "10.0.0.1:1");
    assert_eq!(address("[2001:0DB8:0:0:0:0:0:1]:1").as_str(), "[2001:db8::1]:1");
    for text in [
        "",
        "http://",
        ":1",
        "h:0",
        "h:65536",
        "h:+1",
        "h:",
        "h:1:2",
        "5001",
        "5001:80",
        "[::1",
        "[]:1",
        "[::1]5000",
        "[::1]:",
        "a b:1",
        "u@h:1",
        "h\r\nx:1",
        &"h".repeat(300),
        // What only inet_aton takes for an address.
        "127.1:1",
        "0x7f.1:1",
        "0x7f000001:1",
        "2130706433:1",
        "0177.0.0.1:1",
        "127.0.0.01:1",
        "127.0.0.256:1",
        "1.2.3.4.5:1",
        "h.0x1:1",
        "[fe80::1%eth0]:1",
        "[127.0.0.1]:1",
        "a..b:1",
        ".:1",
        "..:1",
        "h\u{202e}:1",
        "ü:1",
    ] {
        assert!(text.parse::<PeerAddress>().is_err(), "{text:?}");
    }
}

#[test]
fn one_place_under_many_names_is_one_address() {
    let places: [&[&str]; 6] = [
        &[
            "localhost:7001",
            "127.0.0.1:7001",
            "[::1]:7001",
            "LOCALHOST:7001",
            "localhost.:7001",
            "http://localhost:07001/chain",
            "[::ffff:127.0.0.1]:7001",
            "[0:0:0:0:0:0:0:1]:7001",
            "0.0.0.0:7001",
            "[::]:7001",
        ],
        &["localhost", "127.0.0.1:80", "http://localhost/", "[::1]"],
        &["localhost:7002"],
        &["127.0.0.2:7001", "[::ffff:7f00:2]:7001"],
        &["host:7001", "HOST.:7001"],
        &["[2001:db8::1]:7001", "[2001:0DB8:0::1]:7001"],
    ];
    for (number, names) in places.iter().enumerate() {
        for name in *names {
            assert_eq!(address(name), address(names[0]), "{name}");
            for other in places.iter().enumerate().filter(|(at, _)| *at != number) {
                assert_ne!(address(name), address(other.1[0]), "{name}");
            }
        }
    }
    // It is called by the name that it was given first.
    let mut node = Node::with_peers(&[]);
    assert_eq!(registered(&node.step(register(["127.0.0.1:7001".into()]))), ["127.0.0.1:7001"]);
    let output = node.step(register(["localhost:7001".into()]));
    assert_eq!(
        (each(&output), registered(&output)),
        (&[Registered::Known][..], names(&["127.0.0.1:7001"]))
    );
}

#[test]
fn what_is_typed_is_taken_as_it_stands_or_refused_with_what_to_write() {
    for (text, taken) in [
        ("localhost:7001", "localhost:7001"),
        (" http://Host:7001/ ", "host:7001"),
        ("HTTP://[::1]:80", "[::1]:80"),
        ("10.0.0.9:1", "10.0.0.9:1"),
        ("my_node.local.:5000", "my_node.local:5000"),
    ] {
        assert_eq!(
            PeerAddress::typed(text).map(|address| address.to_string()).as_deref(),
            Ok(taken)
        );
    }
    for (text, says) in [
        ("", "write a host and a port"),
        ("  ", "write a host and a port"),
        ("http://", "write a host and a port"),
        (":5000", "write a host and a port"),
        ("5001", "as in localhost:5001"),
        ("localhost", "localhost:5000"),
        ("http://localhost/", "localhost:80 for the usual port"),
        ("[::1]", "[::1]:5000"),
        ("https://localhost:7001/api", "https is not supported yet"),
        ("HTTPS://localhost:7001", "https is not supported yet"),
        ("ftp://localhost:7001", "not by ftp"),
        ("localhost:7001/chain", "leave \"/chain\" out: write localhost:7001"),
        ("localhost:7001?x=1", "leave \"?x=1\" out"),
        ("localhost:7001#top", "leave \"#top\" out"),
        ("user:secret@localhost:7001", "no user name and no password"),
        ("localhost:http", "the port must be a number from 1 to 65535, not \"http\""),
        ("localhost:", "as in localhost:5000"),
        (
            "a:1:2",
            "it has more than one \":\", and only one can stand between host and port; did you mean a:2?",
        ),
        ("localhost::5000", "localhost:5000"),
        ("http:localhost:5000", "localhost:5000"),
        ("localhost:70000", "from 1 to 65535"),
        ("localhost:0", "from 1 to 65535"),
        ("::1:5000", "needs brackets"),
        ("[fe80::1%eth0]:5000", "the zone after \"%\""),
        ("[::1:5000", "the \"]\" after the IPv6 address is missing"),
        ("[::1]5000", "must follow \"]\", not \"5000\""),
        ("[127.0.0.1]:5000", "must be an IPv6 address, not \"127.0.0.1\""),
        ("127.1:5000", "four numbers"),
        ("0x7f.1:5000", "four numbers"),
        ("a.1:80", "ends in a number (\"1\") must be an IP address of four numbers"),
        ("a.1:80", "but this one has 2; write all four, or a name that ends in a word"),
        ("10.0.0.256:80", "without zeros before it; \"256\" is not"),
        ("10.00.0.1:80", "\"00\" is not"),
        ("a.0.0.1:80", "\"a\" is not"),
        ("a..b:80", "its host starts with a dot, or has two dots in a row"),
        (".local:80", "its host starts with a dot, or has two dots in a row"),
        ("0.0.0.0:5000", "localhost:5000 if it is this machine"),
        ("[::]:5000", "localhost:5000 if it is this machine"),
        (
            "a b:5000",
            "character 2 of the host is ' ' (U+0020), but a host has only letters from a to z",
        ),
        ("h\u{430}nna.local:5000", "character 2 of the host is '\u{430}' (U+0430)"),
        ("h\u{430}nna.local:5000", "letters of other alphabets can look the same"),
        ("pc\u{2010}12:5000", "character 3 of the host is '\u{2010}' (U+2010)"),
        ("z\u{fc}rich:5000", "character 2 of the host is 'ü' (U+00FC)"),
        ("l\u{200b}ocalhost:5000", "character 2 of the host is '\\u{200b}' (U+200B)"),
        ("h\u{202e}\n:5000", "\"h\\u{202e}\\n:5000\" is not the address of a peer"),
    ] {
        let refused = PeerAddress::typed(text).expect_err(text).to_string();
        assert!(
            refused.contains("is not the address of a peer") && refused.contains(says),
            "{text}: {refused}"
        );
        assert!(!refused.contains(char::is_control), "{refused:?}");
    }
}

#[test]
fn whoever_follows_hears_each_turn_of_a_peer_once() {
    let mut node = Node::with_peers(&[]);
    let tip = node.end();
    let added = node.step(register(["a:1".into()]));
    assert_eq!(became(&added), [("a:1", PeerChange::Added)]);
    assert_eq!(became(&node.step(register(["a:1".into()]))), []);
    let answers = |again| [("a:1", PeerChange::Answers { index: tip.0, again })];
    assert_eq!(became(&node.answered("a:1", tip)), answers(false));
    assert_eq!(became(&node.answered("a:1", tip)), []);
    let output = node.fail("a:1");
    assert!(matches!(became(&output)[..], [("a:1", PeerChange::Fails { .. })]));
    assert_eq!(became(&node.fail("a:1")), []);
    assert_eq!(became(&node.answered("a:1", tip)), answers(true));
    let gone = node.step(Input::Forget { peer: address("a:1") });
    assert_eq!(became(&gone), [("a:1", PeerChange::Forgotten)]);
    assert_eq!(became(&node.answered("a:1", tip)), [], "it is no peer");
}
