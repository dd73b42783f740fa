//! The HTTP client that every call to somebody else's server starts from.

use reqwest::ClientBuilder;

/// A client with the program's cryptography; who uses it says how long it waits.
pub fn builder() -> ClientBuilder {
    // The second time it is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}
