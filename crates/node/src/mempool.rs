//! The signed payments that wait for a block of a `forge` chain.
//!
//! Every payment that waits could be mined now: a sender's payments are a queue without gaps, from
//! the account's next nonce on, and the account can pay for all of them from its present balance.
//! Payments to the account that still wait do not count: their senders may replace them.
//!
//! Fees are compared by the byte of canonical text. A sender's queue is cut into chunks: its prefix
//! with the best rate, then the best prefix of the rest, and so on. A payment with a high fee thus
//! pays for cheap ones before it, and they do not hold it back; and since the rates of a queue's
//! chunks never rise, one order of all chunks serves every purpose. A template takes from its
//! front, eviction from its back, and neither can leave a gap. It is Bitcoin Core's cluster
//! mempool, which is simple where every cluster is a chain: [`Limits::ahead`] payments, so that
//! each change costs a few dozen steps in balanced trees, however many payments wait.
//!
//! A payment that overtook the one before it on its way is held aside for some minutes, within a
//! small bound, and is no part of all this until the missing one comes. A payment behind a gap
//! could not be mined; if it could evict others, an attacker with some coins could empty the
//! mempool for free (Li, Wang and Tang, "DETER: Denial of Ethereum Txpool Services", 2021).
//!
//! Of equal chunks, the one that came first wins. A chunk came when the last of all payments up to
//! its end came.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::{Ordering, Reverse};
use core::fmt;
use core::ops::RangeInclusive;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::ledger::{Account, Accounts};
use blocksmith_consensus::payment::{Payment, Verified};
use blocksmith_consensus::{Hash, Timestamp};

mod forecast;
mod held;

use held::Held;
pub use held::{MAX_HELD, MAX_HELD_S};

/// The separator between a payment and the next transaction of a block.
const SEPARATOR_BYTES: usize = ", ".len();

/// How many chunks may be too large for the rest of the block before a template is done.
const MAX_MISSES: usize = 1_000;

/// How many payments a mempool keeps, for how long, and from which senders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most payments.
    pub payments: usize,
    /// The most bytes of their texts together. Each payment takes some 600 bytes of memory besides.
    pub bytes: usize,
    /// The most payments of one sender, and so how far a nonce may be ahead: with 16, an account
    /// whose next nonce is 5 has those from 5 to 20 to use.
    pub ahead: usize,
    /// The longest time that a payment waits, in seconds.
    pub expiry_s: u64,
    /// The senders whose payments the mempool refuses: their keys are public.
    pub refused_senders: BTreeSet<Address>,
}

impl Default for Limits {
    /// 100,000 payments, 64 MiB, 16 of one sender; no sender is refused. A payment waits for 14
    /// days, as in Bitcoin Core: a class that meets once a week finds its payments again.
    fn default() -> Self {
        Self {
            payments: 100_000,
            bytes: 64 << 20,
            ahead: 16,
            expiry_s: 14 * 24 * 60 * 60,
            refused_senders: BTreeSet::new(),
        }
    }
}

/// The fee per byte of text: a fraction that is never rounded.
#[derive(Debug, Clone, Copy)]
pub struct FeeRate {
    fee: u64,
    bytes: u64,
}

impl FeeRate {
    /// The rate of one payment.
    pub fn of(payment: &Payment) -> Self {
        Self { fee: payment.fee(), bytes: payment.text().len() as u64 }
    }

    /// The least fee, in units, with which a payment of so many bytes has a better rate.
    pub fn fee_above(&self, bytes: usize) -> u64 {
        let fee = u128::from(self.fee) * bytes as u128 / u128::from(self.bytes) + 1;
        u64::try_from(fee).unwrap_or(u64::MAX)
    }

    fn with(self, other: Self) -> Self {
        Self { fee: self.fee + other.fee, bytes: self.bytes + other.bytes }
    }
}

