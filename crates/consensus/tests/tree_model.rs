//! The tree against a naive chain: a vector of all blocks ever seen, in which everything is worked
//! out again for each question.
//!
//! `BLOCKSMITH_MODEL_STEPS` says how many blocks are handed in, `BLOCKSMITH_MODEL_SEED` which ones;
//! a failure prints both.

use std::collections::HashMap;
use std::sync::Arc;

use blocksmith_consensus::tree::{BlockId, Inserted, Limits, NotInserted, SideBlock};
use blocksmith_consensus::{
    Block, ChainBlock, Difficulty, Family, Genesis, Hash, Invalid, Open, Puzzle, Rules, Timestamp,
    Tree, U256, check_alone,
};
use blocksmith_testkit::memory::Chain;
use blocksmith_testkit::random::{Random, setting};

const STEPS: u64 = 60_000;
const SEED: u64 = 2019_0711;

/// Blocks handed in before everything starts anew: the naive chain takes a time that grows with
/// the square of it.
const EPISODE: usize = 250;

/// What became of a block, as both sides say it.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    NewTip,
    SideBranch,
    Known,
    Orphan,
    /// The rule's name.
    Broken(&'static str),
    NoRoom,
}

fn rule(invalid: &Invalid) -> &'static str {
    match invalid {
        Invalid::Genesis { .. } => "genesis",
        Invalid::Index { .. } => "index",
        Invalid::PreviousHash { .. } | Invalid::NoHash { .. } => "previous_hash",
        Invalid::Proof { .. } => "proof",
        invalid => invalid.rule(),
    }
}

/// All valid blocks in the order in which they came; nothing else is remembered.
struct Naive {
    rules: Rules,
    seen: Vec<Block>,
}

impl Naive {
    fn find(&self, hash: &Hash) -> Option<&Block> {
        self.seen.iter().find(|block| block.hash() == *hash)
    }

    fn previous(&self, block: &Block) -> Option<&Block> {
        let text = block.view().previous_hash.as_str()?;
        self.find(&text.parse().ok()?)
    }

