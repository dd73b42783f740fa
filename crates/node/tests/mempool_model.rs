//! The mempool against a naive one: a plain list, of which everything is counted anew for each
//! question; through payments, blocks of ours and of others, reorgs, restarts and time that passes.
//!
//! `BLOCKSMITH_MODEL_STEPS` says how many of them, `BLOCKSMITH_MODEL_SEED` which ones; a failure
//! prints both.

#[allow(dead_code, reason = "the crowd stays at home")]
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::num::NonZeroU64;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::ledger::{Account, Accounts, Changes, Contents, apply};
use blocksmith_consensus::payment::{Coinbase, Draft, Emission, Verified};
use blocksmith_consensus::{Hash, Timestamp};
use blocksmith_node::mempool::{
    Admitted, Limits, MAX_HELD_S, Mempool, MempoolChange, Refused, Waiting,
};
use blocksmith_node::{MAX_BLOCKS, Turn, WhyLater};
use blocksmith_testkit::crowd::Bank;
use blocksmith_testkit::random::{Random, setting};
use blocksmith_testkit::signers::{Signer, forge};

const STEPS: u64 = 50_000;
const SEED: u64 = 20_211_115;

/// Steps before everything starts anew, with other bounds. Nonces stay small, so that signed
/// payments can be used again.
const EPISODE: u64 = 400;

const PEOPLE: usize = 14;
const MEMO: &str = "for the long evening, and for all that we forgot to pay for the last time";
const EMISSION: Emission = Emission { first: 90, halving: NonZeroU64::new(1_000_000).unwrap() };

/// What somebody pays, in numbers; people are known by their places.
type Made = (usize, usize, u64, u64, u64, bool);

/// Signing takes its time: everything is signed once.
struct Pens {
    people: Vec<Signer>,
    signed: HashMap<Made, Verified>,
}

impl Pens {
    fn sign(&mut self, made: Made) -> Verified {
        let (from, to, amount, fee, nonce, has_memo) = made;
        let (people, signed) = (&self.people, &mut self.signed);
        let sign = || {
            let draft = Draft {
                memo: has_memo.then_some(MEMO),
                ..people[from].draft(people[to].address, amount, fee, nonce)
            };
            people[from].pay(&draft, &forge()).verify().expect("signed")
        };
        signed.entry(made).or_insert_with(sign).clone()
    }

    fn any(&mut self, random: &mut Random, from: usize, nonce: u64) -> Verified {
        let to = (from + 1 + random.below(2)) % PEOPLE;
        let amount = *random.pick(&[1, 9, 60]);
        let fee = *random.pick(&[0, 1, 5, 10, 11, 12, 40, 44, 49]);
        self.sign((from, to, amount, fee, nonce, random.percent(25)))
    }
}

/// What waits, in no order at all.
struct Naive {
    limits: Limits,
    waiting: Vec<Waiting>,
    held: Vec<Waiting>,
}

/// A piece of a queue that is mined together.
struct Piece {
    fee: u128,
    bytes: u128,
    ready: (Timestamp, Hash),
    payments: Vec<Waiting>,
}

fn text_bytes(waiting: &Waiting) -> usize {
    waiting.payment.text().len()
}

impl Naive {
    fn bytes(&self) -> usize {
        self.waiting.iter().map(text_bytes).sum()
    }

    fn queue(&self, sender: Address) -> Vec<Waiting> {
        let is_its = |waiting: &&Waiting| waiting.payment.sender() == sender;
        let mut queue: Vec<_> = self.waiting.iter().filter(is_its).cloned().collect();
        queue.sort_by_key(|waiting| waiting.payment.nonce());
        queue
    }

