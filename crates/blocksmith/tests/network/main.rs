//! Nodes that keep in touch: with fakes that answer as they like, and with each other.

mod partitions;
mod peers_over_http;