    /// The rules once more, in the words of a Python node.
    fn broken(&self, block: &Block) -> Option<&'static str> {
        let view = block.view();
        if block.index() == 1 {
            let fits = match &open(&self.rules).genesis {
                Genesis::Fixed(genesis) => genesis.text() == block.text(),
                Genesis::Any { proof, previous_hash, .. } => {
                    view.proof_json() == proof && view.previous_hash.text() == previous_hash
                }
            };
            return (!fits).then_some("genesis");
        }
        let parent = self.previous(block)?;
        if block.index() != parent.index() + 1 {
            return Some("index");
        }
        let (last, proof) = (parent.view().proof(), view.proof());
        let guess = match open(&self.rules).puzzle {
            Puzzle::LastProof => format!("{last}{proof}"),
            Puzzle::LastBlock => format!("{}{proof}", parent.text()),
            Puzzle::LastProofAndHash => format!("{last}{proof}{}", parent.hash()),
        };
        let zeros = "0".repeat(self.zeros());
        (!Hash::of(guess).to_string().starts_with(&zeros)).then_some("proof")
    }

    fn zeros(&self) -> usize {
        let Difficulty::Fixed(target) = self.rules.difficulty() else { panic!("not the course's") };
        target.zeros().expect("a number of zeros").into()
    }

    /// How many blocks lead to this one from its genesis.
    fn height(&self, parents: &HashMap<Hash, Hash>, block: &Block) -> u64 {
        let (mut height, mut at) = (0, block.hash());
        while let Some(parent) = parents.get(&at) {
            (height, at) = (height + 1, *parent);
        }
        height
    }

    /// The longest chain; of equals, the one whose end came first.
    fn best(&self) -> Vec<Block> {
        let parents = self
            .seen
            .iter()
            .filter(|block| block.index() > 1)
            .map(|block| (block.hash(), block.parent().expect("valid blocks have parents")))
            .collect();
        let mut tip: Option<(u64, &Block)> = None;
        for block in &self.seen {
            let height = self.height(&parents, block);
            if tip.is_none_or(|(best, _)| height > best) {
                tip = Some((height, block));
            }
        }
        let mut chain = vec![tip.expect("there is a genesis").1.clone()];
        while let Some(parent) = self.previous(&chain[chain.len() - 1]) {
            chain.push(parent.clone());
        }
        chain.reverse();
        chain
    }

    /// Whether the tree tells each branch beside the best chain, with the place where it forks.
    fn check_branches(&self, tree: &Tree, best: &[Block], at: &str) {
        let is_best = |block: &Block| best.contains(block);
        let side: Vec<_> = self.seen.iter().filter(|block| !is_best(block)).collect();
        let has_child = |hash: Hash| side.iter().any(|block| block.parent() == Some(hash));
        let ends = side.iter().filter(|block| !has_child(block.hash()));
        let mut expected: Vec<_> = ends
            .map(|end| {
                let mut first = *end;
                let mut below = self.previous(first);
                while let Some(block) = below.filter(|block| !is_best(block)) {
                    (first, below) = (block, self.previous(block));
                }
                (BlockId::of(end), BlockId::of(first), below.map(BlockId::of))
            })
            .collect();
        let found = tree.branches(usize::MAX, usize::MAX);
        assert_eq!(found.len(), tree.side_branches(), "{at}");
        let each = U256::from(16u8).pow(self.zeros() as u32);
        for branch in &found {
            let height = branch.tip.index - best[0].index();
            assert_eq!(branch.work, each * U256::from(height), "{at}");
            assert_eq!(branch.length(), branch.tip.index - branch.first.index + 1, "{at}");
        }
        assert!(found.is_sorted_by(|one, next| one.work >= next.work), "{at}");
        // A bound cuts the list, and changes nothing of it.
        let (most, blocks) = (found.len() / 2, side.len() / 2);
        assert_eq!(tree.branches(most, usize::MAX), found[..most], "{at}");
        assert!(found.starts_with(&tree.branches(usize::MAX, blocks)), "{at}");
        let mut found: Vec<_> =
            found.iter().map(|branch| (branch.tip, branch.first, branch.fork)).collect();
        found.sort_by_key(|(tip, ..)| tip.hash);
        expected.sort_by_key(|(tip, ..)| tip.hash);
        assert_eq!(found, expected, "{at}");
    }

    fn insert(&mut self, block: Block) -> Fate {
        let is_hash = |text: &str| {
            text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        };
        let names_a_hash = block.view().previous_hash.as_str().is_some_and(|text| is_hash(&text));
        if block.index() != 1 && !names_a_hash {
            return Fate::Broken("previous_hash");
        }
        if block.index() != 1 && self.previous(&block).is_none() {
            return Fate::Orphan;
        }
        if let Some(rule) = self.broken(&block) {
            return Fate::Broken(rule);
        }
        if self.find(&block.hash()).is_some() {
            return Fate::Known;
        }
        let hash = block.hash();
        self.seen.push(block);
        let best = self.best();
        if best[best.len() - 1].hash() == hash { Fate::NewTip } else { Fate::SideBranch }
    }
}

/// Makes up blocks, good and bad.
struct Maker {
    random: Random,
    rules: Rules,
    /// Valid blocks, some of them not handed in yet.
    made: Vec<Block>,
    /// Blocks that were held back, so that their children come first.
    held_back: Vec<Block>,
    /// A branch that is being built on, and how many blocks it shall still get.
    focus: Option<(Block, usize)>,
    salt: u64,
}

impl Maker {
    fn write(&mut self, parent: &Block, index: u64, previous: &str, good_proof: bool) -> Block {
        self.salt += 1;
        let job = self.rules.job(parent.view(), &parent.hash(), None);
        let start = self.random.number() >> 40;
        let proof = (start..)
            .find(|proof| {
                job.accepts(proof.to_string()) == good_proof || job.target.zeros() == Some(0)
            })
            .expect("some number will do");
        let text = format!(
            r#"{{"index": {index}, "previous_hash": {previous}, "proof": {proof}, "timestamp": {}, "transactions": []}}"#,
            self.salt
        );
        Block::of_canonical(&text).expect("a block")
    }

    fn child(&mut self, parent: &Block) -> Block {
        let block = self.write(parent, parent.index() + 1, &format!("\"{}\"", parent.hash()), true);
        self.made.push(block.clone());
        block
    }

