//! The running node: one thread owns the machine and writes, and all other tasks hold a [`Handle`].

#![forbid(unsafe_code)]

mod actor;
mod background;
mod branches;
pub mod chain;
mod clocks;
mod events;
pub mod faucet;
mod feed;
mod handle;
mod history;
mod import;
mod index;
mod metrics;
mod notices;
mod parties;
mod query;
mod rate_limit;
mod replay;
mod search;
mod signatures;
mod standing;
mod store;
pub mod system;
pub mod toml_text;
mod waiting;

pub use branches::{BlockSource, MAX_BRANCHES, SideBranch, SideBranches};
pub use clocks::{Clocks, time};
pub use events::work_shown;
pub use feed::{Event, Feed, Reorg, Tip};
pub use handle::{Handle, NotPaid};
pub use history::History;
pub use import::{Import, Taken};
pub use index::{Indexed, PartyState, Roles};
pub use metrics::{Levels, Metrics};
pub use notices::Notice;
pub use parties::{AsOf, Asked, Behind, Leaderboard, Miner, PartyPage, PartyWaiting};
pub use query::{
    AccountEntry, AccountPage, AccountState, Found, Inclusion, InclusionAnswer, Location,
    MAX_INCOMING, PendingOf, PendingPage, QueryError, float, seconds,
};
pub use replay::{Difference, NotReplayed, Replay, Replayed, Step, replay};
pub use search::{MAX_MATCHES, Match, Matches, TransactionState};
pub use standing::{Standing, Stopped};
pub use store::{
    Checked, IndexEntry, MAX_HISTORY, MAX_PLACES, NotAsWritten, Salvage, Snapshot, StoreError,
    TransactionLocation, is_node_id, new_node_id, tell_url,
};
pub use waiting::{WaitingTransaction, Waits};

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blocksmith_consensus::tree::Limits;
use blocksmith_consensus::{Hash, Timestamp};
use blocksmith_node::mempool::{self, Mempool, Waiting};
use blocksmith_node::{Machine, NetworkEffect, PeerAddress, Start};
use tokio::sync::mpsc;

use crate::chain::Chain;
pub use signatures::Signatures;

/// The options that a node starts with.
#[derive(Debug, Clone)]
pub struct Options {
    /// The chain.
    pub chain: Chain,
    /// The directory of the chain's store; the chain is in memory if `None`.
    pub data_dir: Option<PathBuf>,
    /// The recipient of coins that are mined without naming one; the store's own id if `None`.
    pub node_id: Option<String>,
    /// Whether the peers of earlier runs stay peers.
    pub keep_peers: bool,
    /// The addresses at which this node is reached, so that it does not register itself.
    pub own_addresses: Vec<PeerAddress>,
    /// Whether the chain is a dev chain: only there payments of the dev accounts are taken, and a
    /// faucet runs.
    pub dev: bool,
    /// The node through which the faucet pays, if it is not this one. The nodes of one network
    /// share one: two that sign for the same accounts would both use the same nonce.
    pub faucet_node: Option<Handle>,
}

impl Options {
    /// The options of a node of `chain` in memory, with the defaults; with a data directory, peers
    /// of earlier runs stay.
    pub fn new(chain: Chain) -> Self {
        Self {
            dev: chain.is_dev(),
            chain,
            data_dir: None,
            node_id: None,
            keep_peers: true,
            own_addresses: Vec::new(),
            faucet_node: None,
        }
    }
}

/// Opens the store and starts the node. The receiver yields the network effects to carry out.
///
/// # Errors
/// Fails if the data directory is in use, holds another chain, or can't be read or written.
pub fn start(
    options: Options,
) -> Result<(Handle, mpsc::UnboundedReceiver<NetworkEffect>), StoreError> {
    let chain = options.chain;
    let rules = Arc::new(chain.rules.clone());
    let (store, kept) =
        store::Store::open(options.data_dir.as_deref(), &rules, options.node_id, now())?;
    let (peers, unheard) = if options.keep_peers {
        (kept.peers, kept.unheard)
    } else {
        store.forget_peers()?;
        (Vec::new(), Vec::new())
    };
    let signatures = Signatures::new(&rules);
    let refused_senders = if options.dev {
        BTreeSet::new()
    } else {
        blocksmith_wallet::dev::all_addresses().collect()
    };
    let limits = mempool::Limits { refused_senders, ..mempool::Limits::default() };
    let address = options.own_addresses.first().cloned();
    let machine = store.guard(|| {
        Ok(Machine::new(Start {
            rules,
            tip: kept.tip,
            side: kept.side,
            queue: kept.queue,
            mempool: restore(&store, limits, &signatures, &kept.mempool)?,
            peers,
            unheard,
            own_addresses: options.own_addresses,
            coins_to: kept.node_id.clone(),
            limits: Limits::default(),
        }))
    })?;
    let mut node =
        handle::Node::new(chain, kept.node_id, options.dev, options.faucet_node, signatures);
    node.address = address;
    let index_dir = options.data_dir.clone();
    node.store_file = options.data_dir.map(|dir| dir.join(store::FILE));
    Handle::start(store, machine, node, index_dir.as_deref())
}

/// Restores the stored mempool, without payments that cannot be paid any more or have expired.
fn restore(
    store: &store::Store,
    limits: mempool::Limits,
    signatures: &Signatures,
    kept: &[(Timestamp, Hash, String)],
) -> Result<Mempool, StoreError> {
    let texts: Vec<_> = kept.iter().map(|(_, _, text)| text.as_bytes()).collect();
    let (mut entries, mut gone) = (Vec::new(), Vec::new());
    for ((arrived, id, _), payment) in kept.iter().zip(signatures.payments(&texts)) {
        match payment {
            Ok(payment) => entries.push(Waiting { arrived: *arrived, payment }),
            Err(_) => gone.push((*arrived, *id)),
        }
    }
    let (mut mempool, mut change) = Mempool::restore(limits, entries, &store.read()?)?;
    change.removed.extend(mempool.expire(now()).removed);
    if !change.is_empty() || !gone.is_empty() {
        let mut writer = store.write()?;
        writer.mempool(&change)?;
        writer.forget_payments(gone.into_iter())?;
        writer.commit()?;
    }
    Ok(mempool)
}

/// Opens the best chain that is stored in `dir`, whatever its rules, without starting a node. The
/// directory is in use as long as the snapshot lives.
///
/// # Errors
/// Fails if the data directory is in use, holds no chain, or can't be read.
pub fn open_read_only(dir: &Path) -> Result<Snapshot, StoreError> {
    store::Store::look(dir, false)
}

/// As [`open_read_only`], after a check that every page of the file is as it was written.
///
/// # Errors
/// Fails as [`open_read_only`], and if any page is damaged.
pub fn open_checked(dir: &Path) -> Result<Snapshot, StoreError> {
    store::Store::look(dir, true)
}

/// The time by this machine's clock.
pub fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp { micros: u64::try_from(since.as_micros()).unwrap_or(u64::MAX) }
}
