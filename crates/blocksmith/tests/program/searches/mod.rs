//! Searches as users start them: `blocksmith prove`, `blocksmith bench`, and a node that mines.

mod bench;
#[cfg(target_os = "linux")]
mod node;
mod prove;
#[cfg(target_os = "linux")]
mod threads;
