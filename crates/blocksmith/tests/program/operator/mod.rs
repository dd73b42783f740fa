//! Who runs a node: the token, from this machine and from others, and the peers that they choose.

mod browsers;
mod namespace;
mod peers;
mod token;
