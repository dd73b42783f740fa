//! The ledger against a naive one: a list of all transactions ever made, in which a balance is what
//! came in less what went out, counted again for each question.
//!
//! `BLOCKSMITH_MODEL_STEPS` says how many blocks are handed in or undone, `BLOCKSMITH_MODEL_SEED`
//! which ones; a failure prints both.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::ledger::{
    Account, Accounts, BadBody, Body, Changes, Contents, NotApplied, Unpayable, allot, apply,
};
use blocksmith_consensus::payment::{Coinbase, Emission, Entry, Verified};
use blocksmith_testkit::random::{Random, setting};
use blocksmith_testkit::signers::{Signer, forge};

const STEPS: u64 = 100_000;
const SEED: u64 = 2018_0917;

/// Steps before everything starts anew. Nonces stay small, so that signed payments can be used
/// again; and the naive ledger takes a time that grows with the square of it.
const EPISODE: u64 = 60;

const AMOUNTS: [u64; 7] = [1, 2, 3, 10, 25, 60, 1_000_000];
const FEES: [u64; 3] = [0, 1, 4];

/// A transaction in numbers; people are known by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Made {
    Payment { from: usize, to: usize, amount: u64, fee: u64, nonce: u64 },
    Coinbase { to: usize, amount: u64, nonce: u64 },
}

/// What became of a block, as both sides say it.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Applied {
        fees: u64,
    },
    /// The rule's name, and the place of the transaction that breaks it.
    Broken(&'static str, usize),
}

/// Everything that was ever made, in order; a list for each block.
struct Naive {
    blocks: Vec<Vec<Made>>,
    emission: Emission,
}

impl Naive {
    /// What `who` has after all blocks and `pending`, and how many payments it made.
    fn account(&self, pending: &[Made], who: usize) -> (i128, u64) {
        let (mut balance, mut payments) = (0, 0);
        for made in self.blocks.iter().flatten().chain(pending) {
            match *made {
                Made::Payment { from, to, amount, fee, .. } => {
                    if from == who {
                        balance -= i128::from(amount) + i128::from(fee);
                        payments += 1;
                    }
                    if to == who {
                        balance += i128::from(amount);
                    }
                }
                Made::Coinbase { to, amount, .. } if to == who => balance += i128::from(amount),
                Made::Coinbase { .. } => {}
            }
        }
        (balance, payments)
    }

    /// The index of the next block: the genesis block, which is the first, has 1.
    fn next_index(&self) -> u64 {
        self.blocks.len() as u64 + 1
    }

    /// The subsidy, halved by hand.
    fn subsidy(&self, index: u64) -> u64 {
        let mut subsidy = self.emission.first;
        let mut paid = self.emission.halving.get();
        for _ in 2..index {
            paid -= 1;
            if paid == 0 {
                (subsidy, paid) = (subsidy / 2, self.emission.halving.get());
            }
        }
        subsidy
    }

    /// What becomes of `block`, in the words of the rules.
    fn fate(&self, block: &[Made]) -> Fate {
        let is_coin = |made: &Made| matches!(made, Made::Coinbase { .. });
        let coins: Vec<usize> = (0..block.len()).filter(|place| is_coin(&block[*place])).collect();
        match coins.first() {
            Some(place) if place + 1 < block.len() => return Fate::Broken("coin place", *place),
            Some(_) => {}
            None => return Fate::Broken("no coin", block.len()),
        }
        let mut fees = 0;
        for (place, made) in block.iter().enumerate() {
            match *made {
                Made::Payment { from, amount, fee, nonce, .. } => {
                    let (balance, payments) = self.account(&block[..place], from);
                    if nonce != payments {
                        return Fate::Broken("nonce", place);
                    }
                    if balance < i128::from(amount) + i128::from(fee) {
                        return Fate::Broken("balance", place);
                    }
                    fees += fee;
                }
                Made::Coinbase { amount, nonce, .. } => {
                    if nonce != self.next_index() {
                        return Fate::Broken("coin nonce", place);
                    }
                    if amount != self.subsidy(self.next_index()) + fees {
                        return Fate::Broken("coin amount", place);
                    }
                }
            }
        }
        Fate::Applied { fees }
    }

    /// All units that there are by right.
    fn supply(&self, allotted: u64) -> u64 {
        allotted + (2..self.next_index()).map(|index| self.subsidy(index)).sum::<u64>()
    }
}

/// The accounts that are not empty, and what it takes to go back.
#[derive(Default)]
struct Store {
    accounts: BTreeMap<Address, Account>,
    undo: Vec<Changes>,
}

impl Accounts for Store {
    type Error = Infallible;

    fn account(&self, address: &Address) -> Result<Account, Infallible> {
        Ok(self.accounts.get(address).copied().unwrap_or_default())
    }
}

