//! Blocks that lack only their proof: the work of a sealed chain's miners.
//!
//! A template is the payments of the mempool for the next block, the same for every miner; a draft
//! is a template with one miner's coin behind it. Its id is the seal, to which the work commits, so
//! that a proof comes back with all that it is for. Drafts that differ in their coin share their
//! payments and all of the Merkle tree but its right edge: one costs some microseconds.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::check::check_alone_with;
use blocksmith_consensus::payment::{Coinbase, Domain, MAX_INTEGER, Verified, VerifiedEntry};
use blocksmith_consensus::sealed::Header;
use blocksmith_consensus::{
    ChainBlock, Checked, Hash, Malformed, Rules, Sealed, Timestamp, Unproven, merkle,
};

use crate::interface::Refusal;
use crate::mempool::Mempool;

/// How old a template with payments has to be before a changed mempool makes a new one, in
/// microseconds. Each costs the node some milliseconds, however many miners ask. An empty one gives
/// way at once, so that a single payment is in the very next block that is mined on demand.
const MIN_TEMPLATE_AGE: u64 = 1_000_000;

/// How old the time in a draft may be when the node hands it out again, in seconds.
const MAX_DRAFT_AGE_S: u64 = 10;

/// How many templates of one tip are remembered, in some 40 MB when blocks are full: work that a
/// miner took a minute ago is still good.
const MAX_TEMPLATES: usize = 64;

/// How many drafts of one tip are remembered, in some 30 MB.
const MAX_DRAFTS: usize = 100_000;

/// The payments of the next block.
#[derive(Debug)]
struct Template {
    payments: Vec<Verified>,
    fees: u64,
    tree: merkle::Tree,
    made: Timestamp,
    /// The revision of the mempool that it was made from.
    revision: u64,
}

/// A block without its proof.
#[derive(Debug)]
struct Candidate {
    header: Header,
    coin: Coinbase,
    template: Arc<Template>,
}

/// The work that was handed out on top of one tip.
#[derive(Debug, Default)]
pub(crate) struct TemplateCache {
    templates: VecDeque<Arc<Template>>,
    drafts: BTreeMap<Hash, Candidate>,
    /// The seals, the oldest first.
    arrivals: VecDeque<Hash>,
    latest: BTreeMap<Address, Hash>,
}

/// The inputs that a draft is made from.
pub(crate) struct TemplateContext<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) sealed: &'a Sealed,
    pub(crate) domain: &'a Domain,
    pub(crate) tip: &'a ChainBlock,
    pub(crate) mempool: &'a Mempool,
    /// A number that grows with each change of the mempool.
    pub(crate) revision: u64,
}

impl TemplateContext<'_> {
    fn draft<'t>(
        &self,
        timestamp_s: u64,
        root: &Hash,
        texts: impl IntoIterator<Item = &'t str>,
    ) -> Result<Unproven, Malformed> {
        let (tip, target) = (&self.tip.block, self.rules.target_after(&self.tip.difficulty_state));
        Unproven::new(tip.index() + 1, &tip.hash(), timestamp_s, target, root, texts)
    }

    fn coin(&self, recipient: Address, fees: u64) -> Coinbase {
        let index = self.tip.block.index() + 1;
        Coinbase { recipient, amount: self.sealed.emission.subsidy(index) + fees, nonce: index }
    }

    /// The bytes that a block has for payments, however long its numbers are.
    pub(crate) fn room(&self, recipient: Address) -> Result<usize, Malformed> {
        let widest = Coinbase { recipient, amount: MAX_INTEGER, nonce: MAX_INTEGER };
        let coin = widest.text(self.domain.hrp);
        let empty = self.draft(MAX_INTEGER, &Hash([0; 32]), [&*coin])?;
        let longest_proof = 16;
        let taken = empty.bytes() + longest_proof;
        Ok(self.rules.max_block_bytes().saturating_sub(taken))
    }
}

