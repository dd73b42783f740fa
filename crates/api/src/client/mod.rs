//! The client with which programs call a node, and the conduct that it shares with all other calls
//! to servers that are not our own, also those between peers: it follows no redirect, an answer has
//! a bound in time and in bytes, and a message about it quotes the server's own words.

mod http;
mod node;

pub use http::{
    Redirected, builder, cause, described, is_loopback, is_not_http, parse_page, parse_url, reason,
    redirect_of, shows_tls,
};
pub use node::{Answer, Answered, Node, NodeError};