impl Ord for FeeRate {
    fn cmp(&self, other: &Self) -> Ordering {
        let product = |fee, bytes| u128::from(fee) * u128::from(bytes);
        product(self.fee, other.bytes).cmp(&product(other.fee, self.bytes))
    }
}

impl PartialOrd for FeeRate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for FeeRate {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for FeeRate {}

impl fmt::Display for FeeRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} units for {} bytes", self.fee, self.bytes)
    }
}

/// A payment and when it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// When it came, by the node's clock.
    pub arrived: Timestamp,
    /// The payment.
    pub payment: Verified,
}

impl Waiting {
    fn arrival(&self) -> Arrival {
        (self.arrived, self.payment.id())
    }

    fn bytes(&self) -> usize {
        self.payment.text().len()
    }
}

/// An order of all payments that a restart does not change: those of the same microsecond go by
/// their ids.
type Arrival = (Timestamp, Hash);

/// A change of the mempool. A store needs nothing but `(arrival, id) -> text`; payments that come
/// and go together are neighbours in that order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MempoolChange {
    /// The payments that left.
    pub removed: Vec<Waiting>,
    /// The payments that joined; a sender's in the order of their nonces.
    pub added: Vec<Waiting>,
}

impl MempoolChange {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

/// What became of a payment that the mempool took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admitted {
    /// It waits for a block, and with it perhaps others that were held until it came.
    Waits(MempoolChange),
    /// A payment with an earlier nonce is missing. This one is held aside until that comes, for
    /// [`MAX_HELD_S`] seconds at most; newer ones may push it out. It is neither stored nor mined.
    Held {
        /// The first nonce that is missing.
        missing: u64,
    },
}

/// The reason why the mempool refuses a payment. The peer that relayed it need not be at fault: it
/// may have another chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It waits already, or is held.
    #[error("payment {id} is already waiting")]
    Known {
        /// Its id.
        id: Hash,
        /// If it is held, the first nonce that is missing.
        missing: Option<u64>,
    },
    /// The sender is one of [`Limits::refused_senders`].
    #[error(
        "this node refuses payments from this sender, because its secret key is public; pay from another \
         address"
    )]
    Sender {
        /// The sender.
        sender: Address,
    },
    /// The sender has made a payment with this nonce.
    #[error("nonce {found} was used before; the next nonce of this sender is {next}")]
    NonceUsed {
        /// The payment's id: the payment that used the nonce may be this very one.
        id: Hash,
        /// The account's next nonce.
        next: u64,
        /// The payment's nonce.
        found: u64,
    },
    /// The nonce is too far ahead.
    #[error(
        "nonce {found} is too far ahead: the node takes nonces up to {last} now, and later ones after the \
         next block; wait for it"
    )]
    TooFar {
        /// The last nonce that is taken.
        last: u64,
        /// The payment's nonce.
        found: u64,
    },
    /// The sender has too little for this payment and those before it.
    #[error(
        "the payment costs {cost} units, but its sender has {balance} units, and needs {queued} of them \
         for payments that wait"
    )]
    Balance {
        /// Units that the account has.
        balance: u64,
        /// Units that the payments before this one cost.
        queued: u64,
        /// Units that this one costs.
        cost: u64,
    },
    /// It would replace a payment, and perhaps make later ones unpayable, for too small a fee.
    #[error(
        "another payment waits with this nonce; to replace it and those that depend on it, whose fees are \
         {replaced} units, the fee must be at least {least} units, not {found}"
    )]
    Replacement {
        /// The fees of all payments that would leave together.
        replaced: u64,
        /// The least fee that replaces them: a tenth more.
        least: u64,
        /// The payment's fee.
        found: u64,
    },
    /// Another payment has its sender and nonce, and the sender did not say that this one may
    /// replace it.
    #[error(
        "payment {id} already waits with the nonce {nonce}, and this one must not replace it; sign it \
         with the next nonce, or allow it to replace that payment"
    )]
    Replaces {
        /// The one that waits or is held.
        id: Hash,
        /// The nonce of both.
        nonce: u64,
    },
    /// There is no room, and no payment that waits has a lower fee rate.
    #[error(
        "the mempool is full, and a fee of {found} is not higher than the lowest in it{}; pay a higher \
         fee, or try again after the next block",
        .worst.iter().map(|worst| alloc::format!(", {worst}")).collect::<alloc::string::String>()
    )]
    Full {
        /// The worst rate of the others.
        worst: Option<FeeRate>,
        /// The rate of the payment's chunk.
        found: FeeRate,
    },
}

