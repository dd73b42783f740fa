//! The machine takes one input at a time and returns the effects of each as values.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use blocksmith_consensus::json::{Value, string};
use blocksmith_consensus::payment::Verified;
use blocksmith_consensus::tree::{BestChain, Branch, Inserted, NotInserted};
use blocksmith_consensus::{
    Ancestry, Block, ChainBlock, ChangeSet, Checked, Hash, Proof, Rules, Sealed, Timestamp,
    Transaction, Tree,
};

use crate::address::PeerAddress;
use crate::early::{Early, FutureBlock, too_far_ahead_s};
use crate::interface::{
    Answer, Effect, Entered, Event, Input, NetworkEffect, NoWork, Output, PeerChange, PeerReport,
    PendingTransaction, Refusal, Registered, Registration, Start, Stepped, StoreEffect,
    TransactionChange, Verdict, Work,
};
use crate::mempool::{Mempool, MempoolChange, Refused, Waiting};
use crate::open::open_work;
use crate::orphans::Orphans;
use crate::peers::{Again, Namer, Peers};
use crate::pool::Pool;
use crate::queue::{MAX_RETURNED, MAX_TOLD, QueueChange};
use crate::turn::Turn;

/// How much of the mempool the node sends to a peer that was away or on another chain, in bytes of
/// texts: the payments with the best fees, enough for some blocks. The peer gets the others in
/// blocks.
const TOLD_AGAIN_BYTES: usize = 3 << 20;

/// How many bytes at the end of a payment's text tell it from others: half of its signature and the
/// closing characters.
const TAIL_BYTES: usize = 66;

/// A node's state: the block tree, pending transactions, blocks that wait, and the peers.
#[derive(Debug)]
pub struct Machine {
    tree: Tree,
    pool: Pool,
    orphans: Orphans,
    early: Early,
    peers: Peers,
    /// The tip that the node announced last.
    announced: Hash,
    /// The peers that are sending a branch which is not complete yet.
    sending: BTreeSet<PeerAddress>,
    /// The recipient of a coin if the work names none.
    coins_to: String,
}

impl Machine {
    /// Creates a machine from stored state.
    pub fn new(start: Start) -> Self {
        Self {
            announced: start.tip.block.hash(),
            pool: Pool::new(&start.rules, start.queue, start.mempool),
            tree: Tree::new(start.rules, start.tip, start.side, start.limits),
            orphans: Orphans::default(),
            early: Early::default(),
            peers: Peers::new(start.peers, start.unheard, start.own_addresses),
            sending: BTreeSet::new(),
            coins_to: start.coins_to,
        }
    }

    /// The rules of the chain.
    pub fn rules(&self) -> &Arc<Rules> {
        self.tree.rules()
    }

    /// The end of the best chain.
    pub fn tip(&self) -> &ChainBlock {
        self.tree.tip()
    }

    /// How many side branches there are, and those with the most work, as [`Tree::branches`].
    pub fn branches(&self, most: usize, most_blocks: usize) -> (usize, Vec<Branch>) {
        (self.tree.side_branches(), self.tree.branches(most, most_blocks))
    }

    /// How many transactions wait.
    pub fn queued(&self) -> usize {
        self.pool.len()
    }

    /// Bytes of the texts of the transactions that wait.
    pub fn queued_bytes(&self) -> usize {
        self.pool.bytes()
    }

    /// Whether a peer is sending blocks of which more follow at once.
    pub fn is_catching_up(&self) -> bool {
        !self.sending.is_empty()
    }

    /// The texts of the transactions that wait, in the order in which they came, from the one at
    /// place `skip` on, at most `limit`: each with its id if it is signed, and its turn; none if the
    /// next [`MAX_BLOCKS`](crate::MAX_BLOCKS) blocks don't have it.
    pub fn queued_turns(
        &self,
        skip: usize,
        limit: usize,
    ) -> Vec<(&str, Option<Hash>, Option<Turn>)> {
        match &self.pool {
            Pool::Open(open) => {
                let turns = open.turns(skip, limit, &self.coins_to, &self.tip().block);
                turns.map(|(transaction, turn)| (transaction.text(), None, turn)).collect()
            }
            Pool::Sealed(payments) => {
                let page = || payments.mempool.iter_from(skip).take(limit);
                let turns = self.turns(&page().map(|waiting| waiting.payment.id()).collect());
                let turns = page().map(|Waiting { payment, .. }| {
                    (payment.text(), Some(payment.id()), turns.get(&payment.id()).copied())
                });
                turns.collect()
            }
        }
    }