    /// The best piece of a queue that starts at its front, the shortest of equals.
    fn best(queue: &[Waiting], done: usize) -> Piece {
        let arrival = |waiting: &Waiting| (waiting.arrived, waiting.payment.id());
        let piece = |end: usize| {
            let payments = queue[done..end].to_vec();
            Piece {
                fee: payments.iter().map(|waiting| u128::from(waiting.payment.fee())).sum(),
                bytes: payments.iter().map(|waiting| text_bytes(waiting) as u128).sum(),
                ready: queue[..end].iter().map(arrival).max().expect("not empty"),
                payments,
            }
        };
        let better = |best: Piece, other: Piece| {
            if other.fee * best.bytes > best.fee * other.bytes { other } else { best }
        };
        (done + 1..=queue.len()).map(piece).reduce(better).expect("not empty")
    }

    /// All pieces, the best first.
    fn ranking(&self) -> Vec<Piece> {
        let senders: BTreeSet<_> = self.waiting.iter().map(|w| w.payment.sender()).collect();
        let mut all = Vec::new();
        for sender in senders {
            let (queue, mut done) = (self.queue(sender), 0);
            while done < queue.len() {
                let piece = Self::best(&queue, done);
                done += piece.payments.len();
                all.push(piece);
            }
        }
        let rate = |a: &Piece, b: &Piece| (b.fee * a.bytes).cmp(&(a.fee * b.bytes));
        let nonce = |piece: &Piece| piece.payments[0].payment.nonce();
        let then = |a: &Piece, b: &Piece| (a.ready, nonce(a)).cmp(&(b.ready, nonce(b)));
        all.sort_by(|a, b| rate(a, b).then_with(|| then(a, b)));
        all
    }

    fn template(&self, bytes: usize) -> Vec<Verified> {
        let (mut left, mut late, mut template) = (bytes, BTreeSet::new(), Vec::new());
        for piece in self.ranking() {
            let needed: usize = piece.payments.iter().map(|waiting| text_bytes(waiting) + 2).sum();
            let sender = piece.payments[0].payment.sender();
            if late.contains(&sender) || needed > left {
                late.insert(sender);
            } else {
                left -= needed;
                template.extend(piece.payments.into_iter().map(|waiting| waiting.payment));
            }
        }
        template
    }

    /// The rate that the first payment beyond so many bytes has.
    fn estimate(&self, bytes: usize) -> Option<(u128, u128)> {
        let mut sum = 0;
        for Piece { fee, bytes: text, payments, .. } in self.ranking() {
            sum += text as usize + 2 * payments.len();
            if sum > bytes {
                return Some((fee, text));
            }
        }
        None
    }

    fn is_too_large(&self) -> bool {
        self.waiting.len() > self.limits.payments || self.bytes() > self.limits.bytes
    }

    fn remove(&mut self, gone: &[Waiting]) {
        self.waiting.retain(|waiting| !gone.contains(waiting));
    }