impl Refused {
    /// The reason in one word.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Known { .. } => "known",
            Self::Sender { .. } => "sender",
            Self::NonceUsed { .. } | Self::TooFar { .. } => "nonce",
            Self::Balance { .. } => "balance",
            Self::Replacement { .. } => "fee",
            Self::Replaces { .. } => "replaces",
            Self::Full { .. } => "full",
        }
    }
}

/// The fee rate that a payment has to beat to be in the next blocks, if no other payment came: a
/// snapshot, not a forecast. `None` if any payment gets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Estimate {
    /// For the next block.
    pub next: Option<FeeRate>,
    /// For one of the next three.
    pub next_three: Option<FeeRate>,
}

/// A chunk's rank among all chunks: the best is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    rate: Reverse<FeeRate>,
    /// When the last of all payments up to the chunk's end came; never earlier for a later chunk.
    ready: Arrival,
    /// The nonce of its first payment.
    nonce: u64,
}

#[derive(Debug, Clone, Copy)]
struct Chunk {
    payments: usize,
    place: Rank,
}

/// Compares chunks themselves, not only their ranks: two ranks are equal if their rates are, though
/// one chunk has more bytes.
impl PartialEq for Chunk {
    fn eq(&self, other: &Self) -> bool {
        let bytes = |chunk: &Self| chunk.place.rate.0.bytes;
        // The cheapest comparison comes first.
        (self.payments, bytes(self)) == (other.payments, bytes(other)) && self.place == other.place
    }
}

/// Cuts a sender's payments into chunks: each payment in turn absorbs the chunks before it as long
/// as its own chunk has the better rate.
fn chunks(queue: &[Waiting]) -> Vec<Chunk> {
    let mut chunks: Vec<Chunk> = Vec::with_capacity(queue.len());
    let mut ready = Arrival::default();
    for Waiting { arrived, payment } in queue {
        ready = ready.max((*arrived, payment.id()));
        let (mut rate, mut nonce, mut payments) = (FeeRate::of(payment), payment.nonce(), 1);
        while let Some(before) = chunks.pop_if(|before| before.place.rate.0 < rate) {
            rate = rate.with(before.place.rate.0);
            nonce = before.place.nonce;
            payments += before.payments;
        }
        chunks.push(Chunk { place: Rank { rate: Reverse(rate), ready, nonce }, payments });
    }
    chunks
}

/// The payments that wait.
///
/// Its methods take the accounts as the best chain leaves them; the caller passes those that
/// [`Mempool::follow`] saw last.
#[derive(Debug, Default)]
pub struct Mempool {
    limits: Limits,
    /// Each sender's payments without gaps, from the account's next nonce on; never empty.
    queues: BTreeMap<Address, Box<[Waiting]>>,
    order: Order,
    by_id: BTreeMap<Hash, (Address, u64)>,
    /// The payments to each recipient.
    by_recipient: BTreeSet<(Address, Hash)>,
    arrivals: BTreeSet<Arrival>,
    bytes: usize,
    /// The payments that would leave a gap.
    held: Held,
}

