//! The node over real sockets: every call, every status, and what nobody should send.

mod api;
mod bounds;
mod browsers;
mod crowds;
mod events;
mod figures;
mod floods;
mod forge;
mod lecture;
mod node;
#[path = "../../../consensus/tests/random/mod.rs"]
mod random;
#[path = "../../../consensus/tests/signers/mod.rs"]
mod signers;
mod snapshots;
mod streaming;
