//! The search for proofs: the lowest valid one, on as many cores as it is given.
//!
//! [`search::Search`] says what to look for, [`search::Control`] is how others watch and stop it.
//! Ways to hash differ in speed and never in the answer.
#![deny(unsafe_code)] // What may have it, and why, is said where `search` lists its modules.

pub mod search;
