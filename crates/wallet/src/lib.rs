//! Keys, addresses, signed payments and the file that keeps them.
//!
//! No network and no terminal: a command asks for words and passwords and hands them over.
//! Randomness is an argument wherever an answer depends on it, and what asks the system for some
//! is named so. Secrets are wiped when they are dropped, and none shows in `Debug`; copies that a
//! compiler leaves on the stack are beyond that.
#![forbid(unsafe_code)]

pub mod dev;
pub mod file;
pub mod keys;
pub mod keystore;
pub mod wallet;
pub mod words;

pub use file::{FileError, WalletFile};
pub use keystore::Cost;
pub use wallet::Wallet;
pub use words::Phrase;
