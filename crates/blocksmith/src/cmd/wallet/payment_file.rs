//! Files with a payment, as `blocksmith wallet sign` prints it.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use blocksmith_consensus::payment::{Domain, MAX_WIRE_BYTES, Verified};
use blocksmith_wallet::written::{decode, is_blank};

use super::mail::{self, NoPayment};

/// The most bytes of a file with a payment: its text in UTF-16 has twice as many, and white space
/// comes on top.
const MAX_FILE_BYTES: usize = 4 * MAX_WIRE_BYTES;

/// What a file holds where a payment should be.
#[derive(Debug)]
pub(super) struct Text {
    /// The name of the source for people.
    pub(super) source: String,
    /// As it was written; `None` if it is longer than any payment.
    text: Option<String>,
}

/// Whether the file is the standard input.
pub(super) fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// Reads the file on another thread, so that a signal is heard while a person types.
pub(super) async fn read(file: PathBuf) -> anyhow::Result<Text> {
    let source =
        if is_stdin(&file) { "the standard input".into() } else { file.display().to_string() };
    match tokio::task::spawn_blocking(move || read_file(&file)).await? {
        Ok(text) => Ok(Text { source, text }),
        Err(error) if error.kind() == ErrorKind::NotFound => anyhow::bail!(
            "the payment can't be read from {source}: there is no such file; `blocksmith wallet sign \
             --out` makes one, and - is the standard input"
        ),
        Err(error) => {
            Err(error).with_context(|| format!("the payment can't be read from {source}"))
        }
    }
}

/// Reads one byte more than a file may have, to tell that it has too many.
fn read_file(file: &Path) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let most = MAX_FILE_BYTES as u64 + 1;
    if is_stdin(file) {
        io::stdin().lock().take(most).read_to_end(&mut bytes)?;
    } else {
        File::open(file)?.take(most).read_to_end(&mut bytes)?;
    }
    if bytes.len() > MAX_FILE_BYTES {
        return Ok(None);
    }
    let text = decode(&bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
    Ok(Some(text.into_owned()))
}

impl Text {
    /// The payment, if its sender signed it for this chain.
    pub(super) fn payment(&self, domain: &Domain) -> Result<Verified, NoPayment> {
        let text =
            self.text.as_deref().filter(|text| text.trim_matches(is_blank).len() <= MAX_WIRE_BYTES);
        let text = text
            .ok_or_else(|| NoPayment::Text(format!("it has more than {MAX_WIRE_BYTES} bytes")))?;
        mail::payment(text, domain)
    }
}