    /// Whether it waits now, or is held.
    fn admit(&mut self, account: Account, new: Waiting) -> Result<bool, &'static str> {
        let (sender, nonce) = (new.payment.sender(), new.payment.nonce());
        let queue = self.queue(sender);
        if self.limits.refused_senders.contains(&sender) {
            return Err("sender");
        }
        if nonce < account.nonce {
            return Err("nonce used");
        }
        if nonce >= account.nonce + self.limits.ahead as u64 {
            return Err("too far");
        }
        if self.waiting.iter().chain(&self.held).any(|known| known.payment == new.payment) {
            return Err("known");
        }
        let mut all: Vec<_> =
            queue.iter().filter(|waiting| waiting.payment.nonce() != nonce).cloned().collect();
        all.push(new.clone());
        let cost_up_to = |nonce: u64| -> u64 {
            let before = all.iter().filter(|waiting| waiting.payment.nonce() <= nonce);
            before.map(|waiting| waiting.payment.amount() + waiting.payment.fee()).sum()
        };
        if cost_up_to(nonce) > account.balance {
            return Err("balance");
        }
        let is_its_place =
            |held: &Waiting| held.payment.sender() == sender && held.payment.nonce() == nonce;
        if nonce > account.nonce && !queue.iter().any(|w| w.payment.nonce() == nonce - 1) {
            self.held.retain(|held| !is_its_place(held));
            self.held.push(new);
            return Ok(false);
        }
        let leaves = |waiting: &&Waiting| {
            waiting.payment.nonce() == nonce
                || cost_up_to(waiting.payment.nonce()) > account.balance
        };
        let replaced: Vec<_> = queue.iter().filter(leaves).cloned().collect();
        let fees: u64 = replaced.iter().map(|waiting| waiting.payment.fee()).sum();
        let (fee, is_new) = (new.payment.fee(), replaced.is_empty());
        if !is_new && (fee * 10 < fees * 11 || fee <= fees) {
            return Err("replacement");
        }
        let before = self.waiting.clone();
        self.remove(&replaced);
        self.waiting.push(new.clone());
        while self.is_too_large() {
            let worst = self.ranking().pop().expect("not empty").payments;
            if worst.contains(&new) {
                self.waiting = before;
                return Err("full");
            }
            self.remove(&worst);
        }
        self.take_held(sender, account);
        Ok(true)
    }

    /// Tries what is held and can be next.
    fn take_held(&mut self, sender: Address, account: Account) {
        let next = account.nonce + self.queue(sender).len() as u64;
        let is_past =
            |held: &Waiting| held.payment.sender() == sender && held.payment.nonce() < next;
        self.held.retain(|held| !is_past(held));
        let is_next =
            |held: &Waiting| held.payment.sender() == sender && held.payment.nonce() == next;
        if next < account.nonce + self.limits.ahead as u64
            && let Some(place) = self.held.iter().position(is_next)
        {
            let held = self.held.remove(place);
            let _ = self.admit(account, held);
        }
    }

    /// Looks at everybody, not only at those whom the change touches.
    fn follow(&mut self, now: Timestamp, returned: &[Verified], bank: &Bank) {
        for payment in returned {
            if !self.waiting.iter().any(|waiting| waiting.payment == *payment) {
                self.waiting.push(Waiting { arrived: now, payment: payment.clone() });
            }
        }
        let senders: BTreeSet<_> = self.waiting.iter().map(|w| w.payment.sender()).collect();
        for sender in senders {
            let Ok(account) = bank.account(&sender);
            let (mut nonce, mut left) = (account.nonce, account.balance);
            let mut gone = self.queue(sender);
            let end = account.nonce + self.limits.ahead as u64;
            let is_refused = self.limits.refused_senders.contains(&sender);
            while !is_refused
                && nonce < end
                && let Some(place) = gone.iter().position(|w| w.payment.nonce() == nonce)
                && let Some(rest) = left.checked_sub(gone[place].payment.cost())
            {
                gone.remove(place);
                (nonce, left) = (nonce + 1, rest);
            }
            self.remove(&gone);
        }
        while self.is_too_large() {
            let worst = self.ranking().pop().expect("not empty").payments;
            self.remove(&worst);
        }
        let senders: BTreeSet<_> = self.held.iter().map(|held| held.payment.sender()).collect();
        for sender in senders {
            let Ok(account) = bank.account(&sender);
            self.take_held(sender, account);
        }
    }

    fn expire(&mut self, now: Timestamp) {
        let is_held_too_long =
            |held: &Waiting| held.arrived.micros + MAX_HELD_S * 1_000_000 <= now.micros;
        self.held.retain(|held| !is_held_too_long(held));
        let is_old = |waiting: &Waiting| {
            waiting.arrived.micros + self.limits.expiry_s * 1_000_000 <= now.micros
        };
        let old: Vec<_> = self.waiting.iter().filter(|waiting| is_old(waiting)).cloned().collect();
        let is_after = |waiting: &Waiting, old: &Waiting| {
            waiting.payment.sender() == old.payment.sender()
                && waiting.payment.nonce() >= old.payment.nonce()
        };
        self.waiting.retain(|waiting| !old.iter().any(|old| is_after(waiting, old)));
    }
}

