//! Two machines of a `forge` chain stepped by hand, with clocks that differ and jump: what waits
//! against a recomputation from nothing, work that has to be good when it is handed out, blocks
//! that come early, late and in any order.
//!
//! `BLOCKSMITH_MODEL_STEPS` and `BLOCKSMITH_MODEL_SEED` as for the tree's model.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::ledger::Accounts as _;
use blocksmith_consensus::payment::{Coinbase, Domain, UNITS_PER_COIN, Verified};
use blocksmith_consensus::rules::sealed::genesis as sealed_genesis;
use blocksmith_consensus::tree::Limits;
use blocksmith_consensus::{
    Block, ChainBlock, Difficulty, Family, Hash, Invalid, Rules, Sealed, Target, Timestamp,
    Unproven, check_alone, merkle,
};
use blocksmith_node::mempool::{self, MAX_HELD_S, Mempool, Refused};
use blocksmith_node::{
    Answer, Effect, Entered, Event, FutureBlock, FutureTip, Input, MAX_AHEAD_S, Machine,
    NetworkEffect, NoWork, Refusal, Start, StoreEffect, TransactionChange, Verdict, Work,
};
use blocksmith_testkit::memory::Chain;
use blocksmith_testkit::random::{Random, setting};
use blocksmith_testkit::signers::Signer;

const STEPS: u64 = 6_000;
const SEED: u64 = 20_261_124;

/// When the chain begins.
const GENESIS_S: u64 = 1_700_000_000;

/// Far more than anybody pays here.
const ALLOTTED: u64 = 1_000_000_000;

/// As many as a tip's templates are remembered for at least, in seconds.
const MAX_WORK_AGE_S: u64 = 10;

/// How many of its last blocks a node sends to the other now and then.
const SYNC: usize = 40;

/// As many blocks wait for their time at least.
const MAX_EARLY: usize = 60;

const PEOPLE: u64 = 5;

fn people() -> Vec<Signer> {
    (0..PEOPLE).map(|person| Signer::new(100 + person)).collect()
}

/// Forge with something for everybody, where each number is a proof.
fn rules() -> Rules {
    let (forge, target) = (Sealed::forge(), Target::from_zeros(0));
    let hrp = forge.hrp;
    let balances: Vec<_> = people().iter().map(|person| (person.address, ALLOTTED)).collect();
    let genesis = sealed_genesis(GENESIS_S, target, hrp, &balances).expect("a block");
    Sealed { genesis, difficulty: Difficulty::Fixed(target), ..forge }.named("forge")
}

/// A machine with what a store keeps for it, and what it should know.
struct Node {
    machine: Machine,
    chain: Chain,
    kept: BTreeMap<(Timestamp, Hash), Verified>,
    micros: u64,
    /// Payments that waited here once, or came in a block of the best chain.
    known: BTreeMap<(Address, u64), Verified>,
    /// Those before which another is missing, and when they came.
    held: BTreeMap<(Address, u64), (Verified, u64)>,
    /// Work, and when it was handed out.
    handed_out: Vec<(Work, u64)>,
    /// Blocks that wait for their time.
    early: BTreeMap<Hash, Block>,
    /// The times of those that this node made itself, in seconds.
    own_early: Vec<u64>,
    /// Blocks that joined the best chain since this was looked at.
    joined: Vec<Block>,
}

impl Node {
    fn new(rules: &Rules) -> Self {
        let genesis = rules.genesis_block(Timestamp::default());
        let changes = rules.allot(&genesis).expect("as the rules have it");
        let tip = ChainBlock::genesis(rules, genesis);
        let chain = Chain::with_accounts(tip.clone(), changes);
        let limits = mempool::Limits { ahead: 10_000, ..mempool::Limits::default() };
        let machine = Machine::new(Start {
            rules: Arc::new(rules.clone()),
            tip,
            side: Vec::new(),
            queue: Vec::new(),
            mempool: Mempool::new(limits),
            peers: Vec::new(),
            unheard: vec![],
            own_addresses: Vec::new(),
            coins_to: "node".into(),
            limits: Limits::default(),
        });
        Self {
            machine,
            chain,
            kept: BTreeMap::new(),
            micros: (GENESIS_S + 1_000) * 1_000_000,
            known: BTreeMap::new(),
            held: BTreeMap::new(),
            handed_out: Vec::new(),
            early: BTreeMap::new(),
            own_early: Vec::new(),
            joined: Vec::new(),
        }
    }