    fn parent(&mut self) -> Block {
        if let Some((block, left)) = self.focus.take()
            && left > 0
            && self.random.percent(90)
        {
            self.focus = Some((block.clone(), left - 1));
            return block;
        }
        if self.random.percent(3) {
            // A deep fork that gets as long as the best chain, perhaps longer.
            let from = self.random.pick(&self.made).clone();
            let longest = self.made.iter().map(Block::index).max().unwrap_or(1);
            let length = longest - from.index() + self.random.below(4) as u64;
            self.focus = Some((from.clone(), length as usize));
            return from;
        }
        if self.random.percent(80) {
            let latest = self.made.len().min(6);
            return self.made[self.made.len() - 1 - self.random.below(latest)].clone();
        }
        self.random.pick(&self.made).clone()
    }

    fn next(&mut self) -> Block {
        match self.random.below(100) {
            0..8 => self.random.pick(&self.made).clone(),
            8..40 if !self.held_back.is_empty() => {
                let lowest = (0..self.held_back.len())
                    .min_by_key(|&place| self.held_back[place].index())
                    .expect("there is one");
                let any = self.random.below(self.held_back.len());
                let place = if self.random.percent(70) { lowest } else { any };
                self.held_back.swap_remove(place)
            }
            40..44 => {
                let parent = self.parent();
                let held_back = self.child(&parent);
                self.held_back.push(held_back.clone());
                self.child(&held_back)
            }
            44..52 => self.bad(),
            52..54 => self.genesis(),
            _ => {
                let parent = self.parent();
                let block = self.child(&parent);
                if let Some((focus, _)) = &mut self.focus {
                    *focus = block.clone();
                }
                block
            }
        }
    }

    fn bad(&mut self) -> Block {
        let parent = self.parent();
        let hash = format!("\"{}\"", parent.hash());
        match self.random.below(5) {
            0 => self.write(&parent, parent.index() + 2, &hash, true),
            1 => self.write(&parent, parent.index().max(2), &hash, true),
            2 => self.write(&parent, parent.index() + 1, &hash.to_uppercase(), true),
            3 => self.write(&parent, parent.index() + 1, &"7".repeat(64), true),
            _ => {
                let block = self.write(&parent, parent.index() + 1, &hash, false);
                if self.rules.job(parent.view(), &parent.hash(), None).target.zeros() == Some(0) {
                    self.made.push(block.clone());
                }
                block
            }
        }
    }

    /// Another genesis: wrong where it is fixed, sometimes wrong where it is free.
    fn genesis(&mut self) -> Block {
        self.salt += 1;
        let proof = if self.random.percent(80) { 100 } else { 99 };
        let text = format!(
            r#"{{"index": 1, "previous_hash": "1", "proof": {proof}, "timestamp": {}, "transactions": []}}"#,
            self.salt
        );
        let block = Block::of_canonical(&text).expect("a block");
        if matches!(open(&self.rules).genesis, Genesis::Any { .. }) && proof == 100 {
            self.made.push(block.clone());
        }
        block
    }
}

fn fate(tree: &mut Tree, chain: &mut Chain, block: Block) -> Fate {
    let fate = insert(tree, chain, block);
    assert_eq!(tree.side_blocks(), chain.side.len(), "who holds the chain has what the tree knows");
    fate
}

fn insert(tree: &mut Tree, chain: &mut Chain, block: Block) -> Fate {
    let checked = match check_alone(tree.rules(), block) {
        Ok(checked) => checked,
        Err(invalid) => return Fate::Broken(rule(&invalid)),
    };
    match tree.insert(checked, chain) {
        Ok(Inserted::NewTip(change)) => {
            let log = chain.take_log();
            assert!(log.is_told_by(&change, chain), "a change says what was done");
            Fate::NewTip
        }
        Ok(Inserted::SideBranch) => Fate::SideBranch,
        Ok(Inserted::Known) => Fate::Known,
        Ok(Inserted::NoRoom) => Fate::NoRoom,
        Err(NotInserted::Invalid(invalid)) => Fate::Broken(rule(&invalid)),
        Err(NotInserted::Orphan(_)) => Fate::Orphan,
        Err(NotInserted::Ancestry(never)) => match never {},
    }
}