    /// When the turn of each of these signed payments comes that waits, within the next
    /// [`MAX_BLOCKS`](crate::MAX_BLOCKS) blocks.
    pub fn turns(&self, wanted: &BTreeSet<Hash>) -> BTreeMap<Hash, Turn> {
        match &self.pool {
            Pool::Open(_) => BTreeMap::new(),
            Pool::Sealed(payments) => payments.turns(wanted, self.rules(), self.tip()),
        }
    }

    /// The mempool; `None` on an open chain.
    pub fn mempool(&self) -> Option<&Mempool> {
        match &self.pool {
            Pool::Open(_) => None,
            Pool::Sealed(payments) => Some(&payments.mempool),
        }
    }

    /// The registered peers.
    pub fn peers(&self) -> Vec<PeerAddress> {
        self.peers.addresses()
    }

    /// The state of each peer.
    pub fn peer_reports(&self) -> Vec<PeerReport> {
        self.peers.reports().collect()
    }

    /// The latest of the rounds that [`Machine::resolve`] began that is over, as all before it are.
    pub fn rounds_over(&self) -> u64 {
        self.peers.rounds_over()
    }

    /// Takes one input of any kind; each kind stands for one of [`Machine`]'s commands. `chain`
    /// holds the best chain as this machine left it.
    ///
    /// # Errors
    /// Fails if `chain` does. Machine and chain may disagree then: drop the store's transaction and
    /// build the machine again from durable state.
    pub fn step<C: BestChain>(
        &mut self,
        now: Timestamp,
        input: Input,
        chain: &mut C,
    ) -> Result<Output, <C as Ancestry>::Error> {
        let done = |()| Answer::Done;
        Ok(match input {
            Input::Block { block, from } => {
                self.take_block(now, *block, from, chain)?.map(Answer::Block)
            }
            Input::Branch { blocks, from, more } => {
                self.take_branch(now, blocks, from, more, chain)?.map(Answer::Block)
            }
            Input::Proof { proof, recipient } => {
                let output = self.take_proof(now, &proof, recipient.as_deref(), chain)?;
                output.map(|mined| Answer::Mined(mined.map_err(NoWork::from)))
            }
            Input::Solution { id, proof } => {
                self.solve(now, &id, &proof, chain)?.map(Answer::Mined)
            }
            Input::Transaction(transaction) => self.queue(now, transaction).map(Answer::Queued),
            Input::Payments { payments, from } => {
                self.take_payments(now, payments, from.as_ref(), chain)?.map(Answer::Payments)
            }
            Input::Payment { payment, replaces } => {
                let output = self.take_payment(now, payment, replaces, chain)?;
                output.map(|outcome| Answer::Payments(outcome.into_iter().collect()))
            }
            Input::Work { recipient } => self.work(now, recipient.as_deref()).map(Answer::Work),
            Input::Register(peers) => self.register(now, peers).map(Answer::Registered),
            Input::Choose { peers, keep } => self.choose(now, peers, keep).map(Answer::Registered),
            Input::Forget { peer } => self.forget(now, &peer).map(Answer::Forgotten),
            Input::Answered { peer, tip } => self.answered(now, peer, tip).map(done),
            Input::Failed { peer, why } => self.failed(now, peer, why).map(done),
            Input::SameNode { peer, other } => {
                self.same_node(now, &peer, other).map(Answer::Forgotten)
            }
            Input::IsSelf { peer } => self.is_self(now, &peer).map(done),
            Input::Resolve => self.resolve(now).map(Answer::Round),
            Input::Tick => self.tick(now, chain)?.map(done),
        })
    }

    /// Takes a block that passed the checks that need no parent, and returns what became of it.
    /// `from` is the peer that sent it, if it named itself.
    ///
    /// # Errors
    /// Fails if `chain` does, as [`Machine::step`].
    pub fn take_block<C: BestChain>(
        &mut self,
        now: Timestamp,
        block: Checked,
        from: Option<PeerAddress>,
        chain: &mut C,
    ) -> Stepped<Verdict, C> {
        let (before, hash) = (self.tip_hash(), block.block().hash());
        let mut effects = Vec::new();
        let verdict = self.block(now, block, chain, &mut effects)?;
        // A peer's name on a block that is not valid proves nothing about that peer.
        if let (Some(peer), Verdict::NewTip | Verdict::SideBranch | Verdict::Known) =
            (&from, &verdict)
        {
            self.peers.has(peer, hash);
        }
        Ok(self.finish(now, before, verdict, effects))
    }

