//! The program as a library, so that its parts can be tested as it runs them.
#![forbid(unsafe_code)]

pub mod amount;
pub mod chain;
pub mod client;
pub mod cmd;
pub mod config;
pub mod faucet;
pub mod http;
pub mod log;
pub mod mining;
pub mod operator;
pub mod peers;
pub mod searching;
pub mod service;
pub mod text;
pub mod verify;
