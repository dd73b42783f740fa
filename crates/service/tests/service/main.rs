//! The running node as its adapters see it, with its store.

mod accounts;
mod behaviour;
mod chain_files;
mod import;
mod mempool;
mod store_model;
