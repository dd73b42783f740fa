//! The forge rules against a naive chain: the same random blocks for both, and no coin made or lost.
//!
//! `BLOCKSMITH_MODEL_STEPS` says how many blocks are handed in, `BLOCKSMITH_MODEL_SEED` which ones;
//! a failure prints both.

mod naive;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::ledger::Account;
use blocksmith_consensus::payment::{Coinbase, Domain, Emission};
use blocksmith_consensus::tree::{BestChain, BlockId, Inserted, Limits, NotInserted};
use blocksmith_consensus::{
    Block, ChainBlock, Difficulty, Family, Hash, Rules, Sealed, Target, Tree, U256, Unproven,
    check_alone, merkle,
};
use blocksmith_testkit::memory::Chain;
use blocksmith_testkit::random::{Random, setting};
use blocksmith_testkit::signers::Signer;
use naive::{Accounts, Entry, Fate, Naive, Read};

const STEPS: u64 = 100_000;
const SEED: u64 = 2009_0103;

/// Blocks handed in before everything starts anew: the naive chain takes a time that grows with
/// the square of it.
const EPISODE: u64 = 400;

/// Steps between two looks at everything, beside those after each reorg.
const AUDIT: u64 = 50;

const PEOPLE: usize = 5;
const ALLOTTED: [u64; 3] = [100, 50, 0];
const AMOUNTS: [u64; 6] = [1, 2, 3, 25, 60, 1000];
const FEES: [u64; 3] = [0, 1, 4];

/// A payment in numbers; people are known by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Pay {
    from: usize,
    to: usize,
    amount: u64,
    fee: u64,
    nonce: u64,
}

/// Signs for everybody, each payment once.
struct Purse {
    people: Vec<Signer>,
    names: Vec<String>,
    signed: HashMap<Hash, HashMap<Pay, String>>,
}

impl Purse {
    fn new() -> Self {
        let people: Vec<_> = (1..=PEOPLE as u64).map(Signer::new).collect();
        let hrp = Sealed::forge().hrp;
        let names = people.iter().map(|person| person.address.to_text(hrp)).collect();
        Self { people, names, signed: HashMap::new() }
    }

    fn sign(&mut self, pay: Pay, domain: &Domain) -> String {
        let Pay { from, to, amount, fee, nonce } = pay;
        let (signer, to) = (&self.people[from], self.people[to].address);
        let sign = || signer.signed(&signer.draft(to, amount, fee, nonce), domain);
        let chain = self.signed.entry(domain.chain_id).or_default();
        chain.entry(pay).or_insert_with(sign).clone()
    }
}

/// What a block says, before the work for it is done.
#[derive(Debug, Clone)]
struct Plan {
    index: u64,
    parent: Hash,
    time: u64,
    target: Target,
    transactions: Vec<String>,
}

impl Plan {
    fn draft(&self, root: &Hash) -> Unproven {
        let Self { index, parent, time, target, transactions } = self;
        let transactions = transactions.iter().map(String::as_str);
        Unproven::new(*index, parent, *time, *target, root, transactions).expect("a draft")
    }

    fn root(&self) -> Hash {
        merkle::root(&self.transactions)
    }

    /// With the first proof that is good, or not.
    fn prove(&self, root: &Hash, good: bool) -> Block {
        let draft = self.draft(root);
        let meets =
            |proof: &u64| self.target.is_met_by(&draft.header().digest(&proof.to_string())) == good;
        draft.with_proof((0..).find(meets).expect("some number will do")).expect("a block")
    }
}

/// Targets that cost a few tries. Every block moves them, or every third; half of them halve the
/// subsidy with every block or so.
fn rules(variant: usize) -> Rules {
    let forge = Sealed::forge();
    let hrp = forge.hrp;
    let purse = Purse::new();
    let coins: Vec<String> = (0..)
        .zip(ALLOTTED)
        .zip(&purse.people)
        .map(|((nonce, amount), person)| {
            Coinbase { recipient: person.address, amount, nonce }.text(hrp)
        })
        .collect();
    let plan = Plan {
        index: 1,
        parent: Hash([0; 32]),
        time: 10_000,
        target: Target(U256::MAX >> 3),
        transactions: coins,
    };
    let easiest = Target(U256::MAX >> 1);
    let difficulty = match variant % 2 {
        0 => Difficulty::Asert { spacing_s: 15, half_life_s: 150, easiest, longest_gap_s: 100 },
        _ => Difficulty::Epoch { blocks: 3, spacing_s: 15, clamp: 2, easiest },
    };
    let halving = [1, 3, 7][variant / 2].try_into().expect("not zero");
    Sealed {
        genesis: plan.draft(&plan.root()).into_genesis(),
        difficulty,
        emission: Emission { first: 1 << 40, halving },
        ..forge
    }
    .named("model")
}

