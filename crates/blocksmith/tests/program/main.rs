//! The program as its users run it: processes, files and terminals.

use blocksmith_testkit::{fake, program};

mod accounts;
mod beside_a_node;
mod branches;
mod chain_commands;
mod chain_new;
mod chain_replay;
mod chain_verify;
mod forge_chain_files;
mod light_client;
mod log;
mod mine;
mod mining;
mod misread;
#[cfg(target_os = "linux")]
mod off_clock;
mod operator;
mod searches;
mod settings;
#[cfg(target_os = "linux")]
mod store_trouble;