fn kind(refused: &Refused) -> &'static str {
    match refused {
        Refused::Known { .. } => "known",
        Refused::Sender { .. } => "sender",
        Refused::NonceUsed { .. } => "nonce used",
        Refused::TooFar { .. } => "too far",
        Refused::Balance { .. } => "balance",
        Refused::Replacement { .. } => "replacement",
        Refused::Replaces { .. } => "replaces",
        Refused::Full { .. } => "full",
    }
}

/// Everything that there is: the chain, both mempools, and what a store keeps of the real one.
struct World {
    bank: Bank,
    blocks: Vec<(Vec<Verified>, Changes)>,
    real: Mempool,
    naive: Naive,
    kept: BTreeMap<Hash, Waiting>,
    now: Timestamp,
}

impl World {
    fn new(random: &mut Random, people: &[Signer]) -> Self {
        let limits = Limits {
            payments: *random.pick(&[12, 40, 1_000]),
            bytes: *random.pick(&[9_000, 20_000, 1 << 26]),
            ahead: *random.pick(&[3, 16]),
            expiry_s: *random.pick(&[100, 2_000]),
            refused_senders: BTreeSet::from([people[0].address]),
        };
        let poor = |random: &mut Random| Account {
            balance: *random.pick(&[40, 300, 2_000]),
            nonce: random.below(3) as u64,
        };
        let bank = people.iter().map(|person| (person.address, poor(random))).collect();
        Self {
            bank: Bank(bank),
            blocks: Vec::new(),
            real: Mempool::new(limits.clone()),
            naive: Naive { limits, waiting: Vec::new(), held: Vec::new() },
            kept: BTreeMap::new(),
            now: Timestamp { micros: 1_700_000_000_000_000 },
        }
    }

    fn keep(&mut self, change: MempoolChange) {
        for gone in &change.removed {
            assert!(self.kept.remove(&gone.payment.id()).is_some(), "only what is there leaves");
        }
        for new in change.added {
            assert_eq!(self.kept.insert(new.payment.id(), new), None, "only what is new joins");
        }
    }

    fn nonce(&self, address: &Address) -> u64 {
        self.bank.0[address].nonce
    }

    /// Puts a block on the chain; whose accounts it changes.
    fn connect(&mut self, payments: Vec<Verified>, miner: Address) -> Vec<Address> {
        let index = self.blocks.len() as u64 + 2;
        let fees: u64 = payments.iter().map(|payment| payment.fee()).sum();
        let amount = EMISSION.subsidy(index) + fees;
        let coin = Coinbase { recipient: miner, amount, nonce: index };
        let contents = Contents { payments, coin };
        let changes = apply(&self.bank, index, &contents, &EMISSION).expect("valid");
        let touched = changes.accounts.iter().map(|change| change.address).collect();
        self.bank.0.extend(changes.accounts.iter().map(|change| (change.address, change.after)));
        self.blocks.push((contents.payments, changes));
        touched
    }

    /// Takes a block off the chain: whose accounts that changes, and its payments.
    fn disconnect(&mut self) -> Option<(Vec<Address>, Vec<Verified>)> {
        let (payments, changes) = self.blocks.pop()?;
        self.bank.0.extend(changes.accounts.iter().map(|change| (change.address, change.before)));
        Some((changes.accounts.iter().map(|change| change.address).collect(), payments))
    }

    fn follow(&mut self, touched: Vec<Address>, returned: Vec<Verified>) {
        self.naive.follow(self.now, &returned, &self.bank);
        // To look at everybody must come to the same.
        let touched = (!touched.len().is_multiple_of(3)).then_some(touched);
        let Ok(change) = self.real.follow(self.now, touched, returned, &self.bank);
        self.keep(change);
    }