const VARIANTS: usize = 6;

/// Tree and chain beside the naive chain, and those who make blocks for both.
struct World {
    rules: Arc<Rules>,
    domain: Domain,
    limits: Limits,
    tree: Tree,
    chain: Chain,
    naive: Naive,
    purse: Purse,
    random: Random,
    /// Blocks whose fault, if they have one, shows only in the accounts.
    made: Vec<Hash>,
    /// Some of them, held back so that their children come first.
    held: Vec<Hash>,
    /// A branch that is being built on, and how many blocks it shall still get.
    focus: Option<(Hash, u64)>,
    /// Payments that were made on some branch: others take them too.
    pool: Vec<Pay>,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    reorgs: u64,
    deepest: usize,
    retargets: u64,
    halvings: u64,
    payments_again: u64,
    gone_back: u64,
    audits: u64,
    fates: BTreeMap<String, u64>,
}

impl World {
    fn new(rules: Rules, limits: Limits, purse: Purse, random: Random) -> Self {
        let rules = Arc::new(rules);
        let genesis = rules.genesis_block(Default::default());
        let changes = rules.allot(&genesis).expect("a supply that can be counted");
        let tip = ChainBlock::genesis(&rules, genesis);
        let domain = rules.domain().expect("signed");
        let before = purse.signed.get(&domain.chain_id).into_iter().flat_map(HashMap::values);
        let signed = before.cloned().collect();
        Self {
            domain,
            limits,
            tree: Tree::new(rules.clone(), tip.clone(), [], limits),
            naive: Naive::new(&rules, signed),
            made: vec![tip.block.hash()],
            chain: Chain::with_accounts(tip, changes),
            rules,
            purse,
            random,
            held: vec![],
            focus: None,
            pool: vec![],
            counts: Counts::default(),
        }
    }

    fn sign(&mut self, pay: Pay) -> String {
        let text = self.purse.sign(pay, &self.domain);
        self.naive.signed.insert(text.clone());
        text
    }

    fn coin(&self, to: usize, amount: u128, nonce: u64) -> String {
        let amount = amount.try_into().expect("few units");
        Coinbase { recipient: self.purse.people[to].address, amount, nonce }.text(self.domain.hrp)
    }

    /// A block on `parent` with these payments and what else is due.
    fn plan(&mut self, parent: Hash, payments: &[Pay], gap: u64, to: usize) -> Plan {
        let read = &self.naive.seen[&parent];
        let (index, time) = (read.index + 1, read.time + gap);
        let subsidy = self.naive.subsidies().nth(index as usize - 2).expect("it goes on");
        let fees: u64 = payments.iter().map(|pay| pay.fee).sum();
        let mut transactions: Vec<_> = payments.iter().map(|pay| self.sign(*pay)).collect();
        transactions.push(self.coin(to, subsidy + u128::from(fees), index));
        Plan { index, parent, time, target: self.naive.next_target(parent), transactions }
    }

    fn keep(&mut self, block: &Block) -> Read {
        let read = Read::new(block);
        self.made.push(read.id);
        self.naive.seen.insert(read.id, read.clone());
        read
    }

    /// Payments that are possible there, in this order.
    fn payments(&mut self, parent: Hash) -> Vec<Pay> {
        let (accounts, _) = self.naive.replay(parent);
        let mut has: Vec<(u128, u64)> = self
            .purse
            .names
            .iter()
            .map(|name| accounts.get(name).copied().unwrap_or_default())
            .collect();
        let mut payments = vec![];
        for _ in 0..*self.random.pick(&[0, 0, 1, 1, 2, 3, 4]) {
            let recent = self.pool.len().min(12);
            let pay = if recent > 0 && self.random.percent(40) {
                self.pool[self.pool.len() - 1 - self.random.below(recent)]
            } else {
                let (from, to) = (self.random.below(PEOPLE), self.random.below(PEOPLE));
                let (mut amount, fee) = (*self.random.pick(&AMOUNTS), *self.random.pick(&FEES));
                if self.random.percent(5) {
                    // To the last unit.
                    amount = has[from].0.saturating_sub(fee.into()).try_into().expect("few units");
                }
                Pay { from, to, amount, fee, nonce: has[from].1 }
            };
            let cost = u128::from(pay.amount + pay.fee);
            if pay.amount == 0 || has[pay.from].0 < cost || has[pay.from].1 != pay.nonce {
                continue;
            }
            has[pay.from] = (has[pay.from].0 - cost, pay.nonce + 1);
            has[pay.to].0 += u128::from(pay.amount);
            self.pool.push(pay);
            payments.push(pay);
        }
        payments
    }