    /// Takes blocks that the node asked a peer for, the lowest first, and returns what became of
    /// the last block that it looked at. With `more`, others follow at once, and the node announces
    /// no tip before they have come.
    ///
    /// # Errors
    /// Fails if `chain` does, as [`Machine::step`].
    pub fn take_branch<C: BestChain>(
        &mut self,
        now: Timestamp,
        blocks: Vec<Checked>,
        from: PeerAddress,
        more: bool,
        chain: &mut C,
    ) -> Stepped<Verdict, C> {
        let (before, mut effects) = (self.tip_hash(), Vec::new());
        if more && self.peers.knows(&from) {
            self.sending.insert(from.clone());
        } else {
            self.sending.remove(&from);
        }
        let verdict = self.branch(now, blocks, &from, chain, &mut effects)?;
        // The blocks that follow at once may give a better tip.
        Ok(match more {
            true => self.ask_who_is_due(now, verdict, effects),
            false => self.finish(now, before, verdict, effects),
        })
    }

    /// Takes a proof for the next block of an open chain, and returns the block that it makes or
    /// the reason why it makes none. The coin goes to `recipient`, canonical JSON, or to the node.
    ///
    /// # Errors
    /// Fails if `chain` does, as [`Machine::step`].
    pub fn take_proof<C: BestChain>(
        &mut self,
        now: Timestamp,
        proof: &Proof,
        recipient: Option<&str>,
        chain: &mut C,
    ) -> Stepped<Result<Block, Refusal>, C> {
        let (before, mut effects) = (self.tip_hash(), Vec::new());
        let proven = match &self.pool {
            Pool::Open(open) => {
                let recipient = match recipient {
                    Some(recipient) => Cow::Borrowed(recipient),
                    None => Cow::Owned(string(&self.coins_to)),
                };
                open.block(now, proof, &recipient, &self.tip().block)
            }
            Pool::Sealed(_) => Err(Refusal::NoDraft),
        };
        let mined = match proven {
            Ok(checked) => self.made(now, checked, chain, &mut effects)?,
            Err(refusal) => Err(refusal),
        };
        Ok(self.finish(now, before, mined, effects))
    }

    /// Takes a proof for work that [`Machine::work`] handed out under `id`, and returns the block
    /// that it makes or the reason why it makes none.
    ///
    /// # Errors
    /// Fails if `chain` does, as [`Machine::step`].
    pub fn solve<C: BestChain>(
        &mut self,
        now: Timestamp,
        id: &str,
        proof: &Proof,
        chain: &mut C,
    ) -> Stepped<Result<Block, NoWork>, C> {
        let (before, mut effects) = (self.tip_hash(), Vec::new());
        let Self { tree, pool, coins_to, .. } = self;
        let solved = match pool {
            Pool::Open(open) => open.solve(now, id, proof, coins_to, &tree.tip().block),
            Pool::Sealed(payments) => payments.solve(id, proof, tree.rules(), tree.tip()),
        };
        let mined = match solved {
            Ok(checked) => self.made(now, checked, chain, &mut effects)?.map_err(NoWork::from),
            Err(no_work) => Err(no_work),
        };
        Ok(self.finish(now, before, mined, effects))
    }

    /// Queues a transaction of an open chain, and returns the index of the block that it waits for.
    /// Returns `None` if the queue is full or the chain is sealed.
    pub fn queue(&mut self, now: Timestamp, transaction: Transaction) -> Output<Option<u64>> {
        let (before, mut effects) = (self.tip_hash(), Vec::new());
        let change = match &mut self.pool {
            Pool::Open(open) => open.queue.push(transaction),
            Pool::Sealed(_) => None,
        };
        let index = change.is_some().then(|| self.tip().block.index() + 1);
        if let Some(change) = change {
            queue_changed(change, &mut effects);
        }
        self.finish(now, before, index, effects)
    }

    /// Takes signed payments and returns what became of each, in order; nothing on an open chain.
    /// `from` is the peer that sent them, if it named itself.
    ///
    /// # Errors
    /// Fails if `chain` does, as [`Machine::step`].
    pub fn take_payments<C: BestChain>(
        &mut self,
        now: Timestamp,
        payments: Vec<Verified>,
        from: Option<&PeerAddress>,
        chain: &mut C,
    ) -> Stepped<Vec<Result<Entered, Refused>>, C> {
        let (before, mut effects) = (self.tip_hash(), Vec::new());
        let outcomes = self.payments(now, payments, from, chain, &mut effects)?;
        Ok(self.finish(now, before, outcomes, effects))
    }

