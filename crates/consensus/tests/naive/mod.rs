//! A naive chain of the `forge` rules: every block that was ever made, read in its own simple way,
//! and a branch replayed from its genesis block for each question. What it shares with the rules is
//! the power of two in ASERT, which the published vectors hold.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, HashSet};

use blocksmith_consensus::difficulty::{Asert, Rounding};
use blocksmith_consensus::json::Value;
use blocksmith_consensus::payment::Emission;
use blocksmith_consensus::{Block, Difficulty, Family, Hash, Rules, Target, U256};

/// What became of a block, as both sides say it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The ids that left the best chain, the tip first, and those that joined it, the lowest first.
    NewTip {
        left: Vec<Hash>,
        joined: Vec<Hash>,
    },
    SideBranch,
    Known,
    Orphan,
    /// The rule's name.
    Broken(&'static str),
    NoRoom,
}

/// A transaction as the naive chain reads it; parties are texts.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Payment { from: String, to: String, amount: u128, fee: u128, nonce: u64, text: String },
    Coinbase { to: String, amount: u128, nonce: u64 },
    Junk,
}

/// A block as the naive chain reads it.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) block: Block,
    pub(crate) id: Hash,
    pub(crate) parent: Hash,
    pub(crate) index: u64,
    pub(crate) time: u64,
    pub(crate) target: Target,
    pub(crate) root: Hash,
    pub(crate) entries: Vec<Entry>,
}

impl Read {
    pub(crate) fn new(block: &Block) -> Self {
        let value = Value::of_canonical(block.text());
        let text = |value: Value<'_>, name| {
            value.get(name).and_then(Value::as_str).unwrap_or_default().into_owned()
        };
        let number = |value: Value<'_>, name| value.get(name).and_then(Value::as_u64);
        let hash = |name| text(value, name).parse().expect("64 digits");
        let (index, time) = (number(value, "index"), number(value, "timestamp"));
        let (index, time) = (index.expect("a number"), time.expect("a number"));
        let (parent, root, target): (Hash, Hash, Hash) =
            (hash("previous_hash"), hash("merkle_root"), hash("target"));
        let seal = Hash::of(format!(
            r#"{{"index": {index}, "merkle_root": "{root}", "previous_hash": "{parent}", "target": "{target}", "timestamp": {time}}}"#
        ));
        let proof = number(value, "proof").expect("a number");
        let entry = |value: Value<'_>| {
            let wide = |name| number(value, name).unwrap_or_default().into();
            let nonce = number(value, "nonce").unwrap_or_default();
            let (from, to) = (text(value, "sender"), text(value, "recipient"));
            match (from.as_str(), value.get("signature")) {
                ("0", None) => Entry::Coinbase { to, amount: wide("amount"), nonce },
                (_, Some(_)) => Entry::Payment {
                    from,
                    to,
                    amount: wide("amount"),
                    fee: wide("fee"),
                    nonce,
                    text: value.text().to_owned(),
                },
                _ => Entry::Junk,
            }
        };
        Self {
            id: Hash::of(format!("{seal}{proof}")),
            entries: block.view().transactions().map(entry).collect(),
            target: Target(U256::from_be_bytes(target.0)),
            block: block.clone(),
            parent,
            index,
            time,
            root,
        }
    }
}

/// The root of RFC 9162's tree, as its section 2.1.1 defines it.
fn root(leaves: &[&str]) -> Hash {
    match leaves {
        [] => Hash::of(""),
        [leaf] => Hash::of(format!("\0{leaf}")),
        _ => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            Hash::of([&[1], &root(left).0[..], &root(right).0[..]].concat())
        }
    }
}

/// Balance and nonce of everybody who has either.
pub(crate) type Accounts = BTreeMap<String, (u128, u64)>;

/// All blocks that were ever made; nothing that follows from them is remembered but their work.
pub(crate) struct Naive {
    rules: Rules,
    pub(crate) genesis: Hash,
    pub(crate) seen: HashMap<Hash, Read>,
    /// Those that were handed in and not found to be bad, with the work of their branch and the
    /// order in which they came.
    pub(crate) known: HashMap<Hash, (U256, u64)>,
    pub(crate) tip: Hash,
    arrivals: u64,
    /// Blocks that broke a rule when they were to join the best chain: once and for all.
    failed: HashSet<Hash>,
    /// Payments that their senders have signed for this chain.
    pub(crate) signed: HashSet<String>,
}