fn rules(random: &mut Random) -> Rules {
    let preset = *random.pick(&["lecture", "course", "dvf"]);
    Rules::preset(preset).expect("a preset").with_zeros(random.below(2) as u8)
}

fn start(rules: &Rules, limits: Limits, random: &Random) -> (Tree, Chain, Maker) {
    let genesis = rules.genesis_block(Timestamp::default());
    let linked = ChainBlock::genesis(rules, genesis.clone());
    let tree = Tree::new(Arc::new(rules.clone()), linked.clone(), [], limits);
    let maker = Maker {
        random: random.clone(),
        rules: rules.clone(),
        made: vec![genesis],
        held_back: Vec::new(),
        focus: None,
        salt: 0,
    };
    (tree, Chain::new(linked), maker)
}

#[test]
fn the_tree_is_the_naive_chain() {
    let steps = setting("BLOCKSMITH_MODEL_STEPS", STEPS);
    let seed = setting("BLOCKSMITH_MODEL_SEED", SEED);
    let mut random = Random::new(seed);
    let mut counts: HashMap<String, u64> = HashMap::new();
    let (mut step, mut reorgs, mut deepest) = (0, 0, 0);
    while step < steps {
        let rules = rules(&mut random);
        let (mut tree, mut chain, mut maker) = start(&rules, Limits::default(), &random);
        random.number();
        let mut naive = Naive { rules: rules.clone(), seen: vec![tree.tip().block.clone()] };
        for _ in 0..EPISODE.min((steps - step) as usize) {
            step += 1;
            let at = format!("step {step} of {}, BLOCKSMITH_MODEL_SEED={seed}", rules.name);
            let block = maker.next();
            let before: Vec<Hash> = chain.blocks.iter().map(|linked| linked.block.hash()).collect();
            let expected = naive.insert(block.clone());
            let found = fate(&mut tree, &mut chain, block.clone());
            assert_eq!(found, expected, "{at}: {}", block.text());
            if found == Fate::Orphan {
                maker.held_back.push(block);
            }

            let best = naive.best();
            let held: Vec<_> = chain.blocks.iter().map(|linked| linked.block.clone()).collect();
            assert_eq!(held, best, "{at}");
            let each = U256::from(16u8).pow(naive.zeros() as u32);
            for (height, linked) in chain.blocks.iter().enumerate() {
                assert_eq!(linked.work, each * U256::from(height as u64), "{at}");
            }
            assert_eq!(tree.tip(), &chain.blocks[chain.blocks.len() - 1], "{at}");
            assert_eq!(tree.side_blocks(), naive.seen.len() - best.len(), "{at}");
            naive.check_branches(&tree, &best, &at);
            if random.percent(5) {
                // A new life: what is in memory follows from what is kept.
                let side = chain.side.values().map(|linked| SideBlock::of(linked, 1));
                tree = Tree::new(tree.rules().clone(), tree.tip().clone(), side, Limits::default());
            }
            let known = *maker.random.pick(&naive.seen.iter().map(Block::hash).collect::<Vec<_>>());
            assert_eq!(tree.contains(&known, &chain), Ok(true), "{at}");

            let stayed = before.iter().zip(&held).take_while(|(old, new)| **old == new.hash());
            let dropped = before.len() - stayed.count();
            reorgs += u64::from(dropped > 0);
            deepest = deepest.max(dropped);
            *counts.entry(format!("{found:?}")).or_default() += 1;
        }
    }
    println!("{step} steps, {reorgs} reorgs, the deepest of {deepest} blocks: {counts:?}");
    if steps >= STEPS {
        assert!(reorgs > 500 && deepest > 10, "{reorgs} reorgs, {deepest} deep");
        for kind in ["NewTip", "SideBranch", "Known", "Orphan"] {
            assert!(counts[kind] > 500, "{kind}: {counts:?}");
        }
        for rule in ["genesis", "index", "previous_hash", "proof"] {
            assert!(counts[&format!("{:?}", Fate::Broken(rule))] > 30, "{rule}: {counts:?}");
        }
    }
}