impl TemplateCache {
    /// Forgets all work, since the tip has changed.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Returns the header to search now for a coin to `recipient`.
    ///
    /// # Errors
    /// Fails if there can be no such block: the chain's numbers are used up.
    pub(crate) fn header(
        &mut self,
        now: Timestamp,
        recipient: Address,
        context: &TemplateContext<'_>,
    ) -> Result<Header, Malformed> {
        let template = self.template(now, recipient, context)?;
        // Not before the parent's time, which may be a little ahead of this node's clock.
        let parent_s = context.tip.block.view().timestamp_s();
        let timestamp_s = (now.micros / 1_000_000).max(parent_s);
        if let Some(latest) = self.latest.get(&recipient)
            && let Some(latest) = self.drafts.get(latest)
            && Arc::ptr_eq(&latest.template, &template)
            && timestamp_s.abs_diff(latest.header.timestamp_s) <= MAX_DRAFT_AGE_S
        {
            return Ok(latest.header);
        }
        let coin = context.coin(recipient, template.fees);
        let mut tree = template.tree.clone();
        tree.push(coin.text(context.domain.hrp).as_bytes());
        // The root stands for the transactions: the seal does not need them.
        let header = *context.draft(timestamp_s, &tree.root(), [])?.header();
        self.remember(Candidate { header, coin, template });
        Ok(header)
    }

    fn template(
        &mut self,
        now: Timestamp,
        recipient: Address,
        context: &TemplateContext<'_>,
    ) -> Result<Arc<Template>, Malformed> {
        if let Some(last) = self.templates.back() {
            let age = now.micros.saturating_sub(last.made.micros);
            // A clock that was set back must not keep a template for ever.
            let is_new = age < MIN_TEMPLATE_AGE && now >= last.made;
            let is_in_use = is_new && !last.payments.is_empty();
            if last.revision == context.revision || is_in_use {
                return Ok(last.clone());
            }
        }
        let payments: Vec<_> =
            context.mempool.template(context.room(recipient)?).into_iter().cloned().collect();
        let mut tree = merkle::Tree::default();
        for payment in &payments {
            tree.push(payment.text().as_bytes());
        }
        let fees = payments.iter().map(|payment| payment.fee()).sum();
        let revision = context.revision;
        let template = Arc::new(Template { payments, fees, tree, made: now, revision });
        self.templates.push_back(template.clone());
        if self.templates.len() > MAX_TEMPLATES
            && let Some(oldest) = self.templates.pop_front()
        {
            self.drafts.retain(|_, draft| !Arc::ptr_eq(&draft.template, &oldest));
            self.arrivals.retain(|seal| self.drafts.contains_key(seal));
            self.latest.retain(|_, seal| self.drafts.contains_key(seal));
        }
        Ok(template)
    }

    fn remember(&mut self, draft: Candidate) {
        let (seal, recipient) = (draft.header.seal, draft.coin.recipient);
        if self.drafts.insert(seal, draft).is_none() {
            self.arrivals.push_back(seal);
        }
        self.latest.insert(recipient, seal);
        if self.arrivals.len() > MAX_DRAFTS
            && let Some(oldest) = self.arrivals.pop_front()
            && let Some(draft) = self.drafts.remove(&oldest)
            && self.latest.get(&draft.coin.recipient) == Some(&oldest)
        {
            self.latest.remove(&draft.coin.recipient);
        }
    }

    /// Makes the block of the draft with this seal and a proof; `None` if the draft is not
    /// remembered.
    pub(crate) fn solve(
        &self,
        seal: &Hash,
        proof: u64,
        context: &TemplateContext<'_>,
    ) -> Option<Result<Checked, Refusal>> {
        self.drafts.get(seal).map(|draft| draft.solve(proof, context))
    }
}

impl Candidate {
    fn solve(&self, proof: u64, context: &TemplateContext<'_>) -> Result<Checked, Refusal> {
        let Self { header, coin, template } = self;
        let digest = header.digest(&proof.to_string());
        if !header.target.is_met_by(&digest) {
            return Err(Refusal::Proof { tip_index: context.tip.block.index(), digest });
        }
        let coin_text = coin.text(context.domain.hrp);
        let texts = template.payments.iter().map(|payment| payment.text()).chain([&*coin_text]);
        let draft = context.draft(header.timestamp_s, &header.merkle_root, texts)?;
        // The mempool checked the signatures of these payments when they came. The block's Merkle
        // root says that they are the block's.
        let known = template.payments.iter().cloned().map(VerifiedEntry::Payment);
        let known = known.chain([VerifiedEntry::Coinbase(*coin)]).collect();
        Ok(check_alone_with(context.rules, draft.with_proof(proof)?, |_, _| Ok(known))?)
    }
}