impl Naive {
    pub(crate) fn new(rules: &Rules, signed: HashSet<String>) -> Self {
        let read = Read::new(&rules.genesis_block(Default::default()));
        Self {
            rules: rules.clone(),
            genesis: read.id,
            tip: read.id,
            known: HashMap::from([(read.id, (U256::ZERO, 0))]),
            seen: HashMap::from([(read.id, read)]),
            arrivals: 0,
            failed: HashSet::new(),
            signed,
        }
    }

    /// The blocks from genesis to this one.
    pub(crate) fn branch(&self, id: Hash) -> Vec<&Read> {
        let mut branch = vec![&self.seen[&id]];
        while let Some(read) = self.seen.get(&branch[branch.len() - 1].parent) {
            branch.push(read);
        }
        branch.reverse();
        branch
    }

    pub(crate) fn emission(&self) -> Emission {
        let Family::Sealed(sealed) = &self.rules.family else { panic!("signed") };
        sealed.emission
    }

    /// What the blocks 2, 3… pay, halved by hand.
    pub(crate) fn subsidies(&self) -> impl Iterator<Item = u128> {
        let Emission { first, halving } = self.emission();
        let (mut subsidy, mut left) = (u128::from(first), halving.get());
        std::iter::repeat_with(move || {
            let paid = subsidy;
            left -= 1;
            if left == 0 {
                (subsidy, left) = (subsidy / 2, halving.get());
            }
            paid
        })
    }

    /// The target of a block on this one, from the list of all times.
    pub(crate) fn next_target(&self, id: Hash) -> Target {
        let branch = self.branch(id);
        let anchor = branch[0].target;
        let times: Vec<u64> = branch[1..].iter().map(|read| read.time).collect();
        match self.rules.difficulty() {
            Difficulty::Fixed(target) => target,
            Difficulty::Asert { spacing_s, half_life_s, easiest, longest_gap_s } => {
                let gaps = times.windows(2).map(|pair| (pair[1] - pair[0]).min(longest_gap_s));
                let (blocks, elapsed_s) = (gaps.len() as u64, gaps.sum::<u64>());
                let asert = Asert { spacing_s, half_life_s, easiest, rounding: Rounding::None };
                asert.target(anchor, elapsed_s.into(), blocks)
            }
            Difficulty::Epoch { blocks, spacing_s, clamp, easiest } => {
                let (length, due, clamp) = (blocks as usize, blocks * spacing_s, u64::from(clamp));
                let Target(mut target) = anchor;
                for end in (length..times.len()).step_by(length) {
                    let took = (times[end] - times[end - length]).clamp(due / clamp, due * clamp);
                    let (took, due) = (U256::from(took), U256::from(due));
                    target = (target / due * took + target % due * took / due).min(easiest.0);
                }
                Target(target)
            }
        }
    }

    /// The accounts after the branch that ends in this block, or up to the first block whose
    /// transactions are not allowed, and that block.
    pub(crate) fn replay(&self, id: Hash) -> (Accounts, Option<Hash>) {
        let branch = self.branch(id);
        let mut accounts = Accounts::new();
        for entry in &branch[0].entries {
            let Entry::Coinbase { to, amount, .. } = entry else { panic!("allocations are coins") };
            accounts.entry(to.clone()).or_default().0 += amount;
        }
        for (read, subsidy) in branch[1..].iter().zip(self.subsidies()) {
            match Self::after(&accounts, read, subsidy) {
                Some(after) => accounts = after,
                None => return (accounts, Some(read.id)),
            }
        }
        accounts.retain(|_, account| *account != (0, 0));
        (accounts, None)
    }