    /// Miners are slow where it is hard.
    fn gap(&mut self, parent: Hash) -> u64 {
        let tries = self.naive.next_target(parent).work();
        match self.random.below(100) {
            0..2 => 1000,
            _ if tries > U256::from(24_u8) => *self.random.pick(&[30, 60, 90]),
            _ => *self.random.pick(&[0, 0, 1, 5, 10, 15, 15, 30]),
        }
    }

    fn random_plan(&mut self, parent: Hash) -> (Plan, Vec<Pay>) {
        let payments = self.payments(parent);
        let (gap, to) = (self.gap(parent), self.random.below(PEOPLE));
        (self.plan(parent, &payments, gap, to), payments)
    }

    fn there(&self, id: &Hash) -> bool {
        self.tree.contains(id, &self.chain) == Ok(true)
    }

    /// The block to build on.
    fn parent(&mut self) -> Hash {
        if let Some((id, left)) = self.focus.take()
            && left > 0
            && self.random.percent(98)
            && self.there(&id)
        {
            self.focus = Some((id, left - 1));
            return id;
        }
        let tip = self.tree.tip().block.hash();
        if self.random.percent(2) {
            // A deep fork that gets as long as the best chain, perhaps longer.
            let from = *self.random.pick(&self.made);
            let longest = self.tree.tip().block.index();
            let length = longest.saturating_sub(self.naive.seen[&from].index);
            self.focus = Some((from, length + self.random.below(8) as u64));
            return from;
        }
        if self.random.percent(8) {
            // A race that starts a few blocks below the tip.
            let depth = 1 + self.random.below(self.chain.blocks.len().min(9));
            let height = self.chain.blocks.len().saturating_sub(1 + depth);
            let from = self.chain.blocks[height].block.hash();
            self.focus = Some((from, depth as u64 + self.random.below(5) as u64));
            return from;
        }
        let latest = self.made.len().min(8);
        let near = self.made[self.made.len() - 1 - self.random.below(latest)];
        match self.random.below(100) {
            0..4 => *self.random.pick(&self.made),
            4..25 if self.there(&near) => near,
            _ => tip,
        }
    }

    fn next(&mut self) -> Read {
        match self.random.below(100) {
            0..6 => self.naive.seen[self.random.pick(&self.made)].clone(),
            6..30 if !self.held.is_empty() => {
                let place =
                    if self.random.percent(70) { 0 } else { self.random.below(self.held.len()) };
                self.naive.seen[&self.held.remove(place)].clone()
            }
            30..34 => {
                let parent = self.parent();
                let (plan, _) = self.random_plan(parent);
                let held = self.keep(&plan.prove(&plan.root(), true)).id;
                self.held.push(held);
                let (plan, _) = self.random_plan(held);
                self.keep(&plan.prove(&plan.root(), true))
            }
            34..44 => self.bad_at_sight(),
            44..49 => self.bad_in_place(),
            _ => {
                let parent = self.parent();
                // A sibling now and then: what is forgotten is a tree.
                let grows = self.random.percent(90);
                let (plan, _) = self.random_plan(parent);
                let read = self.keep(&plan.prove(&plan.root(), true));
                if let (Some((focus, _)), true) = (&mut self.focus, grows) {
                    *focus = read.id;
                }
                read
            }
        }
    }

