//! A node whose payments are signed, with its store: what accounts hold is what the best chain's
//! blocks did, and transactions are found where they are, after any reorg and after a restart.

use std::collections::BTreeMap;
use std::path::Path;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::hash::tagged_hash;
use blocksmith_consensus::ledger::Account;
use blocksmith_consensus::payment::Coinbase;
use blocksmith_consensus::{
    Block, ChainBlock, Difficulty, Hash, Rules, Sealed, Target, Timestamp, Unproven, merkle,
};
use blocksmith_node::Verdict;
use blocksmith_service::chain::{Chain, Dialect};
use blocksmith_service::{Handle, MAX_HISTORY, Options, StoreError};
use blocksmith_testkit::process::once;
use blocksmith_testkit::random::{Random, setting};
use blocksmith_testkit::signers::Signer;

const STEPS: u64 = 400;
const SEED: u64 = 7_458_128_441;

/// What a coin is worth in these rules, at first.
const SUBSIDY: u64 = 2_000_000_000;

/// What each has at first.
const START: u64 = 1_000_000 + SUBSIDY;

/// Alice and Bob have something from the start, and proofs cost nothing.
fn rules() -> Rules {
    let forge = Sealed::forge();
    let hrp = forge.hrp;
    let people = [Signer::alice(), Signer::bob()].map(|signer| signer.address);
    // The last two are the coins of blocks 2 and 3, if they hold no fees.
    let coins =
        [(0, 1_000_000), (1, 1_000_000), (2, SUBSIDY), (3, SUBSIDY)].map(|(nonce, amount)| {
            Coinbase { recipient: people[nonce as usize % 2], amount, nonce }.text(hrp)
        });
    let texts = || coins.iter().map(String::as_str);
    let easiest = Target::EASIEST;
    let root = merkle::root(texts());
    let genesis = Unproven::new(1, &Hash([0; 32]), 1000, easiest, &root, texts()).expect("a draft");
    Sealed { genesis: genesis.into_genesis(), difficulty: Difficulty::Fixed(easiest), ..forge }
        .named("forge")
}

fn open(rules: &Rules, dir: &Path) -> Handle {
    let options = Options {
        data_dir: Some(dir.to_path_buf()),
        ..Options::new(Chain { rules: rules.clone(), dialect: Dialect::Notes })
    };
    let in_use = |error: &StoreError| matches!(error, StoreError::InUse { .. });
    once(|| blocksmith_service::start(options.clone()), in_use).expect("it starts").0
}

type Accounts = BTreeMap<Address, Account>;

fn stored(handle: &Handle) -> Accounts {
    let snapshot = handle.snapshot().expect("a snapshot");
    snapshot.accounts().expect("accounts").collect::<Result<_, _>>().expect("accounts")
}

/// A block that was made, and what everybody has after it, reckoned the simple way.
#[derive(Clone)]
struct Made {
    linked: ChainBlock,
    accounts: Accounts,
}

struct World {
    rules: Rules,
    people: [Signer; 2],
    made: Vec<Made>,
}

impl World {
    fn new() -> Self {
        let rules = rules();
        let genesis = rules.genesis_block(Timestamp::default());
        let people = [Signer::alice(), Signer::bob()];
        let start = Account { balance: START, nonce: 0 };
        let accounts = people.iter().map(|person| (person.address, start)).collect();
        let made = vec![Made { linked: ChainBlock::genesis(&rules, genesis), accounts }];
        Self { rules, people, made }
    }