impl Mempool {
    /// Creates an empty mempool.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Creates a mempool from stored payments. Those that cannot be paid any more, or find no room,
    /// are in the change: the caller removes them from the store. Call [`Mempool::expire`] next.
    ///
    /// # Errors
    /// Fails if an account cannot be read.
    pub fn restore<A: Accounts>(
        limits: Limits,
        entries: impl IntoIterator<Item = Waiting>,
        accounts: &A,
    ) -> Result<(Self, MempoolChange), A::Error> {
        let mut mempool = Self::new(limits);
        let entries: Vec<_> = entries.into_iter().collect();
        let mut removed = entries.clone();
        mempool.settle(BTreeSet::new(), entries, accounts)?;
        removed.retain(|waiting| !mempool.by_id.contains_key(&waiting.payment.id()));
        Ok((mempool, MempoolChange { removed, added: Vec::new() }))
    }

    /// How many payments wait.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Bytes of their texts together.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// All payments, in the order in which they came.
    pub fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.iter_from(0)
    }

    /// As [`Mempool::iter`], from the payment at this place on. Those before it are counted, not
    /// looked up, so that the last page of many is cheap.
    pub fn iter_from(&self, place: usize) -> impl Iterator<Item = &Waiting> {
        self.arrivals.iter().skip(place).filter_map(|(_, id)| self.get(id))
    }

    /// The payment with this id.
    pub fn get(&self, id: &Hash) -> Option<&Waiting> {
        let (sender, nonce) = self.by_id.get(id)?;
        let queue = self.of_sender(sender);
        queue.get((nonce - queue.first()?.payment.nonce()) as usize)
    }

    /// The payment with this id that is held until one before it comes.
    pub fn held(&self, id: &Hash) -> Option<&Waiting> {
        self.held.get(id)
    }

    /// The ids of payments that wait, between two, in their order.
    pub fn ids_between(&self, ids: &RangeInclusive<Hash>) -> impl Iterator<Item = Hash> {
        self.by_id.range(ids.clone()).map(|(id, _)| *id)
    }

    /// The ids of payments that are held, between two, in no order of theirs.
    pub fn held_between(&self, ids: &RangeInclusive<Hash>) -> impl Iterator<Item = Hash> {
        self.held.ids().filter(|id| ids.contains(id))
    }

    /// The payments of one sender that wait, in the order of their nonces.
    pub fn of_sender(&self, sender: &Address) -> &[Waiting] {
        self.queues.get(sender).map_or(&[], |queue| queue)
    }

    /// The payments to one recipient that wait, in no order of theirs.
    pub fn to_recipient(&self, recipient: &Address) -> impl Iterator<Item = &Waiting> {
        let (first, last) = (Hash([0; 32]), Hash([u8::MAX; 32]));
        let all = self.by_recipient.range((*recipient, first)..=(*recipient, last));
        all.filter_map(|(_, id)| self.get(id))
    }

    /// The nonce of a sender's next payment, after all that wait; `None` if none waits, and it is
    /// the account's next nonce.
    pub fn next_nonce(&self, sender: &Address) -> Option<u64> {
        self.of_sender(sender).last().map(|last| last.payment.nonce() + 1)
    }

    /// Returns the other payment of this sender with this nonce, waiting or held, which `payment`
    /// would replace.
    pub fn rival(&self, payment: &Payment) -> Option<Hash> {
        let (sender, nonce) = (payment.sender(), payment.nonce());
        let queue = self.of_sender(&sender);
        let place = queue.first().and_then(|first| nonce.checked_sub(first.payment.nonce()));
        let waits = place.and_then(|place| queue.get(usize::try_from(place).ok()?));
        let rival = waits.or_else(|| self.held.with_nonce(sender, nonce))?.payment.id();
        (rival != payment.id()).then_some(rival)
    }

    /// Takes a payment. One with the nonce of another replaces it if its fee is at least a tenth
    /// higher than the fees of all payments that leave for it: the other, and later ones that the
    /// sender cannot pay any more. If there is no room, the worst chunks leave, unless the
    /// payment's own is among them.
    ///
    /// # Errors
    /// Fails if an account cannot be read; nothing has changed then.
    ///
    /// # Panics
    /// Panics if the sender's nonce is not the one that [`Mempool::follow`] saw last.
    pub fn admit<A: Accounts>(
        &mut self,
        now: Timestamp,
        payment: Verified,
        accounts: &A,
    ) -> Result<Result<Admitted, Refused>, A::Error> {
        let account = accounts.account(&payment.sender())?;
        Ok(self.admit_from(account, Waiting { arrived: now, payment }))
    }

    fn admit_from(&mut self, account: Account, new: Waiting) -> Result<Admitted, Refused> {
        self.check_sender(&new.payment)?;
        let position = self.check_nonce(account, &new.payment)?;
        self.check_known(account, &new.payment)?;
        let sender = new.payment.sender();
        let queue = self.of_sender(&sender);
        let first = queue.first().map_or(account.nonce, |first| first.payment.nonce());
        assert_eq!(account.nonce, first, "the mempool follows each change of the accounts");
        if position > queue.len() {
            check_balance(account, queue, &new.payment)?;
            let missing = account.nonce + queue.len() as u64;
            self.held.insert(new);
            return Ok(Admitted::Held { missing });
        }
        let mut change = MempoolChange::default();
        self.enqueue(account, position, new, &mut change)?;
        self.enqueue_held(sender, account, &mut change);
        Ok(Admitted::Waits(self.net(change)))
    }

    /// Puts a payment at this place of its sender's queue, or at its end.
    fn enqueue(
        &mut self,
        account: Account,
        position: usize,
        new: Waiting,
        change: &mut MempoolChange,
    ) -> Result<(), Refused> {
        let sender = new.payment.sender();
        let queue = self.of_sender(&sender);
        check_balance(account, &queue[..position], &new.payment)?;
        let mut next = queue[..position].to_vec();
        next.push(new);
        next.extend(queue.iter().skip(position + 1).cloned());
        next.truncate(payable(account, &next));
        check_replacement(queue, &next, position)?;
        let (left, victims) = self.check_room(&sender, &next, position)?;
        next.truncate(left);
        for (victim, payments) in victims {
            self.truncate(victim, self.of_sender(&victim).len() - payments, change);
        }
        self.replace(sender, next, change);
        Ok(())
    }

    /// Takes in the held payments whose predecessors have come.
    fn enqueue_held(&mut self, sender: Address, account: Account, change: &mut MempoolChange) {
        loop {
            let position = self.of_sender(&sender).len();
            let nonce = account.nonce + position as u64;
            // Otherwise a held payment could come next unnoticed when the queue gets shorter.
            self.held.forget_below(sender, nonce);
            if position >= self.limits.ahead {
                break;
            }
            let Some(held) = self.held.take((sender, nonce)) else { break };
            if self.enqueue(account, position, held, change).is_err() {
                break;
            }
        }
    }

    fn check_sender(&self, payment: &Payment) -> Result<(), Refused> {
        let sender = payment.sender();
        if self.limits.refused_senders.contains(&sender) {
            return Err(Refused::Sender { sender });
        }
        Ok(())
    }

    fn check_known(&self, account: Account, payment: &Payment) -> Result<(), Refused> {
        let id = payment.id();
        if self.by_id.contains_key(&id) {
            return Err(Refused::Known { id, missing: None });
        }
        if self.held.contains(payment) {
            let missing = self.next_nonce(&payment.sender()).unwrap_or(account.nonce);
            return Err(Refused::Known { id, missing: Some(missing) });
        }
        Ok(())
    }

    /// The payment's place in its sender's queue: within it, where it replaces another, at its end,
    /// or beyond.
    fn check_nonce(&self, account: Account, payment: &Payment) -> Result<usize, Refused> {
        let (found, ahead) = (payment.nonce(), self.limits.ahead as u64);
        let Some(position) = found.checked_sub(account.nonce) else {
            return Err(Refused::NonceUsed { id: payment.id(), next: account.nonce, found });
        };
        if position >= ahead {
            return Err(Refused::TooFar { last: (account.nonce + ahead).saturating_sub(1), found });
        }
        Ok(position as usize)
    }

    /// How many payments of `next`, the sender's new queue, there is room for, and which chunks of
    /// others leave for it.
    fn check_room(
        &self,
        sender: &Address,
        next: &[Waiting],
        position: usize,
    ) -> Result<(usize, Vec<(Address, usize)>), Refused> {
        let bytes = |queue: &[Waiting]| queue.iter().map(Waiting::bytes).sum::<usize>();
        let before = self.of_sender(sender);
        let mut left = next.len();
        let mut all = self.len() - before.len() + left;
        let mut all_bytes = self.bytes - bytes(before) + bytes(next);
        let mut victims = Vec::new();
        if all <= self.limits.payments && all_bytes <= self.limits.bytes {
            return Ok((left, victims));
        }
        let mut own = chunks(next);
        let mut others = self.order.iter().rev().filter(|(_, (who, _))| who != sender).peekable();
        while all > self.limits.payments || all_bytes > self.limits.bytes {
            let is_worst =
                |chunk: &mut Chunk| others.peek().is_none_or(|(place, _)| chunk.place > **place);
            let Chunk { place, payments } = if let Some(chunk) = own.pop_if(is_worst) {
                left -= chunk.payments;
                if left <= position {
                    let worst = others.peek().map(|(place, _)| place.rate.0);
                    return Err(Refused::Full { worst, found: chunk.place.rate.0 });
                }
                chunk
            } else {
                let (place, (victim, payments)) = others.next().expect("it is worse than our own");
                victims.push((*victim, *payments));
                Chunk { place: *place, payments: *payments }
            };
            all -= payments;
            all_bytes -= place.rate.0.bytes as usize;
        }
        Ok((left, victims))
    }

    /// Follows a change of the best chain. `touched` are the addresses whose accounts changed, as
    /// senders, recipients or miners, in blocks that joined and in blocks that left: those of their
    /// [`Changes`](blocksmith_consensus::ledger::Changes). With `None`, any account may have
    /// changed. `returned` are the payments of blocks that left, and `accounts` the accounts after
    /// the change.
    ///
    /// Payments whose nonce is used leave, whether they or others in their place were made; so do
    /// those that cannot be paid any more, with all after them. The payments of blocks that left
    /// come back, in front of those of the same sender that wait, within all bounds.
    ///
    /// # Errors
    /// Fails if an account cannot be read; nothing has changed then.
    pub fn follow<A: Accounts>(
        &mut self,
        now: Timestamp,
        touched: Option<Vec<Address>>,
        returned: impl IntoIterator<Item = Verified>,
        accounts: &A,
    ) -> Result<MempoolChange, A::Error> {
        let is_ours =
            |address: &Address| self.queues.contains_key(address) || self.held.has(*address);
        let touched = match touched {
            Some(touched) => touched.into_iter().filter(is_ours).collect(),
            None => self.queues.keys().copied().chain(self.held.senders()).collect(),
        };
        let returned = returned.into_iter().map(|payment| Waiting { arrived: now, payment });
        self.settle(touched, returned.collect(), accounts)
    }

    /// Drops the payments that came [`Limits::expiry_s`] ago or earlier, with those after them in
    /// the same queue, and those that were held too long.
    pub fn expire(&mut self, now: Timestamp) -> MempoolChange {
        self.held.expire(now);
        let mut change = MempoolChange::default();
        let Some(micros) = now.micros.checked_sub(self.limits.expiry_s.saturating_mul(1_000_000))
        else {
            return change;
        };
        while let Some((arrived, id)) = self.arrivals.first()
            && arrived.micros <= micros
        {
            let (sender, nonce) = self.by_id[id];
            let first = self.queues[&sender][0].payment.nonce();
            self.truncate(sender, (nonce - first) as usize, &mut change);
        }
        change
    }

    /// The payments of the next block, in order: the best chunks whose texts fit into `bytes`, the
    /// separator after each included. A chunk that does not fit waits, and so do those after it in
    /// the same queue.
    ///
    /// A block has to have room for [`Limits::ahead`] payments, or a chunk could wait forever.
    pub fn template(&self, bytes: usize) -> Vec<&Verified> {
        let payments = chosen(self.order.iter(), bytes).flat_map(|(place, (sender, payments))| {
            let queue = &self.queues[sender];
            let start = (place.nonce - queue[0].payment.nonce()) as usize;
            queue[start..start + payments].iter().map(|waiting| &waiting.payment)
        });
        payments.collect()
    }

    /// Returns the fee rates of the next blocks, each with `bytes` bytes for payments.
    pub fn estimate(&self, bytes: usize) -> Estimate {
        let mut estimate = Estimate { next: None, next_three: None };
        let mut sum = 0;
        for (place, (_, payments)) in &self.order {
            sum += place.rate.0.bytes as usize + payments * SEPARATOR_BYTES;
            if sum > bytes && estimate.next.is_none() {
                estimate.next = Some(place.rate.0);
            }
            if sum > bytes.saturating_mul(3) {
                estimate.next_three = Some(place.rate.0);
                break;
            }
        }
        estimate
    }

    /// Builds the queues of these senders anew, with the payments that join them; of two with the
    /// same nonce, the one that waits already stays. Accounts are read before anything changes.
    fn settle<A: Accounts>(
        &mut self,
        mut senders: BTreeSet<Address>,
        mut joining: Vec<Waiting>,
        accounts: &A,
    ) -> Result<MempoolChange, A::Error> {
        senders.extend(joining.iter().map(|new| new.payment.sender()));
        let senders: Vec<_> = senders.into_iter().collect();
        let accounts = accounts.accounts(&senders)?;
        let senders: Vec<_> = senders.into_iter().zip(accounts).collect();
        joining.sort_by_key(|new| new.payment.sender());
        let mut joining = joining.into_iter().peekable();
        let mut change = MempoolChange::default();
        for &(sender, account) in &senders {
            let mut all: BTreeMap<_, _> = self
                .of_sender(&sender)
                .iter()
                .map(|old| (old.payment.nonce(), old.clone()))
                .collect();
            while let Some(new) = joining.next_if(|new| new.payment.sender() == sender) {
                all.entry(new.payment.nonce()).or_insert(new);
            }
            let mut next: Vec<_> = all.split_off(&account.nonce).into_values().collect();
            next.truncate(payable(account, &next).min(self.limits.ahead));
            if self.limits.refused_senders.contains(&sender) {
                next.clear();
            }
            self.replace(sender, next, &mut change);
        }
        while (self.len() > self.limits.payments || self.bytes > self.limits.bytes)
            && let Some((_, (sender, payments))) = self.order.last_key_value()
        {
            let (sender, payments) = (*sender, *payments);
            self.truncate(sender, self.of_sender(&sender).len() - payments, &mut change);
        }
        for (sender, account) in senders {
            self.enqueue_held(sender, account, &mut change);
        }
        Ok(self.net(change))
    }

    /// Leaves out of the change the payments that came and went within it.
    fn net(&self, mut change: MempoolChange) -> MempoolChange {
        let is_gone = |new: &mut Waiting| !self.by_id.contains_key(&new.payment.id());
        let gone: BTreeSet<_> =
            change.added.extract_if(.., is_gone).map(|new| new.payment.id()).collect();
        change.removed.retain(|waiting| !gone.contains(&waiting.payment.id()));
        change
    }

    /// Drops a sender's payments but the first `left`.
    fn truncate(&mut self, sender: Address, left: usize, change: &mut MempoolChange) {
        self.replace(sender, self.of_sender(&sender)[..left].to_vec(), change);
    }

    /// Replaces a sender's queue by `next`: every change of the mempool goes through here.
    fn replace(&mut self, sender: Address, next: Vec<Waiting>, change: &mut MempoolChange) {
        let before = self.queues.remove(&sender).unwrap_or_default();
        let lacks = |queue: &[Waiting], one: &Waiting| {
            queue.iter().all(|other| other.payment.id() != one.payment.id())
        };
        for old in before.iter().filter(|old| lacks(&next, old)) {
            self.by_id.remove(&old.payment.id());
            self.by_recipient.remove(&(old.payment.recipient(), old.payment.id()));
            self.arrivals.remove(&old.arrival());
            self.bytes -= old.bytes();
        }
        for new in next.iter().filter(|new| lacks(&before, new)) {
            self.by_id.insert(new.payment.id(), (sender, new.payment.nonce()));
            self.by_recipient.insert((new.payment.recipient(), new.payment.id()));
            self.arrivals.insert(new.arrival());
            self.bytes += new.bytes();
            change.added.push(new.clone());
        }
        // Most chunks of a queue stay when its first payment is mined.
        let (old, new) = (chunks(&before), chunks(&next));
        for Chunk { place, .. } in old.iter().filter(|chunk| !new.contains(chunk)) {
            self.order.remove(place);
        }
        for Chunk { place, payments } in new.iter().filter(|chunk| !old.contains(chunk)) {
            self.order.insert(*place, (sender, *payments));
        }
        let gone = Vec::from(before).into_iter().filter(|old| lacks(&next, old));
        change.removed.extend(gone);
        if !next.is_empty() {
            self.queues.insert(sender, next.into());
        }
    }
}

