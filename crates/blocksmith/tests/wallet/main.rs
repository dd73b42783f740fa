//! `blocksmith wallet` as processes, against a small node that keeps accounts by the rules.

mod elsewhere;
#[expect(dead_code, reason = "a node that stops is looked at elsewhere")]
#[path = "../program/fake.rs"]
mod fake;
mod files;
mod ledger;
mod marks;
mod node;
mod offline;
mod owner;
#[expect(dead_code, reason = "what miners print is looked at elsewhere")]
#[path = "../program/program.rs"]
mod program;
mod races;
mod secrets;
mod sending;
mod signed;
#[cfg(target_os = "linux")]
mod terminal;
mod trust;
mod walk;