impl Store {
    fn write(&mut self, address: Address, account: Account) {
        if account == Account::default() {
            self.accounts.remove(&address);
        } else {
            self.accounts.insert(address, account);
        }
    }

    fn connect(&mut self, changes: Changes) {
        assert!(changes.accounts.is_sorted_by(|a, b| a.address < b.address), "each once");
        for change in &changes.accounts {
            assert_eq!(self.account(&change.address), Ok(change.before));
            assert_ne!(change.before, change.after);
            self.write(change.address, change.after);
        }
        self.undo.push(changes);
    }

    fn disconnect(&mut self) {
        for change in self.undo.pop().expect("a block").accounts {
            assert_eq!(self.account(&change.address), Ok(change.after));
            self.write(change.address, change.before);
        }
    }
}

struct World {
    people: Vec<Signer>,
    signed: HashMap<Made, Verified>,
    naive: Naive,
    store: Store,
    allotted: u64,
}

impl World {
    fn new(random: &mut Random, people: Vec<Signer>, signed: HashMap<Made, Verified>) -> Self {
        let halving = (1 + random.below(12) as u64).try_into().expect("not zero");
        let emission = Emission { first: random.below(90) as u64, halving };
        let genesis: Vec<Made> = (0..random.below(4) as u64)
            .map(|nonce| Made::Coinbase {
                to: random.below(people.len()),
                amount: random.below(100) as u64,
                nonce,
            })
            .collect();
        let mut world = Self {
            people,
            signed,
            naive: Naive { blocks: vec![], emission },
            store: Store::default(),
            allotted: 0,
        };
        let coins: Vec<Coinbase> = genesis.iter().map(|made| world.coin(*made)).collect();
        world.allotted = coins.iter().map(|coin| coin.amount).sum();
        world.store.connect(allot(&coins, &emission).expect("few units"));
        world.naive.blocks.push(genesis);
        world
    }

    fn coin(&self, made: Made) -> Coinbase {
        let Made::Coinbase { to, amount, nonce } = made else { panic!("a coin") };
        Coinbase { recipient: self.people[to].address, amount, nonce }
    }

    fn verified(&mut self, made: Made) -> Verified {
        let Made::Payment { from, to, amount, fee, nonce } = made else { panic!("a payment") };
        let (signer, to) = (&self.people[from], self.people[to].address);
        let sign = || signer.pay(&signer.draft(to, amount, fee, nonce), &forge());
        self.signed.entry(made).or_insert_with(|| sign().verify().expect("signed")).clone()
    }

    /// A block that is valid more often than not.
    fn block(&self, random: &mut Random) -> Vec<Made> {
        let mut block: Vec<Made> = vec![];
        for _ in 0..random.below(5) {
            let (from, to) = (random.below(self.people.len()), random.below(self.people.len()));
            let (balance, mut nonce) = self.naive.account(&block, from);
            let (mut amount, mut fee) = (*random.pick(&AMOUNTS), *random.pick(&FEES));
            if i128::from(amount + fee) > balance && !random.percent(4) {
                (amount, fee) = (1, 0);
                if balance < 1 {
                    continue;
                }
            }
            // To the last unit, and one more.
            if random.percent(10) && balance > 0 && balance < 80 {
                (amount, fee) = (balance as u64 + u64::from(random.percent(30)), 0);
            }
            if random.percent(3) {
                nonce = random.below(nonce as usize + 3) as u64;
            }
            block.push(Made::Payment { from, to, amount, fee, nonce });
        }
        let made: Vec<Made> = self.naive.blocks.iter().flatten().chain(&block).copied().collect();
        let payments: Vec<Made> =
            made.into_iter().filter(|made| matches!(made, Made::Payment { .. })).collect();
        if random.percent(5) && !payments.is_empty() {
            // Once more what was made before, here or in an earlier block.
            block.insert(random.below(block.len() + 1), *random.pick(&payments));
        }
        let fee = |made: &Made| if let Made::Payment { fee, .. } = made { *fee } else { 0 };
        let fees: u64 = block.iter().map(fee).sum();
        let index = self.naive.next_index();
        let (mut amount, mut nonce) = (self.naive.subsidy(index) + fees, index);
        match random.below(40) {
            0 => amount += 1,
            1 => amount = amount.saturating_sub(1),
            2 => nonce += 1,
            3 => nonce -= 1,
            4 => amount += 100_000_000,
            _ => {}
        }
        let coin = Made::Coinbase { to: random.below(self.people.len()), amount, nonce };
        match random.below(40) {
            0 => {}
            1 => block.insert(random.below(block.len() + 1), coin),
            2 => block.extend([coin, coin]),
            _ => block.push(coin),
        }
        block
    }

