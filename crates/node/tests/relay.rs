//! Who is told of signed payments, and when: the machine stepped by hand.

use std::sync::Arc;

use blocksmith_consensus::payment::Verified;
use blocksmith_consensus::rules::sealed::genesis as sealed_genesis;
use blocksmith_consensus::tree::Limits;
use blocksmith_consensus::{ChainBlock, Difficulty, Hash, Rules, Sealed, Target, Timestamp};
use blocksmith_node::mempool::Mempool;
use blocksmith_node::{
    Answer, Effect, Entered, Input, Machine, NetworkEffect, Output, PeerAddress, Start,
};
use blocksmith_testkit::memory::Chain;
use blocksmith_testkit::signers::Signer;

/// Forge with something for Alice, and no work to do.
fn rules() -> Rules {
    let forge = Sealed::forge();
    let hrp = forge.hrp;
    let balances = [(Signer::alice().address, 1_000_000)];
    let genesis = sealed_genesis(1_000, Target::EASIEST, hrp, &balances).expect("a genesis block");
    Sealed { genesis, difficulty: Difficulty::Fixed(Target::EASIEST), ..forge }.named("forge")
}

fn address(peer: &str) -> PeerAddress {
    peer.parse().expect("an address")
}

struct Node {
    machine: Machine,
    chain: Chain,
    now: Timestamp,
}

impl Node {
    /// A node whose peers have answered.
    fn with_peers(peers: &[&str]) -> Self {
        let rules = Arc::new(rules());
        let block = rules.genesis_block(Timestamp::default());
        let changes = rules.allot(&block).expect("allotted");
        let tip = ChainBlock::genesis(&rules, block);
        let machine = Machine::new(Start {
            rules,
            tip: tip.clone(),
            side: vec![],
            queue: vec![],
            mempool: Mempool::default(),
            peers: peers.iter().map(|peer| address(peer)).collect(),
            unheard: vec![],
            own_addresses: vec![],
            coins_to: "node".into(),
            limits: Limits::default(),
        });
        let chain = Chain::with_accounts(tip, changes);
        let mut node = Self { machine, chain, now: Timestamp { micros: 2_000_000_000 } };
        for peer in peers {
            assert_eq!(told(&node.answers(peer)), []);
        }
        node
    }

    fn step(&mut self, input: Input) -> Output {
        self.now.micros += 1_000;
        let Ok(output) = self.machine.step(self.now, input, &mut self.chain);
        output
    }

    fn pay(&mut self, payments: &[Verified], from: Option<&str>) -> Output {
        let from = from.map(address);
        self.step(Input::Payments { payments: payments.to_vec(), from })
    }

    fn answers(&mut self, peer: &str) -> Output {
        let tip = self.machine.tip().block.clone();
        self.step(Input::Answered { peer: address(peer), tip: Some((tip.index(), tip.hash())) })
    }

    /// On a tip that nobody else knows.
    fn answers_apart(&mut self, peer: &str) -> Output {
        self.step(Input::Answered { peer: address(peer), tip: Some((7, Hash::of("elsewhere"))) })
    }

    fn fails(&mut self, peer: &str) {
        self.step(Input::Failed { peer: address(peer), why: String::new() });
    }
}

/// Alice pays Bob, with this nonce.
fn payment(nonce: u64) -> Verified {
    let alice = Signer::alice();
    let draft = alice.draft(Signer::bob().address, 10, 5, nonce);
    alice.pay(&draft, &rules().domain().expect("signed")).verify().expect("signed")
}

/// Who is told of what.
fn told(output: &Output) -> Vec<(Vec<Hash>, Vec<&str>)> {
    let mut told = Vec::new();
    for effect in &output.effects {
        if let Effect::Network(NetworkEffect::Relay { payments, to }) = effect {
            let ids = payments.iter().map(|payment| payment.id()).collect();
            told.push((ids, to.iter().map(PeerAddress::as_str).collect()));
        }
    }
    told
}

#[test]
fn whoever_sends_a_payment_is_not_told_of_it() {
    let mut node = Node::with_peers(&["a:1", "b:1", "c:1"]);
    let payments = [payment(0), payment(1), payment(2)];
    let ids = payments.each_ref().map(|payment| payment.id());
    let output = node.pay(&payments[..1], Some("b:1"));
    assert_eq!(told(&output), [(vec![ids[0]], vec!["a:1", "c:1"])]);
    assert_eq!(told(&node.pay(&payments[..1], Some("a:1"))), [], "nothing is told twice");
    let output = node.pay(&payments[1..], None);
    assert_eq!(told(&output), [(ids[1..].to_vec(), vec!["a:1", "b:1", "c:1"])]);
}

#[test]
fn whoever_sends_what_was_missing_is_told_what_was_held_for_it() {
    let mut node = Node::with_peers(&["a:1", "b:1"]);
    let [first, second, third] = [0, 1, 2].map(payment);
    let held = node.pay(&[second.clone(), third.clone()], None);
    let missing = || Ok(Entered::Held { missing: 0 });
    assert_eq!(held.answer, Answer::Payments(vec![missing(), missing()]));
    assert_eq!(told(&held), [], "it may never be payable");
    let output = node.pay(&[first.clone(), third.clone()], Some("a:1"));
    let all = vec![first.id(), second.id(), third.id()];
    assert_eq!(told(&output), [(all, vec!["b:1"]), (vec![second.id()], vec!["a:1"])]);
}

#[test]
fn a_peer_that_is_back_is_told_what_waits() {
    let mut node = Node::with_peers(&["a:1", "b:1"]);
    node.fails("b:1");
    let payments = [payment(0), payment(1)];
    let ids = payments.each_ref().map(|payment| payment.id());
    for (payment, id) in payments.iter().zip(ids) {
        let output = node.pay(std::slice::from_ref(payment), None);
        assert_eq!(told(&output), [(vec![id], vec!["a:1"])], "who is away is not told");
    }
    assert_eq!(told(&node.answers("a:1")), [], "who was there has been told");
    assert_eq!(told(&node.answers("b:1")), [(ids.to_vec(), vec!["b:1"])]);
    assert_eq!(told(&node.answers("b:1")), [], "it is told once");
    node.step(Input::Register(vec![address("c:1")]));
    assert_eq!(told(&node.answers("c:1")), [(ids.to_vec(), vec!["c:1"])], "so is who is new");
    assert_eq!(told(&node.answers("d:1")), [], "and nobody else");
}

#[test]
fn a_peer_that_was_on_another_chain_is_told_again_once_it_is_not() {
    let mut node = Node::with_peers(&["a:1"]);
    node.fails("a:1");
    let payment = payment(0);
    node.pay(std::slice::from_ref(&payment), None);
    let again = [(vec![payment.id()], vec!["a:1"])];
    assert_eq!(told(&node.answers_apart("a:1")), again, "it may be payable there, too");
    assert_eq!(told(&node.answers_apart("a:1")), []);
    assert_eq!(told(&node.answers("a:1")), again, "there it may have been refused");
    assert_eq!(told(&node.answers("a:1")), []);
    // Nothing was said of its tip: our own store may not be readable.
    node.fails("a:1");
    assert_eq!(told(&node.step(Input::Answered { peer: address("a:1"), tip: None })), []);
    assert_eq!(told(&node.answers("a:1")), again);
}
