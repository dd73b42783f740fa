//! The running node: one thread owns the machine and writes, everybody else holds a [`Handle`].

mod actor;
mod clocks;
mod handle;
mod signatures;
mod store;

pub use clocks::Clocks;
pub(crate) use clocks::time;
pub use handle::{Handle, Order, Standing, Stopped, Work};
pub(crate) use store::new_node_id;
pub use store::{Snapshot, StoreError};

use std::path::{Path, PathBuf};
use std::sync::Arc;

use blocksmith_consensus::Timestamp;
use blocksmith_consensus::tree::Limits;
use blocksmith_node::{Address, Machine, Start};
use tokio::sync::mpsc;

use crate::chain::Chain;

/// What a service needs to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// The chain.
    pub chain: Chain,
    /// Where the chain is kept; in memory if `None`.
    pub data_dir: Option<PathBuf>,
    /// Who gets the coins that are mined without naming anybody; the store's own id if `None`.
    pub node_id: Option<String>,
    /// Whether the peers of earlier runs are still some.
    pub keep_peers: bool,
    /// The addresses under which this node is reached, so that it does not register itself.
    pub own_addresses: Vec<Address>,
}

/// Opens the store and starts the node. The receiver says what to do over the network.
///
/// # Errors
/// That the data directory is in use, holds another chain, or can't be read or written.
pub fn start(options: Options) -> Result<(Handle, mpsc::UnboundedReceiver<Order>), StoreError> {
    let chain = Arc::new(options.chain);
    let rules = Arc::new(chain.rules.clone());
    let (store, kept) =
        store::Store::open(options.data_dir.as_deref(), &rules, options.node_id, now())?;
    let peers = if options.keep_peers { kept.peers } else { store.forget(&kept.peers)? };
    let machine = Machine::new(Start {
        rules,
        tip: kept.tip,
        queue: kept.queue,
        peers,
        own_addresses: options.own_addresses,
        limits: Limits::default(),
    });
    Ok(actor::spawn(store, machine, chain, kept.node_id))
}

/// The best chain that is kept in `dir`, whatever its rules, without starting a node. The directory
/// is in use as long as the snapshot lives.
///
/// # Errors
/// That the data directory is in use, holds no chain, or can't be read.
pub fn look(dir: &Path) -> Result<Snapshot, StoreError> {
    store::Store::look(dir)
}

/// The time by this machine's clock.
pub fn now() -> Timestamp {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    Timestamp { micros: u64::try_from(since.as_micros()).unwrap_or(u64::MAX) }
}
