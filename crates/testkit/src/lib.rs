//! For tests alone: the best chain in memory, people whose keys everybody knows, and numbers that look
//! random and come again.
#![forbid(unsafe_code)]

pub mod crowd;
pub mod memory;
pub mod random;
pub mod signers;