/// All chunks of all queues, the best first: the sender of each, and how many payments it has.
type Order = BTreeMap<Rank, (Address, usize)>;

/// Those of these chunks that fit into `bytes`; see [`Mempool::template`]. The best come first.
fn chosen<'a>(
    order: impl Iterator<Item = (&'a Rank, &'a (Address, usize))>,
    bytes: usize,
) -> impl Iterator<Item = (&'a Rank, &'a (Address, usize))> {
    let start = (bytes, 0, BTreeSet::new());
    let chosen = order.scan(start, |(room, misses, waiting), chunk| {
        if *misses == MAX_MISSES {
            return None;
        }
        let (place, (sender, payments)) = chunk;
        let needed = place.rate.0.bytes as usize + payments * SEPARATOR_BYTES;
        if needed > *room || waiting.contains(sender) {
            waiting.insert(*sender);
            *misses += 1;
            return Some(None);
        }
        *room -= needed;
        Some(Some(chunk))
    });
    chosen.flatten()
}

/// How many payments of a queue the account can make, one after the other.
fn payable(mut account: Account, queue: &[Waiting]) -> usize {
    let unpayable = |waiting: &Waiting| match account.pay(&waiting.payment) {
        Ok(after) => {
            account = after;
            false
        }
        Err(_) => true,
    };
    queue.iter().position(unpayable).unwrap_or(queue.len())
}

fn check_balance(account: Account, before: &[Waiting], payment: &Payment) -> Result<(), Refused> {
    let (balance, cost) = (account.balance, payment.cost());
    let queued: u64 = before.iter().map(|waiting| waiting.payment.cost()).sum();
    if queued + cost > balance {
        return Err(Refused::Balance { balance, queued, cost });
    }
    Ok(())
}

/// A replacement pays for all payments that were relayed in vain, and a tenth more (BIP-125's rules
/// 3 and 4): otherwise one fee would pay for any number of payments that are never mined.
fn check_replacement(queue: &[Waiting], next: &[Waiting], position: usize) -> Result<(), Refused> {
    let Some(same_nonce) = queue.get(position) else { return Ok(()) };
    let unpayable = queue.iter().skip(next.len());
    let fees = |payments: &mut dyn Iterator<Item = &Waiting>| -> u64 {
        payments.map(|waiting| waiting.payment.fee()).sum()
    };
    let replaced = fees(&mut core::iter::once(same_nonce).chain(unpayable));
    let least = replaced + replaced.div_ceil(10).max(1);
    let found = next[position].payment.fee();
    if found < least {
        return Err(Refused::Replacement { replaced, least, found });
    }
    Ok(())
}
