//! `blocksmith wallet` as processes, against a small node that keeps accounts by the rules.

use blocksmith_testkit::{fake, program};

mod elsewhere;
mod files;
mod ledger;
mod marks;
mod node;
mod offline;
mod owner;
mod races;
mod replacing;
mod secrets;
mod sending;
mod signed;
#[cfg(target_os = "linux")]
mod terminal;
mod trust;
mod walk;
