//! Where a chain's text comes from: a file, the standard input, a node.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use blocksmith_node::Address;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;

use super::reading::MAX_HELD_BYTES;
use crate::client::{Redirected, described, parse_page};
use crate::cmd::Misused;
use crate::cmd::input::utf8;

/// How long a node may take to accept a connection.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long a node may be silent.
const SILENCE_TIME: Duration = Duration::from_secs(30);

/// Nobody answers there.
#[derive(Debug, thiserror::Error)]
#[error("{url} does not answer; is a node running there? ({error})")]
pub struct Unreachable {
    url: String,
    error: String,
}

/// A chain's text, which can be read more than once unless it is the standard input.
pub(super) enum Source {
    File(PathBuf),
    Stdin,
    Held(Vec<u8>),
}

impl Source {
    /// What `name` stands for: an address, `-`, or a file.
    pub(super) async fn find(name: &str) -> anyhow::Result<Self> {
        if name == "-" {
            return Ok(Self::Stdin);
        }
        if is_address(name) {
            let url = parse_page(name).map_err(|why| Misused(format!("{name}: {why}")))?;
            return Ok(Self::Held(fetch(&url).await?));
        }
        std::fs::metadata(name).with_context(|| format!("the file {name} can't be read"))?;
        Ok(Self::File(name.into()))
    }

    /// The same so that it can be read twice: the standard input is held, within bounds.
    pub(super) fn held(self) -> anyhow::Result<Self> {
        let Self::Stdin = self else { return Ok(self) };
        let mut text = Vec::new();
        let input = utf8(std::io::stdin().lock(), MAX_HELD_BYTES)?;
        input.take(MAX_HELD_BYTES as u64 + 1).read_to_end(&mut text)?;
        anyhow::ensure!(
            text.len() <= MAX_HELD_BYTES,
            "the standard input has more than {MAX_HELD_BYTES} bytes; read it from a file"
        );
        Ok(Self::Held(text))
    }

    /// The text from its start.
    pub(super) fn reader(&self) -> std::io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::File(path) => utf8(BufReader::new(File::open(path)?), MAX_HELD_BYTES)?,
            Self::Stdin => utf8(std::io::stdin().lock(), MAX_HELD_BYTES)?,
            Self::Held(text) => Box::new(&**text),
        })
    }
}

/// Whether a server is meant and no file: by its scheme, or else by a host and a port that are not
/// the name of a file.
fn is_address(name: &str) -> bool {
    let host = name.split('/').next().unwrap_or_default();
    let has_port = host.contains(':') && host.parse::<Address>().is_ok();
    name.contains("://") || has_port && !Path::new(name).exists()
}

/// The chain of the node at `url`: what it answers to `GET /chain`, or there if the URL has a path.
pub(super) async fn fetch(url: &Url) -> anyhow::Result<Vec<u8>> {
    let mut full = url.clone();
    if full.path() == "/" {
        full.set_path("/chain");
    }
    let unreachable = |error: reqwest::Error| Unreachable {
        url: full.to_string(),
        error: format!("{:#}", anyhow::Error::from(error.without_url())),
    };
    let client = crate::client::builder()
        .no_proxy()
        .connect_timeout(CONNECT_TIME)
        .read_timeout(SILENCE_TIME)
        .build()?;
    let mut answer = client.get(full.clone()).send().await.map_err(unreachable)?;
    if let Some(redirected) = Redirected::of_document(&answer) {
        return Err(redirected.into());
    }
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut text = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        if text.len() + chunk.len() > MAX_HELD_BYTES {
            anyhow::bail!("{full} answers with more than {MAX_HELD_BYTES} bytes");
        }
        text.extend_from_slice(&chunk);
    }
    let is_page =
        headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !status.is_success() || is_page {
        let said = described(status, &headers, &text);
        anyhow::bail!("{full} answers with {said}, not with a chain");
    }
    Ok(text)
}
