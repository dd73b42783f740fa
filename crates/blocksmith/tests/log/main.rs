//! What the program says to whoever runs it, as a process.

mod escaped;
mod events;
#[expect(dead_code, reason = "a server that stops is looked at elsewhere")]
#[path = "../mine/fake.rs"]
mod fake;
mod flood;
#[expect(dead_code, reason = "what miners print is looked at elsewhere")]
#[path = "../mine/program.rs"]
mod program;
mod senders;
mod spelling;
