//! What is valid on a Blocksmith chain.
//!
//! No clock, no I/O, no randomness, and no floats in rules: `now` and everything else that a rule
//! depends on is an argument.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod hash;
pub mod job;
pub mod json;
