//! Helpers for tests: the best chain in memory, signers with public keys, seeded random numbers,
//! and processes: the program, and servers whose answers a test chooses.
#![forbid(unsafe_code)]

pub mod crowd;
#[cfg(feature = "program")]
pub mod fake;
pub mod memory;
pub mod process;
#[cfg(feature = "program")]
pub mod program;
pub mod random;
pub mod signers;
