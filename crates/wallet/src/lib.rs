//! Keys, addresses, signed payments and the file that keeps them.
//!
//! No network and no terminal: a command asks for words and passwords and hands them over.
//! Randomness is an argument wherever an answer depends on it, and what asks the system for some
//! is named so. Secrets are wiped when they are dropped, and none shows in `Debug`; copies that a
//! compiler or a library leaves on the stack are beyond that.
#![forbid(unsafe_code)]

/// `Debug` that says what a secret is and not what it says, so that it may be part of what is shown.
macro_rules! hide {
    ($name:ty) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

pub mod dev;
pub mod file;
pub mod keys;
pub mod keystore;
pub mod wallet;
pub mod words;
pub mod written;

pub use file::{FileError, WalletFile};
pub use keystore::Cost;
pub use wallet::{DevKeys, Wallet};
pub use words::Phrase;
