//! Where a chain's text comes from: a file, the standard input, a node.

use std::borrow::Cow;
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use blocksmith_node::PeerAddress;
use blocksmith_wallet::written::Encoding;
use rayon::prelude::*;
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;

use super::quoted;
use super::reading::{MAX_HELD_BYTES, all_threads};
use crate::client::{Redirected, described};
use crate::cmd::Misused;
use crate::cmd::input::utf8;
use crate::cmd::values::page;

/// How long a node may take to accept a connection.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long a node may send nothing.
const SILENCE_TIME: Duration = Duration::from_secs(30);

/// The first bytes of every store, without checksums and with them.
const STORE_STARTS: [&[u8]; 2] = [b"redb\x1a\x0a", b"blocksmith ck"];

/// The fewest bytes of a file that get a thread of their own.
const MIN_PART_BYTES: usize = 1 << 20;

/// No server answers at that address.
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
    /// The source that `name` stands for: an address, `-`, or a file.
    pub(super) async fn find(name: &str) -> anyhow::Result<Self> {
        if name == "-" {
            return Ok(Self::Stdin);
        }
        if is_address(name) {
            let url =
                page(name).map_err(|why| Misused(format!("SOURCE can't be {name:?}: {why}")))?;
            return Ok(Self::Held(fetch(&url).await?));
        }
        let unreadable = || format!("the file {name} can't be read");
        let found = std::fs::metadata(name).with_context(unreadable)?;
        if let Some(dir) = data_dir(Path::new(name), &found).with_context(unreadable)? {
            let what = match found.is_dir() {
                true => "a folder, such as a node's data directory",
                false => "the store of a node",
            };
            let dir = quoted(&dir.display().to_string());
            anyhow::bail!(
                "{name} is {what}, not a chain's text: \
                 `blocksmith chain verify --replay --data-dir {dir}` checks the chain of a node there, and \
                 `blocksmith chain export --data-dir {dir}` writes its blocks as text"
            );
        }
        Ok(Self::File(name.into()))
    }

    /// The same source, made so that it can be read twice: the standard input is held in memory,
    /// within bounds.
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

    /// The whole text, if it fits into memory and is quick to get. A file is read on all cores,
    /// since copying it on one takes nearly as long as verifying it.
    pub(super) fn whole(&self) -> io::Result<Option<Cow<'_, [u8]>>> {
        match self {
            Self::File(path) => Ok(read_side_by_side(path, all_threads())?.map(Cow::Owned)),
            Self::Stdin => Ok(None),
            Self::Held(text) => Ok(Some(Cow::Borrowed(text))),
        }
    }

    /// A reader of the text from its start.
    pub(super) fn reader(&self) -> std::io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::File(path) => utf8(BufReader::new(File::open(path)?), MAX_HELD_BYTES)?,
            Self::Stdin => utf8(std::io::stdin().lock(), MAX_HELD_BYTES)?,
            Self::Held(text) => Box::new(&**text),
        })
    }
}

/// A file's bytes, read on up to `threads` threads. `None` if the file is short, too long to hold,
/// or in UTF-16: then it is better read from its start.
fn read_side_by_side(path: &Path, threads: usize) -> io::Result<Option<Vec<u8>>> {
    // A pipe can be opened only once: its writer would find it closed.
    let found = std::fs::metadata(path)?;
    let len = usize::try_from(found.len()).unwrap_or(usize::MAX);
    let part = len.div_ceil(threads.max(1)).max(MIN_PART_BYTES);
    if !found.is_file() || len <= part || len >= MAX_HELD_BYTES {
        return Ok(None);
    }
    let (mut file, mut first) = (File::open(path)?, [0; 2]);
    file.read_exact(&mut first)?;
    if Encoding::of(&first) != Encoding::Utf8 {
        return Ok(None);
    }
    let mut text = vec![0; len];
    let read = text.par_chunks_mut(part).enumerate().try_for_each(|(number, part_text)| {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start((number * part) as u64))?;
        file.read_exact(part_text)
    });
    // Another process is writing the file: what it holds when it is read to its end counts.
    let changed = file.metadata()?.len() != found.len();
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
        Ok(()) => Ok((!changed).then_some(text)),
    }
}

/// The data directory that a name stands for where a chain's text is wanted: a folder, or the store
/// in one.
fn data_dir<'a>(name: &'a Path, found: &Metadata) -> io::Result<Option<&'a Path>> {
    if found.is_dir() {
        return Ok(Some(name));
    }
    // A pipe can be read only once.
    if !found.is_file() {
        return Ok(None);
    }
    let (mut start, longest) = (Vec::new(), STORE_STARTS.map(<[u8]>::len).into_iter().max());
    File::open(name)?.take(longest.unwrap_or_default() as u64).read_to_end(&mut start)?;
    let dir = name.parent().filter(|dir| !dir.as_os_str().is_empty());
    Ok((STORE_STARTS.iter().any(|store| start.starts_with(store)))
        .then(|| dir.unwrap_or(Path::new("."))))
}

/// Whether the name is that of a server and not of a file: it has a scheme, or it is a host with a
/// port and there is no such file.
fn is_address(name: &str) -> bool {
    let host = name.split('/').next().unwrap_or_default();
    let has_port = host.contains(':') && host.parse::<PeerAddress>().is_ok();
    name.contains("://") || has_port && !Path::new(name).exists()
}

/// The chain of the node at `url`: its answer to `GET /chain`, or to the URL's own path if it has
/// one.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_the_same_however_many_threads_read_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("chain.json");
        let read = |bytes: &[u8], threads| {
            std::fs::write(&path, bytes).expect("a file is written");
            read_side_by_side(&path, threads).expect("it is read")
        };
        let bytes: Vec<u8> = (0..3 * MIN_PART_BYTES + 5).map(|at| b'a' + (at % 23) as u8).collect();
        for threads in [2, 3, 4, 64] {
            for len in [2 * MIN_PART_BYTES, 3 * MIN_PART_BYTES - 1, bytes.len()] {
                assert!(read(&bytes[..len], threads).is_some_and(|read| read == bytes[..len]));
            }
            assert_eq!(read(&bytes[..MIN_PART_BYTES], threads), None, "short");
        }
        let utf16: Vec<u8> = bytes.iter().flat_map(|byte| [*byte, 0]).collect();
        assert_eq!(read(&utf16, 2), None);
    }
}
