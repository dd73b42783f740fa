//! Searches as users start them: `blocksmith prove`, `blocksmith bench`, and a node that mines.

mod bench;
#[cfg(target_os = "linux")]
mod node;
#[expect(dead_code, reason = "what miners print is looked at elsewhere")]
#[path = "../mine/program.rs"]
mod program;
mod prove;
#[cfg(target_os = "linux")]
mod threads;
