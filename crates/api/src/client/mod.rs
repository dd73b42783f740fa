//! The client with which programs ask a node, and the manners that it shares with all other calls to
//! somebody else's server, those between peers among them: redirects are followed nowhere, an answer
//! has a bound in time and in bytes, and what is wrong with it is told in the server's own words.

mod http;
mod node;

pub use http::{
    Redirected, builder, cause, described, is_loopback, is_not_http, parse_page, parse_url, reason,
    redirect_of,
};
pub use node::{Answer, Answered, Node, NodeError};