    fn tip(&self) -> Block {
        self.machine.tip().block.clone()
    }

    /// A block that is or was on the best chain.
    fn block(&self, index: u64, hash: Hash) -> Block {
        let at = self.chain.blocks.get((index - 1) as usize).map(|linked| &linked.block);
        let at = at.filter(|block| block.hash() == hash);
        at.unwrap_or_else(|| &self.chain.side[&hash].block).clone()
    }

    fn now_s(&self) -> u64 {
        self.micros / 1_000_000
    }

    fn step(&mut self, input: Input) -> Answer {
        self.micros += 1_000;
        let now = Timestamp { micros: self.micros };
        let Ok(output) = self.machine.step(now, input, &mut self.chain);
        let rules = self.machine.rules().clone();
        let Family::Sealed(sealed) = &rules.family else { panic!("payments are signed") };
        // What came and went as the store has it, without what the events say of it; and the payments of
        // new blocks.
        let (mut untold, mut made) = (BTreeSet::new(), BTreeSet::new());
        for effect in output.effects {
            match effect {
                Effect::Event(Event::Chain { change, tip }) => {
                    assert_eq!(
                        change.connected.last().map(|last| last.hash),
                        Some(tip.block.hash())
                    );
                    for place in &change.connected {
                        let block = self.block(place.index, place.hash);
                        for payment in
                            sealed.contents(&block).into_iter().flat_map(|all| all.payments)
                        {
                            made.insert(payment.id());
                            self.known.insert((payment.sender(), payment.nonce()), payment);
                        }
                        self.joined.push(block);
                    }
                }
                Effect::Store(StoreEffect::Mempool(change)) => {
                    for gone in &change.removed {
                        let key = (gone.arrived, gone.payment.id());
                        assert!(self.kept.remove(&key).is_some(), "only what is there leaves");
                        assert!(untold.insert((key.1, false)));
                    }
                    for new in change.added {
                        let key = (new.arrived, new.payment.id());
                        assert!(untold.insert((key.1, true)));
                        assert_eq!(self.kept.insert(key, new.payment), None);
                    }
                }
                Effect::Event(Event::Transaction { transaction, became }) => {
                    let id = transaction.id().expect("payments are signed here");
                    assert!(untold.remove(&(id, became == TransactionChange::Entered)));
                    let is_confirmed = became == TransactionChange::Confirmed;
                    let left = became != TransactionChange::Entered;
                    assert_eq!(is_confirmed, left && made.contains(&id), "{became:?}");
                }
                Effect::Network(
                    NetworkEffect::Announce { .. }
                    | NetworkEffect::Relay { .. }
                    | NetworkEffect::Ask { .. },
                ) => {}
                effect => panic!("{effect:?}"),
            }
        }
        assert_eq!(untold, BTreeSet::new(), "who follows the events knows what waits");
        output.answer
    }

    fn take(&mut self, block: &Block) -> Verdict {
        let checked = check_alone(self.machine.rules(), block.clone()).expect("sound by itself");
        match self.step(Input::Block { block: checked.into(), from: None }) {
            Answer::Block(verdict) => {
                if verdict == Verdict::Early {
                    self.early.insert(block.hash(), block.clone());
                }
                verdict
            }
            answer => panic!("{answer:?}"),
        }
    }

    fn offer(&mut self, payment: &Verified) -> Result<Entered, Refused> {
        let input = Input::Payments { payments: vec![payment.clone()], from: None };
        let answer = self.step(input);
        let Answer::Payments(mut outcomes) = answer else { panic!("{answer:?}") };
        let outcome = outcomes.pop().expect("one answer for one payment");
        let key = (payment.sender(), payment.nonce());
        match outcome {
            Ok(Entered::Waits) => drop(self.known.insert(key, payment.clone())),
            Ok(Entered::Held { .. }) => {
                drop(self.held.insert(key, (payment.clone(), self.micros)));
            }
            Err(_) => {}
        }
        outcome
    }

    fn work(&mut self, recipient: Address) -> Work {
        self.ask_for_work(recipient).expect("the tip's time has come")
    }