    fn fate(&mut self, block: &[Made]) -> (Fate, Option<Changes>) {
        let mut verified = vec![];
        let mut entries = vec![];
        for made in block {
            if matches!(made, Made::Coinbase { .. }) {
                entries.push(Entry::Coinbase(self.coin(*made)));
                continue;
            }
            verified.push(self.verified(*made));
            entries.push(Entry::Payment(verified[verified.len() - 1].clone().into_payment()));
        }
        let index = self.naive.next_index();
        let changes = Body::of_entries(entries).map_err(NotApplied::from).and_then(|body| {
            assert!(body.payments.iter().eq(verified.iter().map(|verified| &**verified)));
            apply(
                &self.store,
                index,
                &Contents { payments: verified, coin: body.coin },
                &self.naive.emission,
            )
        });
        let last = block.len().saturating_sub(1);
        match changes {
            Ok(changes) => (Fate::Applied { fees: changes.fees }, Some(changes)),
            Err(NotApplied::Accounts(never)) => match never {},
            Err(NotApplied::Invalid(fault)) => {
                let fate = match fault {
                    BadBody::NoCoinbase { transactions } => Fate::Broken("no coin", transactions),
                    BadBody::CoinbasePlace { position, .. } => Fate::Broken("coin place", position),
                    BadBody::CoinbaseNonce { .. } => Fate::Broken("coin nonce", last),
                    BadBody::CoinbaseAmount { .. } => Fate::Broken("coin amount", last),
                    BadBody::Payment { position, why: Unpayable::Nonce { .. }, .. } => {
                        Fate::Broken("nonce", position)
                    }
                    BadBody::Payment { position, why: Unpayable::Balance { .. }, .. } => {
                        Fate::Broken("balance", position)
                    }
                    BadBody::Transaction { .. }
                    | BadBody::Overflow { .. }
                    | BadBody::Supply { .. } => panic!("none of these blocks is so: {fault}"),
                };
                (fate, None)
            }
        }
    }

    fn compare(&self) {
        let mut units = 0;
        for (place, person) in self.people.iter().enumerate() {
            let (balance, nonce) = self.naive.account(&[], place);
            let account = self.store.account(&person.address).expect("infallible");
            assert_eq!((account.balance.into(), account.nonce), (balance, nonce), "{place}");
            units += account.balance;
        }
        assert_eq!(units, self.naive.supply(self.allotted), "no unit is made or lost");
        let known = |address: &Address| self.people.iter().any(|person| person.address == *address);
        assert!(self.store.accounts.keys().all(known));
    }
}

#[test]
fn the_ledger_does_what_counting_everything_again_does() {
    let (seed, steps) =
        (setting("BLOCKSMITH_MODEL_SEED", SEED), setting("BLOCKSMITH_MODEL_STEPS", STEPS));
    println!("BLOCKSMITH_MODEL_SEED={seed} BLOCKSMITH_MODEL_STEPS={steps}");
    let mut random = Random::new(seed);
    let people: Vec<Signer> = (1..=4).map(Signer::new).collect();
    let mut world = World::new(&mut random, people, HashMap::new());
    let mut seen: BTreeMap<&'static str, u64> = BTreeMap::new();
    for step in 0..steps {
        if step % EPISODE == 0 {
            // All the way back: nobody has anything.
            while !world.store.undo.is_empty() {
                world.store.disconnect();
            }
            assert!(world.store.accounts.is_empty(), "step {step}");
            world = World::new(&mut random, world.people, world.signed);
        }
        if random.percent(15) {
            for _ in 0..1 + random.below(3) {
                if world.naive.blocks.len() > 1 {
                    world.naive.blocks.pop();
                    world.store.disconnect();
                    *seen.entry("undone").or_default() += 1;
                }
            }
            world.compare();
            continue;
        }
        let block = world.block(&mut random);
        let expected = world.naive.fate(&block);
        let (fate, changes) = world.fate(&block);
        assert_eq!(fate, expected, "step {step}: {block:?} on {:?}", world.naive.blocks);
        if let Some(changes) = changes {
            world.store.connect(changes);
            world.naive.blocks.push(block);
        }
        let kind = match fate {
            Fate::Applied { .. } => "applied",
            Fate::Broken(rule, _) => rule,
        };
        *seen.entry(kind).or_default() += 1;
        world.compare();
    }
    println!("{seen:?}, {} payments signed", world.signed.len());
    // Each rule was broken, or the test says less than it seems to.
    if steps >= STEPS {
        for (kind, least) in [
            ("applied", 50_000),
            ("balance", 1000),
            ("coin amount", 1000),
            ("coin nonce", 1000),
            ("coin place", 1000),
            ("no coin", 1000),
            ("nonce", 1000),
            ("undone", 10_000),
        ] {
            let count = seen.get(kind).copied().unwrap_or_default();
            assert!(count >= least, "{kind}: {count}");
        }
    }
}
