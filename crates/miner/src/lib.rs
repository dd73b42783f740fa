//! The search for proofs: the lowest valid one, on as many cores as it is given.
//!
//! [`search::Search`] says what to look for, [`search::Control`] is how others watch and stop it.
//! Ways to hash differ in speed and never in the answer.
#![forbid(unsafe_code)]

pub mod search;