    fn ask_for_work(&mut self, recipient: Address) -> Result<Work, FutureTip> {
        let recipient = Some(recipient.to_text(Sealed::forge().hrp));
        let work = match self.step(Input::Work { recipient }) {
            Answer::Work(Ok(work)) => {
                self.handed_out.push((work.clone(), self.now_s()));
                Ok(work)
            }
            Answer::Work(Err(NoWork::Refused(Refusal::FutureTip(early)))) => Err(early),
            answer => panic!("{answer:?}"),
        };
        // There is none exactly where its block, which can't be older than the tip, would wait.
        let (index, time_s) = (self.tip().index(), self.tip().view().timestamp_s());
        let ahead_s = time_s.saturating_sub(self.now_s());
        let early = FutureTip { index, ahead_s, until_s: time_s.saturating_sub(MAX_AHEAD_S) };
        assert_eq!(work.as_ref().err(), (ahead_s > MAX_AHEAD_S).then_some(&early));
        work
    }

    fn solve(&mut self, id: &str, proof: u64) -> Result<Block, Refusal> {
        match self.step(Input::Solution { id: id.into(), proof: proof.into() }) {
            Answer::Mined(Err(NoWork::Refused(refusal))) => Err(refusal),
            Answer::Mined(Ok(block)) => Ok(block),
            answer => panic!("{answer:?}"),
        }
    }

    /// What should wait, from nothing but the accounts and what was ever heard.
    fn expected(&mut self) -> BTreeSet<Hash> {
        let mut expected = BTreeSet::new();
        for person in people() {
            let Ok(account) = self.chain.account(&person.address);
            for nonce in account.nonce.. {
                let key = (person.address, nonce);
                if let Some((held, _)) = self.held.remove(&key) {
                    self.known.insert(key, held);
                }
                let Some(payment) = self.known.get(&key) else { break };
                expected.insert(payment.id());
            }
            self.held.retain(|(who, nonce), _| *who != person.address || *nonce >= account.nonce);
            // What is behind a gap does not wait: it has to come again.
            let mut end = account.nonce;
            while self.known.contains_key(&(person.address, end)) {
                end += 1;
            }
            self.known.retain(|(who, nonce), _| *who != person.address || *nonce < end);
        }
        expected
    }

    fn check(&mut self) {
        assert_eq!(Some(self.machine.tip()), self.chain.blocks.last());
        let mempool = self.machine.mempool().expect("payments are signed");
        let waits: BTreeSet<_> = mempool.iter().map(|waiting| waiting.payment.id()).collect();
        let kept: Vec<_> = self.kept.iter().map(|((at, id), _)| (*at, *id)).collect();
        let order: Vec<_> = mempool.iter().map(|w| (w.arrived, w.payment.id())).collect();
        assert_eq!(kept, order, "a store has what waits, in its order");
        let texts = |skip| -> Vec<_> {
            let all = self.machine.queued_turns(skip, usize::MAX).into_iter();
            all.map(|(text, ..)| text).collect()
        };
        let (texts_from, texts) = (texts, texts(0));
        for skip in [1, texts.len() / 2, texts.len(), texts.len() + 1] {
            let rest = texts_from(skip);
            assert_eq!(rest, texts[skip.min(texts.len())..]);
        }
        assert_eq!(waits, self.expected());
    }

    fn tick(&mut self) {
        self.step(Input::Tick);
        let now = self.micros;
        self.held.retain(|_, (_, at)| now.saturating_sub(*at) < MAX_HELD_S * 1_000_000);
        let latest = self.now_s() + MAX_AHEAD_S;
        self.own_early.retain(|time| *time > latest);
        let is_due = |_: &Hash, block: &mut Block| block.view().timestamp_s() <= latest;
        let due: Vec<_> = self.early.extract_if(.., is_due).collect();
        for (_, block) in due {
            let verdict = self.take(&block);
            let waits_for_another = {
                let parent = block.parent().expect("it has one");
                matches!(verdict, Verdict::Orphan | Verdict::OnEarly(_)) && !self.has(&parent)
            };
            assert!(verdict == Verdict::Known || waits_for_another, "{block:?}: {verdict:?}");
        }
    }

    fn has(&self, hash: &Hash) -> bool {
        self.chain.side.contains_key(hash)
            || self.chain.blocks.iter().any(|linked| linked.block.hash() == *hash)
    }
}

/// The same payment for a sender and a nonce, whoever asks.
fn payment(person: &Signer, nonce: u64, domain: &Domain) -> Verified {
    let to = people()[(nonce % PEOPLE) as usize].address;
    person.pay(&person.draft(to, 1 + nonce, nonce % 7, nonce), domain).verify().expect("signed")
}