    /// A block on the one made at `parent` with some payments between the two; `overspent` with one
    /// that can't be made.
    fn block(&mut self, parent: usize, random: &mut Random, overspent: bool) -> Block {
        let Made { linked, mut accounts } = self.made[parent].clone();
        let domain = self.rules.domain().expect("signed");
        let index = linked.block.index() + 1;
        let (mut texts, mut fees) = (Vec::new(), 0);
        for _ in 0..random.below(4_usize) {
            let (from, to) = (random.below(2), random.below(2));
            let (from, to) = (&self.people[from], self.people[to].address);
            let account = accounts.get_mut(&from.address).expect("both have one");
            let half = usize::try_from(account.balance / 2).expect("a 64-bit machine");
            let (amount, fee) = (1 + random.below(half) as u64, random.below(3) as u64);
            texts.push(from.signed(&from.draft(to, amount, fee, account.nonce), &domain));
            *account =
                Account { balance: account.balance - amount - fee, nonce: account.nonce + 1 };
            accounts.get_mut(&to).expect("both have one").balance += amount;
            fees += fee;
        }
        if overspent {
            let [alice, bob] = &self.people;
            let Account { balance, nonce } = accounts[&alice.address];
            texts.push(alice.signed(&alice.draft(bob.address, balance + 1, 0, nonce), &domain));
        }
        let miner = &self.people[random.below(2)];
        let coin = Coinbase { recipient: miner.address, amount: SUBSIDY + fees, nonce: index };
        texts.push(coin.text(domain.hrp));
        accounts.get_mut(&miner.address).expect("both have one").balance += SUBSIDY + fees;

        let all = || texts.iter().map(String::as_str);
        let time = 1000 + index * 15 + random.below(5) as u64;
        let root = merkle::root(all());
        let draft = Unproven::new(index, &linked.block.hash(), time, Target::EASIEST, &root, all());
        let proof = random.number() >> 11;
        let block = draft.expect("a draft").with_proof(proof).expect("a block");
        if !overspent {
            let linked = linked.followed_by(&self.rules, block.clone());
            self.made.push(Made { linked, accounts });
        }
        block
    }
}

/// Where transactions are, by id and by party; each in the order of the chain.
#[derive(Default)]
struct Lists {
    places: BTreeMap<Hash, Vec<(u64, u32)>>,
    history: BTreeMap<Address, Vec<(u64, u32)>>,
}

impl World {
    /// The blocks from genesis to one that was made.
    fn chain(&self, tip: usize) -> Vec<&Block> {
        let blocks = self.made.iter().map(|made| &made.linked.block);
        let by_id: BTreeMap<Hash, &Block> = blocks.map(|block| (block.hash(), block)).collect();
        let mut chain = vec![&self.made[tip].linked.block];
        while let Some(parent) = by_id.get(&chain[chain.len() - 1].parent().expect("a hash")) {
            chain.push(parent);
        }
        chain.reverse();
        chain
    }

    /// The id of a transaction as its text says it.
    fn id(&self, text: &str) -> Hash {
        let unsigned = match text.split_once(r#", "signature""#) {
            Some((fields, _)) => format!("{fields}}}"),
            None => text.to_owned(),
        };
        let message = [&self.rules.chain_id().0, unsigned.as_bytes()].concat();
        tagged_hash("blocksmith/transaction", &message)
    }

    fn lists(&self, tip: usize) -> Lists {
        let mut lists = Lists::default();
        for block in self.chain(tip) {
            for (position, transaction) in (0..).zip(block.view().transactions()) {
                let place = (block.index(), position);
                lists.places.entry(self.id(transaction.text())).or_default().push(place);
                for person in &self.people {
                    let name = person.address.to_text(self.rules.domain().expect("signed").hrp);
                    let names = ["sender", "recipient"].map(|name| transaction.get(name));
                    if names.iter().any(|text| text.expect("it is there").text().contains(&name)) {
                        lists.history.entry(person.address).or_default().push(place);
                    }
                }
            }
        }
        lists
    }

