//! The node over real sockets: every call, every status, and what nobody should send.

mod api;
mod bounds;
mod lecture;
mod node;
mod streaming;