#[test]
fn what_waits_and_what_is_searched_follow_the_chain_wherever_it_goes() {
    let (steps, seed) =
        (setting("BLOCKSMITH_MODEL_STEPS", STEPS), setting("BLOCKSMITH_MODEL_SEED", SEED));
    println!("BLOCKSMITH_MODEL_STEPS={steps} BLOCKSMITH_MODEL_SEED={seed}");
    let (rules, people, mut random) = (rules(), people(), Random::new(seed));
    let domain = rules.domain().expect("signed");
    let mut nodes = [Node::new(&rules), Node::new(&rules)];
    let mut time = nodes[0].micros;
    let mut blocks: BTreeMap<Hash, Block> = BTreeMap::new();
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for _ in 0..steps {
        let (which, passed) = (random.below(2), random.number() % 4_000_000);
        time += passed;
        for node in &mut nodes {
            node.micros += passed;
        }
        let what = match random.below(100) {
            0..35 => {
                let node = &mut nodes[which];
                let person = random.pick(&people);
                let Ok(account) = node.chain.account(&person.address);
                let mempool = node.machine.mempool().expect("payments are signed");
                let next = mempool.next_nonce(&person.address).unwrap_or(account.nonce);
                let nonce = next + if random.percent(20) { 1 + random.number() % 2 } else { 0 };
                match node.offer(&payment(person, nonce, &domain)) {
                    Ok(Entered::Waits) => "waits",
                    Ok(Entered::Held { missing }) => {
                        assert_eq!(missing, next);
                        "held"
                    }
                    Err(Refused::Known { .. }) => "known",
                    Err(refused) => panic!("{refused}"),
                }
            }
            35..55 => {
                let recipient = random.pick(&people).address;
                let tip = nodes[which].tip();
                match nodes[which].ask_for_work(recipient) {
                    Ok(task) => {
                        let next = (tip.index() + 1, tip.hash());
                        assert_eq!((task.index, task.previous_hash), next);
                        "work"
                    }
                    Err(_) => "no work yet",
                }
            }
            55..75 => mine(&mut nodes[which], &mut random, &people),
            75..90 if !blocks.is_empty() => {
                // Rather a late one, so that branches grow.
                let mut latest: Vec<_> = blocks.values().collect();
                latest.sort_by_key(|block| (block.index(), block.hash()));
                let back = random.below(latest.len().min(12));
                let block = latest[latest.len() - 1 - back].clone();
                deliver(&mut nodes[which], &block)
            }
            90..94 => {
                let chain = &nodes[1 - which].chain.blocks;
                let latest: Vec<_> = chain.iter().rev().take(SYNC).rev().cloned().collect();
                for ChainBlock { block, .. } in latest {
                    *seen.entry(deliver(&mut nodes[which], &block)).or_default() += 1;
                }
                "all of the other's"
            }
            94..96 => {
                // Up to two minutes before or behind the right time, while somebody searches.
                let task = nodes[which].ask_for_work(random.pick(&people).address);
                nodes[which].micros = time + random.number() % 240_000_000 - 120_000_000;
                match task {
                    Ok(task) => hand_in(&mut nodes[which], &task, &mut random),
                    Err(_) => "jump",
                }
            }
            _ => {
                nodes[which].tick();
                "tick"
            }
        };
        *seen.entry(what).or_default() += 1;
        nodes[which].check();
        let joined = nodes[which].joined.drain(..);
        blocks.extend(joined.map(|block| (block.hash(), block)));
    }
    println!("{seen:?}");
    for what in [
        "waits",
        "held",
        "work",
        "mined",
        "stale",
        "no work yet",
        "early work",
        "extends",
        "reorg",
        "side",
        "orphan",
        "early",
    ] {
        let times = seen.get(what).copied().unwrap_or_default();
        assert!(times > 15 || steps < STEPS, "{what}: {seen:?}");
    }
    // When all have heard all, and their clocks are right, they agree on how much work there is.
    for node in &mut nodes {
        node.micros += 100_000_000_000;
        node.tick();
        let mut all: Vec<_> = blocks.values().collect();
        all.sort_by_key(|block| block.index());
        for block in all {
            node.take(block);
        }
        node.check();
    }
    assert_eq!(nodes[0].machine.tip().work, nodes[1].machine.tip().work);
}

