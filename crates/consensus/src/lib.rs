//! The rules of validity of a Blocksmith chain.
//!
//! This crate has no clock, no I/O and no randomness, and its rules have no floats: `now` and every
//! other input of a rule is an argument.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod address;
pub mod block;
mod chain_block;
pub mod check;
pub mod difficulty;
pub mod document;
pub mod hash;
pub mod job;
pub mod json;
pub mod ledger;
pub mod limits;
mod malformed;
pub mod merkle;
pub mod payment;
pub mod rules;
pub mod sealed;
pub mod transaction;
pub mod tree;
pub mod unproven;

pub use block::{Block, BlockView, Malformed, Proof, Shape, Timestamp};
pub use check::{Checked, Invalid, Valid, check_alone, check_on};
pub use difficulty::{Difficulty, DifficultyState};
pub use hash::Hash;
pub use job::{Job, Target};
pub use rules::{Family, Genesis, Issuance, Open, Puzzle, Rules, Sealed};
pub use transaction::Transaction;
pub use tree::{Ancestry, ChainBlock, ChangeSet, Tree};
pub use unproven::Unproven;

/// 256-bit unsigned integers, for targets and work.
pub use ethnum::U256;