#[test]
fn little_room_costs_branches_but_never_the_best_chain() {
    let steps = setting("BLOCKSMITH_MODEL_STEPS", STEPS) / 4;
    let seed = setting("BLOCKSMITH_MODEL_SEED", SEED);
    let mut random = Random::new(seed);
    let (mut step, mut reorgs, mut refused) = (0, 0, 0);
    while step < steps {
        let rules = rules(&mut random);
        let limits = Limits { blocks: random.below(12), bytes: 200 + random.below(8_000) as u64 };
        let (mut tree, mut chain, mut maker) = start(&rules, limits, &random);
        random.number();
        for _ in 0..EPISODE {
            step += 1;
            let at = format!("step {step} of {}, BLOCKSMITH_MODEL_SEED={seed}", rules.name);
            let block = maker.next();
            let work = tree.tip().work;
            let tip = tree.tip().block.hash();
            let found = fate(&mut tree, &mut chain, block.clone());
            assert!(tree.side_blocks() <= limits.blocks, "{at}");
            assert!(tree.side_bytes() <= limits.bytes, "{at}");
            assert!(tree.tip().work >= work, "{at}");
            match found {
                Fate::NewTip => {
                    assert_eq!(tree.tip().block, block, "{at}");
                    assert!(tree.tip().work > work, "{at}");
                    reorgs += u64::from(block.parent() != Some(tip));
                }
                _ => assert_eq!(tree.tip().block.hash(), tip, "{at}"),
            }
            refused += u64::from(found == Fate::NoRoom);
            for block in maker.made.iter().filter(|block| block.index() > 1) {
                let there = |hash: &Hash| tree.contains(hash, &chain) == Ok(true);
                let parent = block.parent().expect("good blocks have parents");
                assert!(
                    !there(&block.hash()) || there(&parent),
                    "{at}: {block:?} hangs in the air"
                );
            }
            assert_eq!(chain.blocks.last(), Some(tree.tip()), "{at}");
        }
        let blocks: Vec<_> = chain.blocks.iter().map(|linked| linked.block.clone()).collect();
        let naive = Naive { rules: rules.clone(), seen: blocks.clone() };
        assert_eq!(blocks[0].index(), 1);
        for (parent, block) in blocks.iter().zip(&blocks[1..]) {
            assert_eq!(block.parent(), Some(parent.hash()));
            assert_eq!(naive.broken(block), None, "{}", block.text());
        }
    }
    assert!(reorgs > 100 && refused > 100, "{reorgs} reorgs, {refused} refused");
}

/// The model is one of the course's rules.
fn open(rules: &Rules) -> &Open {
    match &rules.family {
        Family::Open(open) => open,
        Family::Sealed(_) => panic!("an open chain"),
    }
}

fn easy() -> Rules {
    Rules::lecture().with_zeros(0)
}

fn grow(maker: &mut Maker, from: &Block, length: usize) -> Vec<Block> {
    let mut blocks = vec![from.clone()];
    for at in 0..length {
        let block = maker.child(&blocks[at]);
        blocks.push(block);
    }
    blocks.split_off(1)
}

#[test]
fn a_flood_of_side_branches_keeps_no_better_chain_out() {
    let limits = Limits { blocks: 100, bytes: u64::MAX };
    let (mut tree, mut chain, mut maker) = start(&easy(), limits, &Random::new(1));
    let genesis = tree.tip().block.clone();
    let ours = grow(&mut maker, &genesis, 50);
    for block in &ours {
        assert_eq!(fate(&mut tree, &mut chain, block.clone()), Fate::NewTip);
    }
    for _ in 0..300 {
        let sibling = maker.child(&ours[48]);
        assert_eq!(fate(&mut tree, &mut chain, sibling), Fate::SideBranch);
        assert!(tree.side_blocks() <= 100);
    }
    let better = grow(&mut maker, &genesis, 51);
    for block in &better {
        fate(&mut tree, &mut chain, block.clone());
    }
    assert_eq!(tree.tip().block, better[50]);
    assert_eq!(chain.blocks.len(), 52);
}