    /// Takes a signed payment whose sender said which payment it may replace, if any, and returns
    /// what became of it; `None` on an open chain.
    ///
    /// # Errors
    /// Fails if `chain` does, as [`Machine::step`].
    pub fn take_payment<C: BestChain>(
        &mut self,
        now: Timestamp,
        payment: Verified,
        replaces: Option<Hash>,
        chain: &mut C,
    ) -> Stepped<Option<Result<Entered, Refused>>, C> {
        let (before, mut effects) = (self.tip_hash(), Vec::new());
        let rival = self.mempool().and_then(|mempool| mempool.rival(&payment));
        let outcome = match rival.filter(|rival| Some(*rival) != replaces) {
            Some(id) => Some(Err(Refused::Replaces { id, nonce: payment.nonce() })),
            None => self.payments(now, [payment].into(), None, chain, &mut effects)?.pop(),
        };
        Ok(self.finish(now, before, outcome, effects))
    }

    /// Returns the work for a coin to `recipient`, or to the node, or the reason why there is none.
    pub fn work(
        &mut self,
        now: Timestamp,
        recipient: Option<&str>,
    ) -> Output<Result<Work, NoWork>> {
        let before = self.tip_hash();
        let Self { tree, pool, coins_to, .. } = self;
        let work = match pool {
            Pool::Open(open) => open_work(&open.rules, recipient, &tree.tip().block),
            Pool::Sealed(payments) => {
                payments.work(now, recipient, coins_to, tree.rules(), tree.tip())
            }
        };
        self.finish(now, before, work, Vec::new())
    }

    /// Registers peers that a client or another peer named, and returns what became of each, and
    /// all peers.
    pub fn register(&mut self, now: Timestamp, peers: Vec<PeerAddress>) -> Output<Registration> {
        self.add_peers(now, peers, Namer::Anybody)
    }

    /// Registers peers that the operator chose: they take the place of others, and no other peer
    /// takes theirs. With `keep` the node stores them at once; without, once they have answered,
    /// since the operator names them again at each start.
    pub fn choose(
        &mut self,
        now: Timestamp,
        peers: Vec<PeerAddress>,
        keep: bool,
    ) -> Output<Registration> {
        self.add_peers(now, peers, if keep { Namer::Operator } else { Namer::Start })
    }

    /// Forgets a peer, and returns the address that it was known by, if it was one.
    pub fn forget(&mut self, now: Timestamp, peer: &PeerAddress) -> Output<Option<PeerAddress>> {
        let (before, mut effects) = (self.tip_hash(), Vec::new());
        let forgotten = self.peers.remove(peer);
        if let Some(peer) = &forgotten {
            self.sending.remove(peer);
            forgot(peer.clone(), &mut effects);
            effects.push(NetworkEffect::HangUp(peer.clone()).into());
        }
        self.finish(now, before, forgotten, effects)
    }

    /// Notes that a peer answered the node's question, with the index and the hash of its tip if it
    /// told them.
    pub fn answered(
        &mut self,
        now: Timestamp,
        peer: PeerAddress,
        tip: Option<(u64, Hash)>,
    ) -> Output<()> {
        let (before, mut effects) = (self.tip_hash(), Vec::new());
        self.sending.remove(&peer);
        let theirs = tip.map(|(_, hash)| hash);
        let answered = self.peers.answered(&peer, theirs, before, now);
        if answered.first {
            effects.push(StoreEffect::PeerAnswered(peer.clone()).into());
        }
        if let (Some(Again(again)), Some((index, _))) = (answered.turned, tip) {
            let became = PeerChange::Answers { index, again };
            effects.push(Event::Peer { address: peer.clone(), became }.into());
        }
        if answered.may_lack {
            self.tell_again(&peer, &mut effects);
        }
        let is_behind = tip.is_some_and(|(index, _)| index < self.tip().block.index());
        // The machine may have forgotten the peer while the call was under way.
        if is_behind && self.peers.knows(&peer) {
            let block = self.tip().block.clone();
            self.peers.has(&peer, block.hash());
            effects.push(NetworkEffect::Announce { block, to: [peer].into() }.into());
        }
        self.finish(now, before, (), effects)
    }

    /// Notes that a peer did not answer, or that its answer was of no use, and why.
    pub fn failed(&mut self, now: Timestamp, peer: PeerAddress, why: String) -> Output<()> {
        let (before, mut effects) = (self.tip_hash(), Vec::new());
        self.sending.remove(&peer);
        if self.peers.failed(&peer, why.clone(), now) {
            let became = PeerChange::Fails { why };
            effects.push(Event::Peer { address: peer, became }.into());
        }
        self.finish(now, before, (), effects)
    }

