//! Files with a payment, as `blocksmith wallet sign` prints it.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use blocksmith_consensus::payment::{Domain, MAX_WIRE_BYTES, Verified};
use blocksmith_wallet::written::{decode, is_blank};

use super::mail::{self, NoPayment};

/// The most bytes of a file with a payment: twice as many as its text in UTF-16, and white space.
const MAX_FILE_BYTES: usize = 4 * MAX_WIRE_BYTES;

/// What a file has in the place of a payment.
#[derive(Debug)]
pub(super) struct Text {
    /// Where it comes from, as people say it.
    pub(super) source: String,
    /// As it was written; `None` if it is longer than any payment.
    text: Option<String>,
}

/// Whether the file is the standard input.
pub(super) fn is_stdin(file: &Path) -> bool {
    file == Path::new("-")
}

/// Reads the file, elsewhere, so that a signal is heard while somebody types.
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

/// One byte more than a file may have tells that there is more.
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