fn deliver(node: &mut Node, block: &Block) -> &'static str {
    let before = node.tip();
    match node.take(block) {
        Verdict::NewTip if block.parent() == Some(before.hash()) => "extends",
        Verdict::NewTip => "reorg",
        Verdict::SideBranch => "side",
        Verdict::Known => "known block",
        Verdict::Orphan => "orphan",
        Verdict::Early => "early",
        Verdict::OnEarly(_) => "on early",
        verdict => panic!("{verdict:?}"),
    }
}

/// Hands in a proof for something that was handed out.
fn mine(node: &mut Node, random: &mut Random, people: &[Signer]) -> &'static str {
    let now_s = node.now_s();
    node.handed_out.retain(|(_, at)| at.abs_diff(now_s) < MAX_WORK_AGE_S);
    if node.handed_out.is_empty() && node.ask_for_work(random.pick(people).address).is_err() {
        return "no work yet";
    }
    let work = random.pick(&node.handed_out).0.clone();
    hand_in(node, &work, random)
}

fn hand_in(node: &mut Node, work: &Work, random: &mut Random) -> &'static str {
    // What is beyond is let go, which this model does not know.
    if node.early.len() + node.own_early.len() >= MAX_EARLY {
        return "enough early";
    }
    let tip = node.tip();
    match node.solve(&work.id, random.number() % 1_000_000) {
        Ok(block) => {
            assert_eq!(block, node.tip(), "a block that is acknowledged is the tip");
            assert_eq!(block.parent(), Some(work.previous_hash));
            "mined"
        }
        Err(Refusal::Stale { tip_index }) => {
            assert_ne!(work.previous_hash, tip.hash(), "work on the tip is good");
            assert_eq!(tip_index, tip.index());
            "stale"
        }
        Err(Refusal::Early { index, ahead_s }) => {
            assert_eq!(index, tip.index() + 1);
            assert!(ahead_s > MAX_AHEAD_S);
            node.own_early.push(node.now_s() + ahead_s);
            "early work"
        }
        Err(refusal) => panic!("{refusal}"),
    }
}

#[test]
fn a_block_that_has_to_wait_for_its_time_is_no_block_yet() {
    let mut node = Node::new(&rules());
    let miner = people()[0].address;
    let first = node.work(miner);
    let block = node.solve(&first.id, 1).expect("its time has come");
    let work = node.work(miner);
    // The clock is set right: it was more than a minute fast.
    node.micros -= 100 * 1_000_000;
    let ahead_s = block.view().timestamp_s() - node.now_s();
    let refused = Refusal::Early { index: 3, ahead_s };
    assert_eq!(node.solve(&work.id, 1), Err(refused));
    assert_eq!(node.tip(), block);
    // It counts when its time comes.
    node.micros += (ahead_s - MAX_AHEAD_S) * 1_000_000;
    node.tick();
    assert_eq!((node.tip().index(), node.tip().parent()), (3, Some(block.hash())));
    node.check();
}

#[test]
fn work_is_given_from_the_second_on_in_which_its_block_is_taken() {
    let mut node = Node::new(&rules());
    let miner = people()[0].address;
    let first = node.work(miner);
    node.solve(&first.id, 1).expect("its time has come");
    node.micros -= 7_200 * 1_000_000;
    let early = node.ask_for_work(miner).expect_err("the tip is two hours ahead");
    assert_eq!((early.index, early.ahead_s), (2, 7_200));
    // The steps take some microseconds themselves.
    node.micros = early.until_s * 1_000_000 - 2_000;
    assert_eq!(node.ask_for_work(miner).map_err(|early| early.ahead_s), Err(MAX_AHEAD_S + 1));
    node.micros = early.until_s * 1_000_000;
    let work = node.work(miner);
    assert_eq!(node.solve(&work.id, 1).expect("it is taken").index(), 3);
    assert_eq!(node.tip().view().timestamp_s(), early.until_s + MAX_AHEAD_S);
}

