//! For tests alone: the best chain in memory, people whose keys everybody knows, numbers that look
//! random and come again, and processes: the program, and servers that say what a test wants.
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
