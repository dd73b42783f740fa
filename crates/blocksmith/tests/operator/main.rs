//! Who runs a node: the token, from this machine and from others, and the peers that they choose.

mod browsers;
#[expect(dead_code, reason = "miners ask it for more")]
#[path = "../mine/fake.rs"]
mod fake;
mod namespace;
mod peers;
#[expect(dead_code, reason = "what miners print is looked at elsewhere")]
#[path = "../mine/program.rs"]
mod program;
mod token;