#[test]
fn a_payment_is_in_the_work_that_is_asked_for_after_it_where_none_waited_before() {
    let people = people();
    let (alice, bob) = (&people[0], &people[1]);
    let rules = rules();
    let domain = rules.domain().expect("payments are signed");
    let mut node = Node::new(&rules);
    // A miner took its work, and its block came: the next work is asked for in the same second.
    for nonce in 0..3 {
        node.work(bob.address);
        let paid = payment(alice, nonce, &domain);
        assert_eq!(node.offer(&paid), Ok(Entered::Waits));
        let work = node.work(bob.address);
        let block = node.solve(&work.id, 1).expect("its time has come");
        assert!(block.text().contains(paid.text()), "the block has the payment");
    }
    // Where payments wait, work for another one comes with the next second.
    let first = payment(alice, 3, &domain);
    node.offer(&first).expect("it waits");
    let work = node.work(bob.address);
    let second = payment(alice, 4, &domain);
    node.offer(&second).expect("it waits");
    assert_eq!(node.work(bob.address).id, work.id);
    node.micros += 1_000_000;
    assert_ne!(node.work(bob.address).id, work.id);
    node.check();
}

#[test]
fn what_costs_nothing_pushes_no_early_block_out() {
    let target = Target::from_zeros(1);
    let rules = rules().with_zeros(1);
    let mut node = Node::new(&rules);
    let genesis = node.tip();
    let ahead_s = node.now_s() + MAX_AHEAD_S + 60;
    let made = |parent: &Block, timestamp_s, target: Target, salt: u64| {
        let coin =
            Coinbase { recipient: people()[0].address, amount: 20 * UNITS_PER_COIN, nonce: 2 };
        let coin = coin.text(rules.domain().expect("signed").hrp);
        let (index, root) = (parent.index() + 1, merkle::root([&*coin]));
        let draft = Unproven::new(index, &parent.hash(), timestamp_s, target, &root, [&*coin])
            .expect("a draft");
        let met = |proof: &u64| target.is_met_by(&draft.header().digest(&proof.to_string()));
        let proof = (salt..).find(met).expect("one in sixteen");
        draft.with_proof(proof).expect("a block")
    };
    let honest = made(&genesis, ahead_s, target, 0);
    assert_eq!(node.take(&honest), Verdict::Early);
    for salt in 0..1_000 {
        // Earlier than the honest one, so that it would be kept rather; on a parent that is known,
        // and on one that nobody has.
        let on_known = made(&genesis, ahead_s - 1 - salt % 50, Target::EASIEST, salt);
        let verdict = node.take(&on_known);
        assert!(matches!(verdict, Verdict::Invalid(Invalid::Target { .. })), "{verdict:?}");
        assert_eq!(node.take(&made(&on_known, ahead_s - 1, Target::EASIEST, 0)), Verdict::Orphan);
    }
    node.early.clear();
    node.micros += 60 * 1_000_000;
    node.step(Input::Tick);
    assert_eq!(node.tip(), honest);
}

#[test]
fn the_child_of_an_early_block_waits_for_it_and_for_its_own_time() {
    let rules = rules();
    let (mut maker, mut node) = (Node::new(&rules), Node::new(&rules));
    maker.micros += (MAX_AHEAD_S + 100) * 1_000_000;
    let first = maker.work(people()[0].address);
    let first = maker.solve(&first.id, 1).expect("its time has come");
    maker.micros += 50 * 1_000_000;
    let second = maker.work(people()[1].address);
    let second = maker.solve(&second.id, 1).expect("its time has come");
    maker.micros += 1_000_000;
    let third = maker.work(people()[1].address);
    let third = maker.solve(&third.id, 1).expect("its time has come");
    assert_eq!(node.take(&third), Verdict::Orphan, "what is below it is not known");
    let below = FutureBlock { index: 2, time_s: first.view().timestamp_s() };
    let on_early = Verdict::OnEarly(below);
    assert_eq!((node.take(&first), node.take(&second)), (Verdict::Early, on_early.clone()));
    // Now it is, and sent once more.
    assert_eq!(node.take(&third), on_early);
    node.early.clear();
    let mut tips = Vec::new();
    for _ in 0..20 {
        node.micros += 10 * 1_000_000;
        node.step(Input::Tick);
        tips.push(node.tip().index());
    }
    assert!(tips.is_sorted() && [1, 2, 3].iter().all(|index| tips.contains(index)), "{tips:?}");
    let times = [0, 1].map(|at| tips.iter().filter(|index| **index == at + 1).count());
    assert!(times[0].abs_diff(10) <= 1 && times[1].abs_diff(5) <= 1, "{tips:?}");
    // What is known stays known, though the clock is set back.
    node.micros -= 200 * 1_000_000;
    assert_eq!((node.take(&first), node.take(&second)), (Verdict::Known, Verdict::Known));
}