    /// Notes that two addresses are one node, of which `other` answered first. If both were peers,
    /// it forgets one of them and returns it.
    pub fn same_node(
        &mut self,
        now: Timestamp,
        peer: &PeerAddress,
        other: PeerAddress,
    ) -> Output<Option<PeerAddress>> {
        let (before, mut effects) = (self.tip_hash(), Vec::new());
        let gone = self.peers.same(peer, &other);
        if let Some(gone) = &gone {
            self.sending.remove(gone);
            forgot(gone.clone(), &mut effects);
        }
        // The call to `peer` has just ended with this answer; a call to `other` may still be under
        // way.
        if gone.as_ref() == Some(&other) {
            effects.push(NetworkEffect::HangUp(other).into());
        }
        self.finish(now, before, gone, effects)
    }

    /// Notes that an address is this node itself.
    pub fn is_self(&mut self, now: Timestamp, peer: &PeerAddress) -> Output<()> {
        let (before, mut effects) = (self.tip_hash(), Vec::new());
        self.sending.remove(peer);
        if let Some(gone) = self.peers.is_self(peer) {
            forgot(gone, &mut effects);
        }
        self.finish(now, before, (), effects)
    }

    /// Asks all peers for their chains, also those whose back-off has not ended, still a few at a
    /// time; a call that is under way counts. Returns the number of this round, which is over once
    /// each of the peers has answered, failed or been forgotten.
    pub fn resolve(&mut self, now: Timestamp) -> Output<u64> {
        let round = self.peers.ask_all();
        self.finish(now, self.tip_hash(), round, Vec::new())
    }

    /// Does what is due now: takes blocks whose time has come, drops payments that waited too long,
    /// and asks peers.
    ///
    /// # Errors
    /// Fails if `chain` does, as [`Machine::step`].
    pub fn tick<C: BestChain>(&mut self, now: Timestamp, chain: &mut C) -> Stepped<(), C> {
        let (before, mut effects) = (self.tip_hash(), Vec::new());
        for block in self.early.take_due(now) {
            self.block(now, block, chain, &mut effects)?;
        }
        let mut changes = Vec::new();
        match &mut self.pool {
            Pool::Open(_) => {}
            Pool::Sealed(payments) => payments.expire(now, &mut changes),
        }
        for change in changes {
            mempool_changed(change, |_| false, &mut effects);
        }
        Ok(self.finish(now, before, (), effects))
    }

    fn tip_hash(&self) -> Hash {
        self.tip().block.hash()
    }

    /// Ends every command: announces a new tip and asks the peers that are due. `before` was the
    /// tip when the command began.
    fn finish<T>(
        &mut self,
        now: Timestamp,
        before: Hash,
        answer: T,
        mut effects: Vec<Effect>,
    ) -> Output<T> {
        let tip = self.tip_hash();
        // A new tip is announced at once, however long a branch takes.
        let settled = tip != before || self.sending.is_empty();
        if settled && tip != self.announced {
            let block = self.tip().block.clone();
            self.announced = tip;
            let to = self.peers.untold(tip);
            effects.push(NetworkEffect::Announce { block, to }.into());
        }
        self.ask_who_is_due(now, answer, effects)
    }

    fn ask_who_is_due<T>(
        &mut self,
        now: Timestamp,
        answer: T,
        mut effects: Vec<Effect>,
    ) -> Output<T> {
        let due = self.peers.due(now).into_iter();
        effects.extend(due.map(|(peer, closely)| NetworkEffect::Ask { peer, closely }.into()));
        Output { answer, effects }
    }

    fn add_peers(
        &mut self,
        now: Timestamp,
        addresses: Vec<PeerAddress>,
        namer: Namer,
    ) -> Output<Registration> {
        let (before, mut effects) = (self.tip_hash(), Vec::new());
        let mut each = Vec::with_capacity(addresses.len());
        for address in addresses {
            let added = self.peers.add(address.clone(), namer, now);
            if let Some(gone) = added.instead_of {
                forgot(gone, &mut effects);
            }
            if added.keep {
                effects.push(StoreEffect::AddPeer(address.clone()).into());
            }
            if added.registered == Registered::New {
                effects.push(Event::Peer { address, became: PeerChange::Added }.into());
            }
            each.push(added.registered);
        }
        let registration = Registration { each, peers: self.peers.addresses() };
        self.finish(now, before, registration, effects)
    }

