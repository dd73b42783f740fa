//! Input in the encodings that shells write.

use std::io::{self, BufRead, Cursor, ErrorKind, Read as _};

use blocksmith_wallet::written::{Encoding, decode};

/// Returns the input as UTF-8. Input in UTF-16, which PowerShell's `>` writes, is held in memory,
/// up to `most` bytes.
pub(super) fn utf8<'a>(
    mut input: impl BufRead + 'a,
    most: usize,
) -> io::Result<Box<dyn BufRead + 'a>> {
    let first = input.fill_buf()?;
    let encoding = Encoding::of(first);
    // Without a byte order mark it takes two letters to tell the encoding, not one: a text may be
    // broken and yet have lines.
    let is_marked = first.first().is_some_and(|byte| *byte >= 0xfe);
    if encoding == Encoding::Utf8
        || !is_marked && Encoding::of(first.get(2..).unwrap_or_default()) != encoding
    {
        return Ok(Box::new(input));
    }
    let wrong = |why: String| io::Error::new(ErrorKind::InvalidData, why);
    let mut bytes = Vec::new();
    input.take(most as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(wrong(format!("it has more than {most} bytes in UTF-16; save it as UTF-8")));
    }
    let text = decode(&bytes).map_err(|error| wrong(error.to_string()))?;
    Ok(Box::new(Cursor::new(text.into_owned().into_bytes())))
}