#[test]
fn a_flood_of_geneses_keeps_no_better_chain_out() {
    let limits = Limits { blocks: 100, bytes: u64::MAX };
    let (mut tree, mut chain, mut maker) =
        start(&Rules::dvf().with_zeros(0), limits, &Random::new(2));
    let own = tree.tip().block.clone();
    for block in grow(&mut maker, &own, 3) {
        assert_eq!(fate(&mut tree, &mut chain, block), Fate::NewTip);
    }
    for salt in 0..500 {
        let genesis = Rules::dvf().genesis_block(Timestamp { micros: 1_000_000 * (salt + 10) });
        assert_eq!(fate(&mut tree, &mut chain, genesis), Fate::SideBranch);
        assert!(tree.side_blocks() <= 100);
    }
    let theirs = Rules::dvf().genesis_block(Timestamp { micros: 1_000_000_000 });
    fate(&mut tree, &mut chain, theirs.clone());
    let longer = grow(&mut maker, &theirs, 4);
    for block in &longer {
        fate(&mut tree, &mut chain, block.clone());
    }
    assert_eq!(tree.tip().block, longer[3]);
    assert_eq!(chain.blocks[0].block, theirs);
}

#[test]
fn a_block_larger_than_all_room_throws_nobody_out() {
    let limits = Limits { blocks: 100, bytes: 5_000 };
    let (mut tree, mut chain, mut maker) = start(&easy(), limits, &Random::new(3));
    let genesis = tree.tip().block.clone();
    for block in grow(&mut maker, &genesis, 2) {
        fate(&mut tree, &mut chain, block);
    }
    let side = maker.child(&genesis);
    assert_eq!(fate(&mut tree, &mut chain, side.clone()), Fate::SideBranch);
    let large = format!(
        r#"{{"index": 2, "note": "{}", "previous_hash": "{}", "proof": 1}}"#,
        "x".repeat(5_000),
        genesis.hash()
    );
    let large = Block::of_canonical(&large).expect("a block");
    assert_eq!(fate(&mut tree, &mut chain, large), Fate::NoRoom);
    assert_eq!(tree.contains(&side.hash(), &chain), Ok(true));
}

#[test]
fn a_branch_whose_parent_was_dropped_meanwhile_starts_over() {
    let limits = Limits { blocks: 2, bytes: u64::MAX };
    let (mut tree, mut chain, mut maker) = start(&easy(), limits, &Random::new(4));
    let genesis = tree.tip().block.clone();
    let ours = grow(&mut maker, &genesis, 5);
    for block in &ours {
        fate(&mut tree, &mut chain, block.clone());
    }
    let branch = grow(&mut maker, &genesis, 2);
    assert_eq!(fate(&mut tree, &mut chain, branch[0].clone()), Fate::SideBranch);
    for _ in 0..2 {
        let sibling = maker.child(&ours[3]);
        assert_eq!(fate(&mut tree, &mut chain, sibling), Fate::SideBranch);
    }
    assert_eq!(fate(&mut tree, &mut chain, branch[1].clone()), Fate::Orphan);
    assert_eq!(fate(&mut tree, &mut chain, branch[0].clone()), Fate::SideBranch);
    assert_eq!(fate(&mut tree, &mut chain, branch[1].clone()), Fate::SideBranch);
}

/// Forty thousand siblings, then one long branch: nothing here may take a time that grows with the
/// square of it.
#[test]
fn room_for_many_blocks_is_made_quickly() {
    let limits = Limits { blocks: 20_000, bytes: u64::MAX };
    let (mut tree, mut chain, mut maker) = start(&easy(), limits, &Random::new(5));
    let genesis = tree.tip().block.clone();
    let ours = grow(&mut maker, &genesis, 2);
    for block in &ours {
        fate(&mut tree, &mut chain, block.clone());
    }
    let began = std::time::Instant::now();
    for _ in 0..40_000 {
        let sibling = maker.child(&ours[0]);
        fate(&mut tree, &mut chain, sibling);
    }
    for block in grow(&mut maker, &ours[0], 10_000) {
        assert_ne!(fate(&mut tree, &mut chain, block), Fate::NoRoom);
    }
    assert_eq!(chain.blocks.len(), 10_002);
    assert!(began.elapsed().as_secs() < 20, "{:?}", began.elapsed());
}