    /// Takes one block, and the orphans that waited for it.
    fn block<C: BestChain>(
        &mut self,
        now: Timestamp,
        checked: Checked,
        chain: &mut C,
        effects: &mut Vec<Effect>,
    ) -> Result<Verdict, <C as Ancestry>::Error> {
        let (hash, index) = (checked.block().hash(), checked.block().index());
        let verdict = self.insert(now, checked, chain, effects)?;
        match verdict {
            Verdict::NewTip | Verdict::SideBranch => self.adopt(now, hash, chain, effects)?,
            // A peer may be ahead of this node: ask all, once the sender of the block has its
            // answer.
            Verdict::Orphan if index > self.tip().block.index() => self.peers.want_all(),
            _ => {}
        }
        Ok(verdict)
    }

    fn insert<C: BestChain>(
        &mut self,
        now: Timestamp,
        checked: Checked,
        chain: &mut C,
        effects: &mut Vec<Effect>,
    ) -> Result<Verdict, <C as Ancestry>::Error> {
        if too_far_ahead_s(checked.block(), now).is_some() {
            return self.hold(checked, chain);
        }
        Ok(match self.tree.insert(checked, chain) {
            Ok(Inserted::NewTip(change)) => {
                self.follow(now, change, chain, effects)?;
                Verdict::NewTip
            }
            Ok(Inserted::SideBranch) => Verdict::SideBranch,
            Ok(Inserted::Known) => Verdict::Known,
            Ok(Inserted::NoRoom) => Verdict::NoRoom,
            Err(NotInserted::Invalid(invalid)) => Verdict::Invalid(invalid),
            Err(NotInserted::Orphan(checked)) => self.wait_for_parent(*checked),
            Err(NotInserted::Ancestry(error)) => return Err(error),
        })
    }

    /// Keeps a block until its time comes, if nothing else is wrong with it: there is little room,
    /// and without its parent a block may state a target that is cheap to meet.
    fn hold<C: BestChain>(
        &mut self,
        checked: Checked,
        chain: &C,
    ) -> Result<Verdict, <C as Ancestry>::Error> {
        // The clock may have been set back.
        if self.tree.contains(&checked.block().hash(), chain)? {
            return Ok(Verdict::Known);
        }
        Ok(match self.tree.check(checked.block(), chain)? {
            Some(Ok(())) => {
                self.early.insert(checked);
                Verdict::Early
            }
            Some(Err(invalid)) => Verdict::Invalid(invalid),
            None => self.wait_for_parent(checked),
        })
    }

    /// Keeps a block until its parent joins the tree.
    fn wait_for_parent(&mut self, checked: Checked) -> Verdict {
        let early = self.early_below(checked.block());
        self.orphans.insert(checked);
        early.map_or(Verdict::Orphan, Verdict::OnEarly)
    }

    /// Finds the ancestor that waits for its time, if the node has all blocks between.
    fn early_below(&self, block: &Block) -> Option<FutureBlock> {
        let mut below = block.parent()?;
        loop {
            if let Some(early) = self.early.find(&below) {
                return Some(early);
            }
            below = self.orphans.parent_of(&below)?;
        }
    }

    /// Brings the queue or the mempool in line with a change of the best chain.
    fn follow<C: BestChain>(
        &mut self,
        now: Timestamp,
        change: ChangeSet,
        chain: &mut C,
        effects: &mut Vec<Effect>,
    ) -> Result<(), <C as Ancestry>::Error> {
        let tip = self.tree.tip().clone();
        match &mut self.pool {
            Pool::Open(open) => {
                let queue = open.queue.follow(&change, &tip, &open.rules.mint(), chain)?;
                effects.push(Event::Chain { change, tip: tip.into() }.into());
                if !queue.is_empty() {
                    queue_changed(queue, effects);
                }
            }
            Pool::Sealed(payments) => {
                let mut changes = Vec::new();
                let returned = returned(&payments.rules, &change, chain)?;
                let touched = change.touched.clone();
                payments.follow(now, touched, returned, chain, &mut changes)?;
                let removed = changes.iter().flat_map(|pool| &pool.removed);
                let confirmed = confirmed(removed, &change, &tip, chain)?;
                effects.push(Event::Chain { change, tip: tip.into() }.into());
                let is_confirmed = |id: &Hash| confirmed.binary_search(id).is_ok();
                self.spread(changes, is_confirmed, None, effects);
            }
        }
        Ok(())
    }

