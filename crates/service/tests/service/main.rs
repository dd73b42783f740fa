//! The running node as its adapters see it, with its store.

mod accounts;
mod behaviour;
mod chain_files;
mod mempool;
mod store_model;
