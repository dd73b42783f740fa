//! The search for the lowest valid proof, on a given number of cores.
//!
//! [`search::Search`] is a search, which other threads watch and stop by a [`search::Control`].
//! Backends differ in speed, never in the answer.
#![deny(unsafe_code)] // What may have it, and why, is said where `search` lists its modules.

pub mod search;
