//! All transactions of an account, as they were at one moment, read page by page.

use blocksmith_consensus::Family;
use blocksmith_consensus::address::Address;
use blocksmith_consensus::payment::Domain;

use super::handle::Handle;
use super::index::Moment;
use super::parties::{AsOf, Asked, check_names};
use super::query::{AccountEntry, Confirmed, entries};
use super::store::{MAX_HISTORY, Snapshot, StoreError, TransactionLocation};

/// The transactions of an account, the newest first, as they were at one moment: whatever happens to
/// the chain while they are read, they are those of one chain.
pub struct History {
    chain: Snapshot,
    of: Of,
    before: Option<TransactionLocation>,
    is_done: bool,
}

/// Whose they are.
enum Of {
    Address { key: [u8; 32], domain: Domain },
    Party { name: String, index: Box<Moment> },
}

impl History {
    /// The next ones: at most `limit` and [`MAX_HISTORY`], and those for which `most_bytes` of blocks
    /// were read. This may read many blocks.
    ///
    /// # Errors
    /// Fails if the store can't be read.
    pub fn next_page(
        &mut self,
        limit: usize,
        most_bytes: usize,
    ) -> Result<Vec<AccountEntry>, StoreError> {
        let limit = limit.min(MAX_HISTORY);
        if self.is_done || limit == 0 {
            return Ok(Vec::new());
        }
        let (spots, domain) = match &self.of {
            Of::Address { key, domain } => {
                let spots = self.chain.history(key, self.before, limit)?;
                (spots.into_iter().map(|spot| (spot, None)).collect(), Some(*domain))
            }
            Of::Party { name, index } => {
                let spots = index.read(|index| index.history(name, self.before, limit))?;
                (spots.into_iter().map(|(spot, roles)| (spot, Some(roles))).collect(), None)
            }
        };
        let confirmed = Confirmed::of(self.chain.clone(), domain)?;
        let (entries, next) = entries(confirmed, spots, limit, most_bytes)?;
        if let Of::Party { name, .. } = &self.of {
            check_names(&entries, name)?;
        }
        (self.before, self.is_done) = (next, next.is_none());
        Ok(entries)
    }

    /// Whether there are no more.
    pub fn is_done(&self) -> bool {
        self.is_done
    }
}

impl Handle {
    /// All transactions of an address, or those before `before`; `None` on an open chain.
    ///
    /// # Errors
    /// Fails if the store can't be read.
    pub fn history(
        &self,
        address: Address,
        before: Option<TransactionLocation>,
    ) -> Result<Option<History>, StoreError> {
        let Some(domain) = self.domain().copied() else { return Ok(None) };
        let of = Of::Address { key: *address.key(), domain };
        Ok(Some(History { chain: self.snapshot()?, of, before, is_done: false }))
    }

    /// All transactions of a party of an open chain, or those before `before`; `None` where payments
    /// are signed.
    ///
    /// # Errors
    /// Fails if the node has stopped, or if the store can't be read.
    pub async fn party_history(
        &self,
        name: String,
        before: Option<TransactionLocation>,
    ) -> Asked<History> {
        if let Family::Sealed(_) = self.chain().rules.family {
            return Ok(None);
        }
        let history = |(index, chain): (Moment, Snapshot)| {
            let indexed = index.indexed();
            let of = Of::Party { name, index: Box::new(index) };
            AsOf { answer: History { chain, of, before, is_done: false }, indexed }
        };
        Ok(Some(self.index_and_chain().await?.map(history)))
    }
}
