//! The program as a library, so that its parts can be tested as it runs them.
#![forbid(unsafe_code)]
// These macros panic if the output can't be written; cmd::note and cmd::stdout do not.
#![warn(clippy::print_stdout, clippy::print_stderr)]

pub mod amount;
mod calendar;
pub mod cmd;
pub mod config;
pub mod daemon;
pub mod dev_branch;
pub mod dev_network;
mod early;
pub mod exit;
pub mod http;
pub mod log;
pub mod mining;
pub mod operator;
pub mod peers;
pub mod searching;
mod spelling;
pub mod verify;

pub use blocksmith_api::client;
pub use blocksmith_service as service;
pub use blocksmith_service::{chain, faucet};
use blocksmith_service::{system, toml_text};
pub use blocksmith_text as text;