    /// Makes changes of the mempool durable, and relays the payments that joined it; to the sender
    /// `from` only those that it did not send itself.
    fn spread(
        &self,
        changes: Vec<MempoolChange>,
        is_confirmed: impl Fn(&Hash) -> bool,
        from: Option<(&PeerAddress, &BTreeSet<Hash>)>,
        effects: &mut Vec<Effect>,
    ) {
        let added = changes.iter().flat_map(|change| &change.added);
        let payments: Vec<_> = added.map(|new| new.payment.clone()).collect();
        for change in changes {
            mempool_changed(change, &is_confirmed, effects);
        }
        // This peer sent a missing payment; it may lack those that were held until that one came.
        let more = from.map(|(peer, sent)| {
            let lacks = payments.iter().filter(|payment| !sent.contains(&payment.id()));
            (lacks.cloned().collect(), peer)
        });
        let is_other = |peer: &&PeerAddress| from.is_none_or(|(sender, _)| *peer != sender);
        let others = self.peers.reachable().filter(is_other).cloned().collect();
        relay(payments, others, effects);
        if let Some((payments, peer)) = more {
            let to = self.peers.reachable().filter(|other| *other == peer).cloned().collect();
            relay(payments, to, effects);
        }
    }

    /// Sends a peer the payments that it may have missed or refused: no other peer may have them.
    fn tell_again(&self, peer: &PeerAddress, effects: &mut Vec<Effect>) {
        let Some(mempool) = self.mempool() else { return };
        let payments = mempool.template(TOLD_AGAIN_BYTES).into_iter().cloned().collect();
        relay(payments, [peer.clone()].into(), effects);
    }

    fn payments<C: BestChain>(
        &mut self,
        now: Timestamp,
        payments: Vec<Verified>,
        from: Option<&PeerAddress>,
        chain: &mut C,
        effects: &mut Vec<Effect>,
    ) -> Result<Vec<Result<Entered, Refused>>, <C as Ancestry>::Error> {
        let pool = match &mut self.pool {
            Pool::Open(_) => return Ok(Vec::new()),
            Pool::Sealed(payments) => payments,
        };
        let sent = payments.iter().map(|payment| payment.id()).collect();
        let mut changes = Vec::new();
        let outcomes = payments
            .into_iter()
            .map(|payment| pool.admit(now, payment, chain, &mut changes))
            .collect::<Result<_, _>>()?;
        self.spread(changes, |_| false, from.map(|from| (from, &sent)), effects);
        Ok(outcomes)
    }

    /// Takes a block that this node made.
    fn made<C: BestChain>(
        &mut self,
        now: Timestamp,
        checked: Checked,
        chain: &mut C,
        effects: &mut Vec<Effect>,
    ) -> Result<Result<Block, Refusal>, <C as Ancestry>::Error> {
        let block = checked.block().clone();
        Ok(match self.block(now, checked, chain, effects)? {
            Verdict::Invalid(invalid) => Err(Refusal::Invalid(invalid)),
            Verdict::Early => {
                let ahead_s = block.view().timestamp_s().saturating_sub(now.micros / 1_000_000);
                Err(Refusal::Early { index: block.index(), ahead_s })
            }
            _ => Ok(block),
        })
    }

    fn adopt<C: BestChain>(
        &mut self,
        now: Timestamp,
        parent: Hash,
        chain: &mut C,
        effects: &mut Vec<Effect>,
    ) -> Result<(), <C as Ancestry>::Error> {
        let mut parents = Vec::from([parent]);
        while let Some(parent) = parents.pop() {
            for child in self.orphans.take_children(&parent) {
                let hash = child.block().hash();
                let verdict = self.insert(now, child, chain, effects)?;
                if matches!(verdict, Verdict::NewTip | Verdict::SideBranch) {
                    parents.push(hash);
                }
            }
        }
        Ok(())
    }

    /// Takes blocks of one peer; stops at the first that found no place.
    fn branch<C: BestChain>(
        &mut self,
        now: Timestamp,
        blocks: Vec<Checked>,
        from: &PeerAddress,
        chain: &mut C,
        effects: &mut Vec<Effect>,
    ) -> Result<Verdict, <C as Ancestry>::Error> {
        let (mut verdict, before) = (Verdict::Known, self.tip().block.hash());
        for block in blocks {
            let hash = block.block().hash();
            verdict = self.block(now, block, chain, effects)?;
            match verdict {
                Verdict::NewTip | Verdict::SideBranch | Verdict::Known => {
                    self.peers.has(from, hash);
                }
                Verdict::Invalid(_)
                | Verdict::Orphan
                | Verdict::Early
                | Verdict::OnEarly(_)
                | Verdict::NoRoom => break,
            }
        }
        if self.tip().block.hash() != before {
            self.peers.brought_us_on(from);
        }
        Ok(verdict)
    }
}

/// Adds the effects of forgetting a peer.
fn forgot(address: PeerAddress, effects: &mut Vec<Effect>) {
    effects.push(StoreEffect::RemovePeer(address.clone()).into());
    effects.push(Event::Peer { address, became: PeerChange::Forgotten }.into());
}