    /// Asks for everything that was ever made; how many ids have two places.
    fn compare_lists(&self, handle: &Handle, tip: usize, random: &mut Random, at: &str) -> usize {
        let snapshot = handle.snapshot().expect("a snapshot");
        let Lists { places, history } = self.lists(tip);
        for Made { linked, .. } in &self.made {
            for transaction in linked.block.view().transactions() {
                let id = self.id(transaction.text());
                let expected = places.get(&id).cloned().unwrap_or_default();
                assert_eq!(snapshot.places(&id).expect("read"), expected, "{at}: {id}");
            }
        }
        for person in &self.people {
            let key = *person.address.key();
            let mut newest_first = history[&person.address].clone();
            newest_first.reverse();
            let count = newest_first.len();
            assert_eq!(snapshot.activity(&key).expect("read"), count as u64, "{at}");
            let all = snapshot.history(&key, None, MAX_HISTORY + 1).expect("read");
            assert_eq!(all, newest_first[..count.min(MAX_HISTORY)], "{at}");
            let (before, limit) = (random.below(count), random.below(5));
            let end = count.min(before + 1 + limit);
            let page = snapshot.history(&key, Some(newest_first[before]), limit).expect("read");
            assert_eq!(page, newest_first[before + 1..end], "{at}");
        }
        places.values().filter(|places| places.len() > 1).count()
    }
}

#[tokio::test]
async fn accounts_are_what_the_best_chain_did_after_any_reorg_and_restart() {
    let (steps, seed) =
        (setting("BLOCKSMITH_ACCOUNT_STEPS", STEPS), setting("BLOCKSMITH_MODEL_SEED", SEED));
    println!("BLOCKSMITH_MODEL_SEED={seed}");
    let mut random = Random::new(seed);
    let dir = tempfile::tempdir().expect("a directory");
    let mut world = World::new();
    let mut handle = open(&world.rules, dir.path());
    let (mut best, mut reorgs, mut refused, mut shared_ids) = (0, 0, 0, 0);
    assert_eq!(stored(&handle), world.made[best].accounts, "what genesis allots");
    for step in 0..steps {
        // Near the tip; every block stands for the same work.
        let back = if random.percent(60) { 0 } else { random.below(8) };
        let parent = world.made.len() - 1 - back.min(world.made.len() - 1);
        let overspent = random.percent(10);
        let block = world.block(parent, &mut random, overspent);
        let verdict = handle.submit_block(block.clone(), None).await.expect("it runs");
        let on_tip = world.made[parent].linked == world.made[best].linked;
        if overspent {
            // Off the tip it may lie on a side branch unseen.
            let expected = |verdict: &Verdict| match verdict {
                Verdict::Invalid(invalid) => invalid.rule() == "transactions",
                Verdict::SideBranch => !on_tip,
                _ => false,
            };
            assert!(expected(&verdict), "step {step}: {verdict:?}");
            refused += u64::from(matches!(verdict, Verdict::Invalid(_)));
        } else {
            let new = world.made.len() - 1;
            if world.made[new].linked.work > world.made[best].linked.work {
                assert_eq!(verdict, Verdict::NewTip, "step {step}");
                reorgs += u64::from(!on_tip);
                best = new;
            } else {
                assert_eq!(verdict, Verdict::SideBranch, "step {step}");
            }
        }
        if step % 50 == 49 {
            drop(handle);
            handle = open(&world.rules, dir.path());
            let snapshot = handle.snapshot().expect("a snapshot");
            let replayed = blocksmith_service::replay(&snapshot, &world.rules, |_| {})
                .expect("it all follows");
            assert_eq!(replayed.state, snapshot.state_hash().expect("read"), "step {step}");
        }
        if step % 5 == 0 || step % 50 == 49 {
            let at = format!("step {step}");
            shared_ids += world.compare_lists(&handle, best, &mut random, &at);
        }
        let Made { linked, accounts } = &world.made[best];
        let tip = handle.snapshot().expect("a snapshot").tip().expect("a tip");
        assert_eq!(tip, *linked, "step {step}");
        assert_eq!(stored(&handle), *accounts, "step {step}");
        let all: u64 = accounts.values().map(|account| account.balance).sum();
        assert_eq!(all, 2 * START + SUBSIDY * (tip.block.index() - 1), "no coin is made or lost");
    }
    println!("{steps} blocks, {reorgs} reorgs, {refused} refused, {shared_ids} ids twice");
    assert!(steps < 100 || reorgs > 5 && refused > 5, "{reorgs} reorgs, {refused} refused");
    assert!(shared_ids > 0, "no coin has the id of one in the genesis block");
}