    /// A block by somebody who knows other payments: what was there before, what waits, what is new.
    fn foreign(
        &mut self,
        random: &mut Random,
        pens: &mut Pens,
        before: &[Verified],
    ) -> Vec<Verified> {
        let mut accounts = self.bank.clone();
        let mut block = Vec::new();
        let mut take = |payment: Verified| {
            let account = accounts.0.get_mut(&payment.sender()).expect("everybody has one");
            if let Ok(after) = account.pay(&payment) {
                *account = after;
                block.push(payment);
            }
        };
        for payment in before.iter().filter(|_| random.percent(60)) {
            take(payment.clone());
        }
        for _ in 0..random.below(6) {
            let who = random.below(PEOPLE);
            let address = pens.people[who].address;
            let waiting = self.naive.queue(address);
            if random.percent(50) {
                let some = random.below(waiting.len() + 1);
                waiting.into_iter().take(some).for_each(|waiting| take(waiting.payment));
            } else {
                let nonce = self.nonce(&address);
                take(pens.any(random, who, nonce));
            }
        }
        block
    }

    fn check(&self, random: &mut Random, miner: Address) {
        let mut all = self.naive.waiting.clone();
        all.sort_by_key(|waiting| (waiting.arrived, waiting.payment.id()));
        assert!(self.real.iter().eq(&all), "what waits, and since when");
        assert!(self.real.iter().all(|waiting| self.kept[&waiting.payment.id()] == *waiting));
        assert_eq!(self.kept.len(), all.len(), "what is kept");
        assert_eq!((self.real.len(), self.real.bytes()), (all.len(), self.naive.bytes()));
        assert!(!self.naive.is_too_large());
        for waiting in &all {
            assert_eq!(self.real.get(&waiting.payment.id()), Some(waiting));
        }
        for (address, account) in &self.bank.0 {
            let queue = self.real.of_sender(address);
            assert_eq!(queue, self.naive.queue(*address));
            let paid = |waiting: &&Waiting| waiting.payment.recipient() == *address;
            let to_it: BTreeSet<_> = all.iter().filter(paid).map(|one| one.payment.id()).collect();
            assert!(self.real.to_recipient(address).map(|one| one.payment.id()).eq(to_it));
            assert!(queue.len() <= self.naive.limits.ahead);
            let next = (!queue.is_empty()).then_some(account.nonce + queue.len() as u64);
            assert_eq!(self.real.next_nonce(address), next);
            let mut account = *account;
            for waiting in queue {
                account = account.pay(&waiting.payment).expect("all that waits can be paid");
            }
        }
        let room = *random.pick(&[0, 341, 700, 3_000, 9_000, usize::MAX]);
        let template: Vec<_> = self.real.template(room).into_iter().cloned().collect();
        assert_eq!(template, self.naive.template(room), "a template of {room} bytes");
        assert!(template.iter().map(|payment| payment.text().len() + 2).sum::<usize>() <= room);
        let index = self.blocks.len() as u64 + 2;
        let fees: u64 = template.iter().map(|payment| payment.fee()).sum();
        let amount = EMISSION.subsidy(index) + fees;
        let coin = Coinbase { recipient: miner, amount, nonce: index };
        apply(&self.bank, index, &Contents { payments: template, coin }, &EMISSION)
            .expect("a template is valid");
        let room = room.min(9_000);
        let estimate = self.real.estimate(room);
        for (rate, blocks) in [(estimate.next, 1), (estimate.next_three, 3)] {
            let least = |(fee, bytes): (u128, u128)| (fee * 1_000 / bytes + 1) as u64;
            let expected = self.naive.estimate(blocks * room).map(least);
            assert_eq!(rate.map(|rate| rate.fee_above(1_000)), expected, "{blocks} blocks");
        }
    }
}