    fn after(before: &Accounts, read: &Read, subsidy: u128) -> Option<Accounts> {
        let (mut accounts, mut fees) = (before.clone(), 0);
        for entry in &read.entries {
            match entry {
                Entry::Payment { from, to, amount, fee, nonce, .. } => {
                    let sender = accounts.entry(from.clone()).or_default();
                    if sender.1 != *nonce || sender.0 < amount + fee {
                        return None;
                    }
                    *sender = (sender.0 - amount - fee, nonce + 1);
                    accounts.entry(to.clone()).or_default().0 += amount;
                    fees += fee;
                }
                Entry::Coinbase { to, amount, nonce } => {
                    if *nonce != read.index || *amount != subsidy + fees {
                        return None;
                    }
                    accounts.entry(to.clone()).or_default().0 += amount;
                }
                Entry::Junk => return None,
            }
        }
        Some(accounts)
    }

    /// The rule that a block breaks whatever it stands on.
    fn broken_alone(&self, read: &Read) -> Option<&'static str> {
        if read.index == 1 {
            return (read.id != self.genesis).then_some("genesis");
        }
        let easiest = match self.rules.difficulty() {
            Difficulty::Fixed(target) => target,
            Difficulty::Asert { easiest, .. } | Difficulty::Epoch { easiest, .. } => easiest,
        };
        if read.target.0 > easiest.0.max(self.seen[&self.genesis].target.0) {
            return Some("target");
        }
        if U256::from_be_bytes(read.id.0) > read.target.0 {
            return Some("proof");
        }
        let texts: Vec<&str> = read.block.view().transactions().map(|value| value.text()).collect();
        if root(&texts) != read.root {
            return Some("merkle_root");
        }
        let is_coin = |entry: &Entry| matches!(entry, Entry::Coinbase { .. });
        let coins = read.entries.iter().filter(|entry| is_coin(entry)).count();
        let junk = read.entries.iter().any(|entry| matches!(entry, Entry::Junk));
        if junk || coins != 1 || !read.entries.last().is_some_and(is_coin) {
            return Some("transactions");
        }
        let unsigned = |entry: &Entry| match entry {
            Entry::Payment { text, .. } => !self.signed.contains(text),
            _ => false,
        };
        read.entries.iter().any(unsigned).then_some("signature")
    }

    /// The rule that a block breaks where it stands, its transactions aside.
    fn broken_on(&self, read: &Read) -> Option<&'static str> {
        let parent = &self.seen[&read.parent];
        if read.index != parent.index + 1 {
            return Some("index");
        }
        if read.time < parent.time {
            return Some("timestamp");
        }
        (read.target != self.next_target(read.parent)).then_some("target")
    }

    pub(crate) fn insert(&mut self, read: &Read) -> Fate {
        if let Some(rule) = self.broken_alone(read) {
            return Fate::Broken(rule);
        }
        if self.known.contains_key(&read.id) {
            return Fate::Known;
        }
        if self.failed.contains(&read.id) {
            return Fate::Broken("transactions");
        }
        let Some((work, _)) = self.known.get(&read.parent).copied() else { return Fate::Orphan };
        if let Some(rule) = self.broken_on(read) {
            return Fate::Broken(rule);
        }
        self.arrivals += 1;
        self.seen.entry(read.id).or_insert_with(|| read.clone());
        self.known.insert(read.id, (work + read.target.work(), self.arrivals));

        // Most work wins; of equals, the one that came first.
        let place = |(_, (work, arrival)): &(&Hash, &(U256, u64))| (*work, Reverse(*arrival));
        let (best, _) = self.known.iter().max_by_key(place).expect("genesis is always known");
        let best = *best;
        if best == self.tip {
            return Fate::SideBranch;
        }
        if let (_, Some(bad)) = self.replay(best) {
            let stands_on_it = |id: Hash| self.branch(id).iter().any(|read| read.id == bad);
            let lost: Vec<_> = self.known.keys().copied().filter(|id| stands_on_it(*id)).collect();
            self.known.retain(|id, _| !lost.contains(id));
            self.failed.insert(bad);
            return Fate::Broken("transactions");
        }
        let ids = |id| self.branch(id).iter().map(|read| read.id).collect::<Vec<_>>();
        let (old, new) = (ids(self.tip), ids(best));
        let stay = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
        self.tip = best;
        let left = old[stay..].iter().rev().copied().collect();
        Fate::NewTip { left, joined: new[stay..].to_vec() }
    }
}
