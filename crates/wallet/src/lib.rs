//! Keys, addresses, signed payments and the file that keeps them.
//!
//! This crate uses no network and no terminal: commands ask for words and passwords and pass them.
//! Randomness is an argument wherever a result depends on it; functions that ask the system for it
//! say so. Secrets are wiped when they are dropped, and none shows in `Debug`; copies that the
//! compiler or a library leaves on the stack are not wiped.
#![forbid(unsafe_code)]

/// Implements a `Debug` that names a secret's type and hides its value, so that types which hold it
/// can derive `Debug`.
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
pub mod typed;
pub mod wallet;
pub mod words;
pub mod written;

pub use file::{FileError, WalletFile};
pub use keystore::Cost;
pub use wallet::{DevKeys, Wallet};
pub use words::Phrase;