impl World {
    /// Makes blocks of a copy of the mempool, one after the other, until it is empty or nothing fits:
    /// each payment must be where its turn said, for the reason that it said.
    fn check_turns(&self, random: &mut Random, miner: Address) {
        let sizes: Vec<usize> = (0..3).map(|_| *random.pick(&[700, 1_500, 3_000, 9_000])).collect();
        let room = |block: u64| sizes[block as usize % 3];
        let all: BTreeSet<Hash> = self.kept.keys().copied().collect();
        let turns = self.real.turns(&all, room);
        let some: BTreeSet<Hash> = all.iter().copied().filter(|_| random.percent(20)).collect();
        let wanted = turns.iter().filter(|(id, _)| some.contains(*id));
        assert!(self.real.turns(&some, room).iter().eq(wanted), "the same for some of them");

        let ranking = self.naive.ranking();
        let is_dragged = |payment: &Verified| {
            let is_its = |piece: &&Piece| piece.payments.iter().any(|w| w.payment == *payment);
            let piece = ranking.iter().find(is_its).expect("it waits");
            let nonce = piece.payments[0].payment.nonce();
            let (fee, bytes) = (u128::from(payment.fee()), payment.text().len() as u128);
            (fee * piece.bytes > piece.fee * bytes).then_some(nonce)
        };
        let (limits, mut bank) = (self.naive.limits.clone(), self.bank.clone());
        let Ok((mut copy, _)) = Mempool::restore(limits, self.kept.values().cloned(), &bank);
        let (mut ahead, mut expected) = (0, BTreeMap::new());
        for block in 0..MAX_BLOCKS {
            let payments: Vec<_> = copy.template(room(block)).into_iter().cloned().collect();
            if payments.is_empty() {
                break;
            }
            for payment in &payments {
                ahead += 1;
                let why = is_dragged(payment).map_or(WhyLater::Fee, WhyLater::Nonce);
                let why = (block > 0).then_some(why);
                expected.insert(payment.id(), Turn { place: ahead, block, why });
            }
            let index = self.blocks.len() as u64 + 2 + block;
            let fees: u64 = payments.iter().map(|payment| payment.fee()).sum();
            let coin =
                Coinbase { recipient: miner, amount: EMISSION.subsidy(index) + fees, nonce: index };
            let contents = Contents { payments, coin };
            let changes = apply(&bank, index, &contents, &EMISSION).expect("valid");
            bank.0.extend(changes.accounts.iter().map(|change| (change.address, change.after)));
            let touched = changes.accounts.iter().map(|change| change.address).collect();
            let Ok(change) = copy.follow(self.now, Some(touched), [], &bank);
            assert!(change.added.is_empty(), "nothing comes");
        }
        assert_eq!(turns, expected);
    }
}

/// Prints how to come back to where a test failed.
struct Replay {
    seed: u64,
    step: u64,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { seed, step } = *self;
            eprintln!("BLOCKSMITH_MODEL_SEED={seed} BLOCKSMITH_MODEL_STEPS={}", step + 1);
        }
    }
}

#[test]
fn a_mempool_is_a_list_that_is_counted_anew_each_time() {
    let (seed, steps) =
        (setting("BLOCKSMITH_MODEL_SEED", SEED), setting("BLOCKSMITH_MODEL_STEPS", STEPS));
    println!("BLOCKSMITH_MODEL_SEED={seed} BLOCKSMITH_MODEL_STEPS={steps}");
    let mut replay = Replay { seed, step: 0 };
    let mut random = Random::new(seed);
    let people: Vec<_> = (1..=PEOPLE as u64).map(Signer::new).collect();
    let mut pens = Pens { people, signed: HashMap::new() };
    let mut world = World::new(&mut random, &pens.people);
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for step in 0..steps {
        replay.step = step;
        if step % EPISODE == EPISODE - 1 {
            world = World::new(&mut random, &pens.people);
        }
        world.now.micros += *random.pick(&[0, 0, 1, 500_000]);
        let miner = random.pick(&pens.people).address;
        let what = match random.below(100) {
            0..75 => admit(&mut world, &mut random, &mut pens),
            75..81 => {
                let block = world.real.template(random.below(6_000));
                let block = block.into_iter().cloned().collect();
                let touched = world.connect(block, miner);
                world.follow(touched, Vec::new());
                "a block of ours"
            }
            81..86 => {
                let block = world.foreign(&mut random, &mut pens, &[]);
                let touched = world.connect(block, miner);
                world.follow(touched, Vec::new());
                "a block of others"
            }
            86..93 => reorganize(&mut world, &mut random, &mut pens, miner),
            93..97 => {
                world.now.micros += random.below(120_000_000) as u64;
                // A clock may be set back.
                world.now.micros -= if random.percent(10) { 15_000_000 } else { 0 };
                world.naive.expire(world.now);
                let change = world.real.expire(world.now);
                let is_empty = change.is_empty();
                world.keep(change);
                if is_empty { "nothing expired" } else { "expired" }
            }
            _ => {
                let kept: Vec<_> = world.kept.values().cloned().collect();
                let limits = world.naive.limits.clone();
                let Ok((mempool, change)) = Mempool::restore(limits, kept, &world.bank);
                assert!(change.is_empty(), "everything is still good");
                world.real = mempool;
                world.naive.held.clear();
                "restart"
            }
        };
        *seen.entry(what).or_default() += 1;
        world.check(&mut random, miner);
        if random.percent(5) {
            world.check_turns(&mut random, miner);
        }
    }
    println!("{seen:?}, {} signed", pens.signed.len());
    let all = [
        "added",
        "replaced",
        "evicted",
        "known",
        "sender",
        "nonce used",
        "too far",
        "held",
        "held before",
        "balance",
        "replacement",
        "full",
        "expired",
        "returned",
        "restart",
    ];
    for what in all.into_iter().filter(|_| steps >= STEPS) {
        assert!(seen.get(what).is_some_and(|times| *times > 100), "{what}: {seen:?}");
    }
}