/// Adds the effects of a change of the queue: transactions that left it are in a block.
fn queue_changed(change: QueueChange, effects: &mut Vec<Effect>) {
    if change.removed.len() + change.added.len() > MAX_TOLD {
        effects.push(StoreEffect::Queue(change).into());
        effects.push(Event::ManyTransactions.into());
        return;
    }
    let left = change.left.iter().map(|gone| (gone, TransactionChange::Confirmed));
    let joined = change.added.iter().map(|(_, new)| (new, TransactionChange::Entered));
    let events = left.chain(joined).map(|(transaction, became)| {
        let transaction = PendingTransaction::Open(transaction.clone());
        Effect::Event(Event::Transaction { transaction, became })
    });
    let events: Vec<_> = events.collect();
    effects.push(StoreEffect::Queue(change).into());
    effects.extend(events);
}

/// Adds the effects of a change of the mempool: payments that left it are in a block, were replaced
/// by one that joined, or are dropped.
fn mempool_changed(
    change: MempoolChange,
    is_confirmed: impl Fn(&Hash) -> bool,
    effects: &mut Vec<Effect>,
) {
    if change.removed.len() + change.added.len() > MAX_TOLD {
        effects.push(StoreEffect::Mempool(change).into());
        effects.push(Event::ManyTransactions.into());
        return;
    }
    let place = |payment: &Verified| (payment.sender(), payment.nonce());
    let joined: BTreeMap<_, _> =
        change.added.iter().map(|new| (place(&new.payment), new.payment.id())).collect();
    let left = change.removed.iter().map(|gone| {
        let became = match joined.get(&place(&gone.payment)) {
            _ if is_confirmed(&gone.payment.id()) => TransactionChange::Confirmed,
            Some(by) => TransactionChange::Replaced { by: *by },
            None => TransactionChange::Dropped,
        };
        (gone, became)
    });
    let entered = change.added.iter().map(|new| (new, TransactionChange::Entered));
    let events = left.chain(entered).map(|(waiting, became)| {
        let transaction = PendingTransaction::Signed(waiting.payment.clone());
        Effect::Event(Event::Transaction { transaction, became })
    });
    let events: Vec<_> = events.collect();
    effects.push(StoreEffect::Mempool(change).into());
    effects.extend(events);
}

/// Returns which of the payments that left the mempool are in blocks that joined the best chain, in
/// order. Other payments of those blocks may be among them.
fn confirmed<'a, C: BestChain>(
    removed: impl Iterator<Item = &'a Waiting>,
    change: &ChangeSet,
    tip: &ChainBlock,
    chain: &C,
) -> Result<Vec<Hash>, <C as Ancestry>::Error> {
    if let Some(payments) = &change.payments {
        let mut confirmed = payments.clone();
        confirmed.sort_unstable();
        return Ok(confirmed);
    }
    // Keyed by the ends of the texts, which are signatures: the beginnings are alike.
    let end = |text: &'a str| &text[text.len().saturating_sub(TAIL_BYTES)..];
    let by_end = removed.map(|gone| (end(gone.payment.text()), &gone.payment));
    let left: BTreeMap<_, _> = by_end.collect();
    let mut confirmed = Vec::new();
    if left.is_empty() {
        return Ok(confirmed);
    }
    for linked in change.joined(tip, chain) {
        let block = linked?.block;
        let texts = block.view().transactions().map(Value::text);
        let same = texts.filter_map(|text| {
            let end = text.get(text.len().saturating_sub(TAIL_BYTES)..)?;
            left.get(end).filter(|payment| payment.text() == text).map(|payment| payment.id())
        });
        confirmed.extend(same);
    }
    confirmed.sort_unstable();
    Ok(confirmed)
}

fn relay(payments: Vec<Verified>, to: Vec<PeerAddress>, effects: &mut Vec<Effect>) {
    if !payments.is_empty() && !to.is_empty() {
        effects.push(NetworkEffect::Relay { payments, to }.into());
    }
}

/// Reads the payments of disconnected blocks, the lowest block first, up to about [`MAX_RETURNED`].
/// Those beyond are lost, as if they had never come.
fn returned<C: BestChain>(
    rules: &Sealed,
    change: &ChangeSet,
    chain: &C,
) -> Result<Vec<Verified>, <C as Ancestry>::Error> {
    let mut returned = Vec::new();
    for linked in change.left(chain).rev() {
        let contents = rules.contents(&linked?.block);
        returned.extend(contents.into_iter().flat_map(|contents| contents.payments));
        if returned.len() >= MAX_RETURNED {
            break;
        }
    }
    Ok(returned)
}