    /// A block that nobody can take, whatever the accounts are.
    fn bad_at_sight(&mut self) -> Read {
        let focus = self.focus;
        let parent = self.parent();
        self.focus = focus;
        let (good, payments) = self.random_plan(parent);
        let mut plan = good.clone();
        let first = Pay { from: 0, to: 1, amount: 1, fee: 0, nonce: 0 };
        let pay = payments.first().copied().unwrap_or(first);
        let last = plan.transactions.len() - 1;
        match self.random.below(14) {
            0 => plan.index += 1,
            1 => plan.time = self.naive.seen[&parent].time - 1,
            2 => plan.target.0 >>= 1,
            3 => plan.target = Target::EASIEST,
            4 => return Read::new(&plan.prove(&plan.root(), false)),
            5 => return Read::new(&plan.prove(&Hash::of("another body"), true)),
            6 => plan.parent = Hash::of("nobody"),
            7 => plan.transactions.truncate(last),
            8 => plan.transactions.insert(0, plan.transactions[last].clone()),
            9 => plan.transactions.insert(0, "[7]".into()),
            10 => plan.index = 1,
            11 => {
                // Signed for another chain.
                let chain_id = Hash::of("another chain");
                let text = self.purse.sign(pay, &Domain { chain_id, ..self.domain });
                plan.transactions.insert(0, text);
            }
            12 => {
                // Another amount under a signature.
                let forged = self.sign(pay).replacen(r#""amount": "#, r#""amount": 1"#, 1);
                if !self.naive.signed.contains(&forged) {
                    plan.transactions.insert(0, forged);
                }
            }
            _ => {
                // Another body under a good header; the real one comes later.
                let real = plan.prove(&plan.root(), true);
                let held = self.keep(&real).id;
                self.held.push(held);
                plan.transactions.push(plan.transactions[last].clone());
                let proof = real.view().proof().parse().expect("a number");
                let other = plan.draft(&good.root()).with_proof(proof).expect("a block");
                assert_eq!(other.hash(), held, "the id is the header's");
                return Read::new(&other);
            }
        }
        Read::new(&plan.prove(&plan.root(), true))
    }

    /// A block whose transactions the accounts hardly ever allow. Others build on it.
    fn bad_in_place(&mut self) -> Read {
        let parent = self.parent();
        let (mut plan, _) = self.random_plan(parent);
        let (accounts, _) = self.naive.replay(parent);
        let from = self.random.below(PEOPLE);
        let (balance, nonce) = accounts.get(&self.purse.names[from]).copied().unwrap_or_default();
        let to = self.random.below(PEOPLE);
        let amount = balance as u64 + 1;
        let last = plan.transactions.len() - 1;
        let subsidy = self.naive.subsidies().nth(plan.index as usize - 2).expect("it goes on");
        let pay = match self.random.below(6) {
            0 => Some(Pay { from, to, amount, fee: 0, nonce }),
            1 => Some(Pay { from, to, amount: amount.max(2) - 1, fee: 1, nonce }),
            2 => Some(Pay { from, to, amount: 1, fee: 0, nonce: nonce + 1 }),
            // Once more what was made somewhere: now and then it is possible here.
            3 if !self.pool.is_empty() => Some(*self.random.pick(&self.pool)),
            4 => {
                plan.transactions = vec![self.coin(to, subsidy, plan.index + 1)];
                None
            }
            _ => {
                plan.transactions[last] = self.coin(to, subsidy + 10, plan.index);
                None
            }
        };
        if let Some(pay) = pay {
            let text = self.sign(pay);
            plan.transactions.insert(0, text);
        }
        let read = self.keep(&plan.prove(&plan.root(), true));
        if let Some((focus, _)) = &mut self.focus {
            *focus = read.id;
        }
        read
    }

    fn fate(&mut self, block: &Block) -> Fate {
        let checked = match check_alone(&self.rules, block.clone()) {
            Ok(checked) => checked,
            Err(invalid) => return Fate::Broken(invalid.rule()),
        };
        self.chain.take_log();
        let inserted = self.tree.insert(checked, &mut self.chain);
        let log = self.chain.take_log();
        assert_eq!(self.tree.side_blocks(), self.chain.side.len(), "each is kept");
        let ids = |places: &[BlockId]| places.iter().map(|place| place.hash).collect();
        if let Ok(Inserted::NewTip(change)) = inserted {
            assert!(log.is_told_by(&change, &self.chain), "a change says what was done");
            return Fate::NewTip {
                left: ids(&change.disconnected),
                joined: ids(&change.connected),
            };
        }
        self.counts.gone_back += u64::from(!log.disconnected.is_empty());
        assert!(log.disconnected.iter().rev().eq(&log.connected), "everything came back");
        match inserted {
            Ok(Inserted::NewTip(_)) => unreachable!("see above"),
            Ok(Inserted::SideBranch) => Fate::SideBranch,
            Ok(Inserted::Known) => Fate::Known,
            Ok(Inserted::NoRoom) => Fate::NoRoom,
            Err(NotInserted::Invalid(invalid)) => Fate::Broken(invalid.rule()),
            Err(NotInserted::Orphan(_)) => Fate::Orphan,
            Err(NotInserted::Ancestry(never)) => match never {},
        }
    }

    /// Gives a block to both sides. With little room only the tree says what becomes of it.
    fn hand_in(&mut self, read: &Read, at: &str) -> Fate {
        let (old, work) = (self.tree.tip().block.hash(), self.tree.tip().work);
        assert_eq!(read.id, read.block.hash(), "{at}");
        let went_back = self.counts.gone_back;
        let fate = self.fate(&read.block);
        let went_back = self.counts.gone_back > went_back;
        if self.limits == Limits::default() {
            assert_eq!(fate, self.naive.insert(read), "{at}: {}", read.block.text());
            assert_eq!(self.tree.tip().work, self.naive.known[&self.naive.tip].0, "{at}");
            let side = self.naive.known.len() as u64 - self.tree.tip().block.index();
            assert_eq!(self.tree.side_blocks() as u64, side, "{at}");
            let any = *self.random.pick(&self.made);
            assert_eq!(self.there(&any), self.naive.known.contains_key(&any), "{at}: {any}");
        } else {
            assert!(self.tree.side_blocks() <= self.limits.blocks, "{at}");
            assert!(self.tree.side_bytes() <= self.limits.bytes, "{at}");
            if let Fate::NewTip { .. } = fate {
                assert!(self.tree.tip().work > work, "{at}");
                self.naive.seen.entry(read.id).or_insert_with(|| read.clone());
                self.naive.tip = read.id;
            }
        }
        assert_eq!(self.tree.tip().block.hash(), self.naive.tip, "{at}");
        let mut reorg = false;
        if let Fate::NewTip { left, joined } = &fate {
            reorg = !left.is_empty();
            self.count(left, joined);
        } else {
            assert_eq!(self.tree.tip().block.hash(), old, "{at}");
        }
        if reorg || went_back {
            self.audit(at);
        }
        fate
    }

    fn count(&mut self, left: &[Hash], joined: &[Hash]) {
        if left.is_empty() {
            return;
        }
        let reads = |ids: &[Hash]| ids.iter().map(|id| &self.naive.seen[id]).collect::<Vec<_>>();
        let (old, new) = (reads(left), reads(joined));
        let targets =
            |reads: &[&Read]| reads.iter().map(|read| read.target).collect::<HashSet<_>>();
        let halving = self.naive.emission().halving.get();
        let halves = |read: &&Read| (read.index - 2) / halving;
        let subsidies = |reads: &[&Read]| reads.iter().map(halves).collect::<HashSet<_>>();
        let payments = |reads: &[&Read]| -> HashSet<String> {
            let entries = reads.iter().flat_map(|read| &read.entries);
            let text = |entry: &Entry| match entry {
                Entry::Payment { text, .. } => Some(text.clone()),
                _ => None,
            };
            entries.filter_map(text).collect()
        };
        let again = payments(&old).intersection(&payments(&new)).count() as u64;
        let (retarget, halved) = (targets(&new).len() > 1, subsidies(&new).len() > 1);
        self.counts.reorgs += 1;
        self.counts.deepest = self.counts.deepest.max(left.len());
        self.counts.retargets += u64::from(retarget);
        self.counts.halvings += u64::from(halved);
        self.counts.payments_again += again;
    }

    fn accounts(&self, chain: &Chain) -> Accounts {
        let text = |(address, account): (&Address, &Account)| {
            (address.to_text(self.domain.hrp), (account.balance.into(), account.nonce))
        };
        chain.accounts.iter().map(text).collect()
    }

    /// Replays the best chain from genesis, and walks back to it on a copy.
    fn audit(&mut self, at: &str) {
        self.counts.audits += 1;
        let branch = self.naive.branch(self.naive.tip);
        let held = self.chain.blocks.iter().map(|linked| linked.block.text());
        assert!(held.eq(branch.iter().map(|read| read.block.text())), "{at}");
        let tip = self.tree.tip();
        assert_eq!(self.chain.blocks.last(), Some(tip), "{at}");
        let heights = self.chain.blocks.iter().map(|linked| linked.difficulty_state.height());
        assert!(heights.eq(0..branch.len() as u64), "{at}");

        let (accounts, bad) = self.naive.replay(self.naive.tip);
        assert_eq!(bad, None, "{at}");
        assert_eq!(self.accounts(&self.chain), accounts, "{at}");
        let units: u128 = accounts.values().map(|(balance, _)| balance).sum();
        let allotted: u64 = ALLOTTED.iter().sum();
        let mined: u128 = self.naive.subsidies().take(branch.len() - 1).sum();
        assert_eq!(units, u128::from(allotted) + mined, "{at}: a coin was made or lost");

        for id in &self.made[1..] {
            let parent = &self.naive.seen[id].parent;
            assert!(!self.there(id) || self.there(parent), "{at}: {id} hangs in the air");
        }

        let middle = self.random.clone().below(branch.len());
        let mut copy = self.chain.clone();
        for height in (0..branch.len()).rev() {
            if height == middle || height == 0 {
                let (accounts, _) = self.naive.replay(branch[height].id);
                assert_eq!(self.accounts(&copy), accounts, "{at}: undone to height {height}");
            }
            let linked = copy.blocks[height].clone();
            copy.disconnect(&linked).expect("infallible");
        }
        assert!(copy.accounts.is_empty(), "{at}: {:?}", copy.accounts);
    }

    /// Hands the best chain to a tree that knows nothing.
    fn redo(&self, at: &str) {
        let genesis = self.rules.genesis_block(Default::default());
        let changes = self.rules.allot(&genesis).expect("a supply that can be counted");
        let tip = ChainBlock::genesis(&self.rules, genesis);
        let mut tree = Tree::new(self.rules.clone(), tip.clone(), [], Limits::default());
        let mut chain = Chain::with_accounts(tip, changes);
        for linked in &self.chain.blocks[1..] {
            let checked = check_alone(&self.rules, linked.block.clone()).expect("a good block");
            let inserted = tree.insert(checked, &mut chain).expect("a good block");
            assert!(matches!(inserted, Inserted::NewTip(_)), "{at}");
        }
        assert_eq!(chain.blocks, self.chain.blocks, "{at}");
        assert_eq!(chain.accounts, self.chain.accounts, "{at}");
    }
}

/// Hands in random blocks, and prints what became of them.
fn run(steps: u64, seed: u64, limits: impl Fn(&mut Random) -> Limits) -> Counts {
    println!("BLOCKSMITH_MODEL_SEED={seed} BLOCKSMITH_MODEL_STEPS={steps}");
    let (began, mut random) = (std::time::Instant::now(), Random::new(seed));
    let (mut step, mut purse, mut counts) = (0, Purse::new(), Counts::default());
    while step < steps {
        let variant = random.below(VARIANTS);
        let limits = limits(&mut random);
        let mut world = World::new(rules(variant), limits, purse, Random::new(random.number()));
        world.counts = counts;
        for _ in 0..EPISODE.min(steps - step) {
            step += 1;
            let at = format!("step {step} of rules {variant}, BLOCKSMITH_MODEL_SEED={seed}");
            let read = world.next();
            let fate = world.hand_in(&read, &at);
            if step % AUDIT == 0 {
                world.audit(&at);
            }
            let kind = match fate {
                Fate::NewTip { .. } => "NewTip".into(),
                fate => format!("{fate:?}"),
            };
            if kind == "Orphan"
                && world.naive.seen.contains_key(&read.id)
                && world.random.percent(70)
            {
                world.held.push(read.id);
            }
            *world.counts.fates.entry(kind).or_default() += 1;
        }
        world.redo(&format!("step {step} of rules {variant}, BLOCKSMITH_MODEL_SEED={seed}"));
        (counts, purse) = (world.counts, world.purse);
    }
    println!("{step} steps in {:?}, {counts:?}", began.elapsed());
    counts
}

#[test]
fn no_coin_is_made_or_lost_whatever_blocks_come() {
    let steps = setting("BLOCKSMITH_MODEL_STEPS", STEPS);
    let counts = run(steps, setting("BLOCKSMITH_MODEL_SEED", SEED), |_| Limits::default());
    // Each kind came, or the test says less than it seems to.
    if steps >= STEPS {
        let Counts { reorgs, deepest, retargets, halvings, payments_again, gone_back, .. } = counts;
        assert!(deepest > 20, "{deepest}");
        assert!(reorgs.min(retargets).min(halvings).min(payments_again).min(gone_back) > 300);
        for kind in ["NewTip", "SideBranch", "Known", "Orphan"] {
            assert!(counts.fates[kind] > 1000, "{kind}");
        }
        for rule in [
            "genesis",
            "index",
            "merkle_root",
            "proof",
            "signature",
            "target",
            "timestamp",
            "transactions",
        ] {
            assert!(counts.fates[&format!("{:?}", Fate::Broken(rule))] > 200, "{rule}");
        }
    }
}

#[test]
fn no_coin_is_made_or_lost_where_there_is_little_room() {
    let steps = setting("BLOCKSMITH_MODEL_STEPS", STEPS) / 5;
    let counts = run(steps, setting("BLOCKSMITH_MODEL_SEED", SEED), |random| Limits {
        blocks: random.below(12),
        bytes: 1000 + random.below(30_000) as u64,
    });
    if steps >= STEPS / 5 {
        assert!(counts.reorgs.min(counts.gone_back).min(counts.fates["NoRoom"]) > 50);
    }
}

/// A world with the rules of [`rules`], but for the halving and the difficulty.
fn world(difficulty: Difficulty, halving: u64) -> World {
    let mut rules = rules(0);
    let Family::Sealed(sealed) = &mut rules.family else { panic!("signed") };
    sealed.difficulty = difficulty;
    sealed.emission = Emission { first: 1000, halving: halving.try_into().expect("not zero") };
    World::new(rules, Limits::default(), Purse::new(), Random::new(1))
}

fn asert() -> Difficulty {
    rules(0).difficulty()
}

fn epoch() -> Difficulty {
    rules(1).difficulty()
}

/// Alice, who has 100 units, pays Bob.
fn alice_pays(amount: u64, nonce: u64) -> Pay {
    Pay { from: ALICE, to: BOB, amount, fee: 0, nonce }
}

const ALICE: usize = 0;
const BOB: usize = 1;
/// Who mines, and was allotted nothing.
const MINER: usize = 2;

impl World {
    /// A good block on `parent` that nobody has seen yet.
    fn mine(&mut self, parent: Hash, payments: &[Pay], gap: u64) -> Read {
        let plan = self.plan(parent, payments, gap, MINER);
        self.keep(&plan.prove(&plan.root(), true))
    }