fn admit(world: &mut World, random: &mut Random, pens: &mut Pens) -> &'static str {
    let who = random.below(PEOPLE);
    let address = pens.people[who].address;
    let (first, queue) = (world.nonce(&address), world.naive.queue(address));
    let next = first + queue.len() as u64;
    let nonce = match random.below(100) {
        0..60 => next,
        60..85 => first + random.below(queue.len() + 1) as u64,
        85..90 => first.saturating_sub(1 + random.below(2) as u64),
        90..95 => next + 1 + random.below(2) as u64,
        _ => first + world.naive.limits.ahead as u64 + random.below(2) as u64,
    };
    let held = world.naive.held.iter().find(|held| held.payment.sender() == address);
    let payment = match queue.first().or(held) {
        Some(known) if random.percent(4) => known.payment.clone(),
        _ => pens.any(random, who, nonce),
    };
    let nonce = payment.nonce();
    let Ok(account) = world.bank.account(&address);
    let new = Waiting { arrived: world.now, payment: payment.clone() };
    let expected = world.naive.admit(account, new);
    let Ok(outcome) = world.real.admit(world.now, payment, &world.bank);
    let waits = |admitted: &Admitted| matches!(admitted, Admitted::Waits(_));
    assert_eq!(outcome.as_ref().map(waits).map_err(kind), expected);
    match outcome {
        Ok(Admitted::Held { missing }) => {
            assert_eq!(missing, next);
            "held"
        }
        Ok(Admitted::Waits(change)) => {
            let replaces = queue.iter().any(|waiting| waiting.payment.nonce() == nonce);
            let what = match change.removed.len() {
                0 if change.added.len() > 1 => "held before",
                0 => "added",
                1 if replaces => "replaced",
                _ => "evicted",
            };
            world.keep(change);
            what
        }
        Err(refused) => kind(&refused),
    }
}

/// Some blocks are dropped, others come in their place, with some of the same payments.
fn reorganize(
    world: &mut World,
    random: &mut Random,
    pens: &mut Pens,
    miner: Address,
) -> &'static str {
    let (mut touched, mut returned) = (Vec::new(), Vec::new());
    for _ in 0..1 + random.below(4) {
        let Some((addresses, mut payments)) = world.disconnect() else { break };
        touched.extend(addresses);
        payments.extend(returned);
        returned = payments;
    }
    for _ in 0..random.below(4) {
        let block = world.foreign(random, pens, &returned);
        touched.extend(world.connect(block, miner));
    }
    let before = world.kept.len();
    world.follow(touched, returned);
    if world.kept.len() > before { "returned" } else { "a reorg" }
}