    /// A branch of good blocks without payments, handed in; the last fate.
    fn grow(&mut self, parent: Hash, blocks: usize, gap: u64) -> (Vec<Hash>, Fate) {
        let (mut branch, mut fate) = (vec![parent], Fate::NoRoom);
        for place in 0..blocks {
            let read = self.mine(branch[place], &[], gap);
            fate = self.hand_in(&read, "a scenario");
            branch.push(read.id);
        }
        (branch.split_off(1), fate)
    }

    fn give(&mut self, read: &Read) -> Fate {
        self.hand_in(read, "a scenario")
    }

    fn has(&self, who: usize) -> Account {
        self.chain.accounts.get(&self.purse.people[who].address).copied().unwrap_or_default()
    }
}

#[test]
fn a_reorg_across_halvings_pays_each_miner_what_the_height_is_worth() {
    let mut world = world(asert(), 3);
    let genesis = world.naive.genesis;
    // Seven blocks: three with 1000 units, three with 500, one with 250.
    let (ours, _) = world.grow(genesis, 7, 15);
    assert_eq!(world.has(MINER).balance, 3000 + 1500 + 250);
    let before = world.chain.accounts.clone();
    let (theirs, fate) = world.grow(genesis, 8, 14);
    let left = ours.iter().rev().copied().collect();
    assert_eq!(fate, Fate::NewTip { left, joined: theirs });
    assert_eq!(world.has(MINER).balance, 3000 + 1500 + 500);
    // And back: ours grows by two.
    let (more, fate) = world.grow(ours[6], 4, 1);
    let Fate::NewTip { .. } = fate else { panic!("{fate:?}") };
    assert_eq!(world.has(MINER).balance, 3000 + 1500 + 750 + 2 * 125);
    // Undone by hand, it is what it was.
    for id in more.iter().rev() {
        let linked = world.chain.blocks.last().expect("a tip").clone();
        assert_eq!(linked.block.hash(), *id);
        world.chain.disconnect(&linked).expect("infallible");
    }
    assert_eq!(world.chain.accounts, before);
}

#[test]
fn a_reorg_across_a_retarget_leaves_the_target_of_the_branch() {
    let mut world = world(epoch(), 100);
    let genesis = world.naive.genesis;
    let first = world.naive.next_target(genesis);
    // Epochs of three intervals: block 6 is the first with another target.
    let (slow, _) = world.grow(genesis, 6, 30);
    let stated = |world: &World| world.tree.tip().difficulty_state.target();
    let of_slow = stated(&world);
    assert_eq!(of_slow.0, first.0 * 2, "twice as long, twice as easy");
    // A branch in a hurry has more work with its fifth block, the first with a harder target.
    let (fast, fate) = world.grow(genesis, 4, 5);
    assert_eq!(fate, Fate::SideBranch);
    let (fifth, fate) = world.grow(fast[3], 1, 5);
    let left = slow.iter().rev().copied().collect();
    assert_eq!(fate, Fate::NewTip { left, joined: [&fast[..], &fifth].concat() });
    assert_eq!(stated(&world).0, first.0 / 45 * 22 + first.0 % 45 * 22 / 45, "clamped to 22 of 45");
    // The slow branch wins again by blocks, and still has its own target.
    let (_, fate) = world.grow(slow[5], 30, 30);
    assert!(matches!(fate, Fate::NewTip { .. }), "{fate:?}");
    assert_eq!(world.chain.blocks[6].difficulty_state.target(), of_slow);
    // Of two blocks on the fast branch, only the one with that branch's target is good.
    let plan = world.plan(fifth[0], &[], 15, MINER);
    let wrong = Plan { target: of_slow, ..plan.clone() };
    let wrong = Read::new(&wrong.prove(&wrong.root(), true));
    assert_eq!(world.give(&wrong), Fate::Broken("target"));
    let right = Read::new(&plan.prove(&plan.root(), true));
    assert_eq!(world.give(&right), Fate::SideBranch);
}

#[test]
fn a_nonce_comes_back_with_the_block_that_took_it() {
    let mut world = world(asert(), 100);
    let genesis = world.naive.genesis;
    let ours = world.mine(genesis, &[alice_pays(40, 0)], 15);
    world.give(&ours);
    assert_eq!(world.has(ALICE), Account { balance: 60, nonce: 1 });
    // A branch without the payment gives the nonce back…
    let (empty, fate) = world.grow(genesis, 2, 10);
    assert!(matches!(fate, Fate::NewTip { .. }), "{fate:?}");
    assert_eq!(world.has(ALICE), Account { balance: 100, nonce: 0 });
    // …so that the very same payment is made there, once.
    let same = world.mine(empty[1], &[alice_pays(40, 0)], 15);
    assert!(matches!(world.give(&same), Fate::NewTip { .. }));
    assert_eq!(world.has(ALICE), Account { balance: 60, nonce: 1 });
    let twice = world.mine(same.id, &[alice_pays(40, 0)], 15);
    assert_eq!(world.give(&twice), Fate::Broken("transactions"));
    // Another payment takes the nonce on a third branch, and the first can't be made on it.
    let other = world.mine(genesis, &[alice_pays(100, 0)], 0);
    world.give(&other);
    let spent = world.mine(other.id, &[alice_pays(40, 0)], 0);
    assert_eq!(world.give(&spent), Fate::SideBranch, "nobody has looked yet");
    let (_, fate) = world.grow(spent.id, 2, 0);
    assert_eq!(fate, Fate::Broken("transactions"));
    assert_eq!(world.has(ALICE), Account { balance: 60, nonce: 1 });
    let (_, fate) = world.grow(other.id, 3, 0);
    assert!(matches!(fate, Fate::NewTip { .. }), "{fate:?}");
    assert_eq!(world.has(ALICE), Account { balance: 0, nonce: 1 });
}

#[test]
fn one_bad_block_makes_the_chain_go_back_once() {
    let mut world = world(asert(), 100);
    let genesis = world.naive.genesis;
    world.grow(genesis, 1, 20);
    // A branch as long, and a block on it that pays what nobody has.
    let (theirs, fate) = world.grow(genesis, 1, 15);
    assert_eq!(fate, Fate::SideBranch);
    let bad = world.mine(theirs[0], &[alice_pays(101, 0)], 15);
    for times in 1..=3 {
        assert_eq!(world.give(&bad), Fate::Broken("transactions"));
        assert_eq!(world.counts.gone_back, 1, "handed in {times} times");
    }
    // On the tip as well: the branch itself is as good as before.
    let (_, fate) = world.grow(theirs[0], 1, 15);
    assert!(matches!(fate, Fate::NewTip { .. }), "{fate:?}");
    assert_eq!(world.give(&bad), Fate::Broken("transactions"));
}

#[test]
fn two_hundred_blocks_leave_and_come_back() {
    let mut world = world(epoch(), 20);
    let genesis = world.naive.genesis;
    let mut ours = vec![genesis];
    for nonce in 0..200 {
        let payments = if nonce < 100 { vec![alice_pays(1, nonce)] } else { vec![] };
        let read = world.mine(ours[nonce as usize], &payments, 15);
        world.give(&read);
        ours.push(read.id);
    }
    let before = world.chain.accounts.clone();
    assert_eq!(world.has(ALICE), Account { balance: 0, nonce: 100 });
    // Blocks every 15 seconds leave the target as it is.
    let (theirs, fate) = world.grow(genesis, 201, 15);
    let Fate::NewTip { left, joined } = fate else { panic!("{fate:?}") };
    assert_eq!((left.len(), joined.len()), (200, 201));
    assert_eq!(world.has(ALICE), Account { balance: 100, nonce: 0 });

    let (more, fate) = world.grow(ours[200], 2, 15);
    let Fate::NewTip { left, joined } = fate else { panic!("{fate:?}") };
    assert_eq!((left.len(), joined.len()), (201, 202));
    assert_eq!((left[0], joined[201]), (theirs[200], more[1]));
    for _ in &more {
        let linked = world.chain.blocks.last().expect("a tip").clone();
        world.chain.disconnect(&linked).expect("infallible");
    }
    assert_eq!(world.chain.accounts, before);
}
