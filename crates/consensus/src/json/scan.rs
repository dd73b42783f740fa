//! The smallest parts of a text: whitespace, runs of plain characters, numbers.

use super::{JsonError, JsonErrorKind, MAX_INT_DIGITS, float};

const ONES: u64 = u64::MAX / 0xff;
const HIGH_BITS: u64 = ONES << 7;

/// Eight copies of a byte.
const fn eight(byte: u8) -> u64 {
    ONES * byte as u64
}

/// The high bit of each byte that is zero; right up to and including the first such byte, which is
/// all that the callers look at, and only if no byte before it is above 0x7f.
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & HIGH_BITS
}

#[inline(always)]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|chunk| u64::from_le_bytes(*chunk))
}

/// True for the characters that a canonical string holds as they are.
const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

/// The first byte from `at` on that is not a plain character of a string.
#[inline(always)]
pub(super) fn plain(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = word(bytes, at) {
        let below_space = word.wrapping_sub(eight(0x20));
        let above_tilde = word.wrapping_add(ONES) | word;
        let quote = (word ^ eight(b'"')).wrapping_sub(ONES);
        let backslash = (word ^ eight(b'\\')).wrapping_sub(ONES);
        let special = (below_space | above_tilde | quote | backslash) & HIGH_BITS;
        if special != 0 {
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|&byte| is_plain(byte)) {
        at += 1;
    }
    at
}

/// The first quote or bracket of any kind from `at` on; the text is ASCII.
#[inline(always)]
pub(super) fn bracket_or_quote(bytes: &[u8], mut at: usize) -> usize {
    while let Some(word) = word(bytes, at) {
        let folded = word | eight(0x20);
        let open = zeros(folded ^ eight(b'{'));
        let close = zeros(folded ^ eight(b'}'));
        let special = open | close | zeros(word ^ eight(b'"'));
        if special != 0 {
            return at + (special.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|byte| !matches!(byte, b'{' | b'}' | b'[' | b']' | b'"')) {
        at += 1;
    }
    at
}

/// The first byte from `at` on that is not whitespace.
#[inline(always)]
pub(super) fn whitespace(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The offset after `wanted`, which has to stand at `at`.
#[inline(always)]
pub(super) fn byte(
    bytes: &[u8],
    at: usize,
    wanted: u8,
    name: &'static str,
) -> Result<usize, JsonError> {
    if bytes.get(at) == Some(&wanted) { Ok(at + 1) } else { Err(unexpected(bytes, at, name)) }
}

/// Whether a NUL there says that a text is in UTF-16 or UTF-32, where one of the first two bytes is one.
pub(super) fn is_wide(at: usize) -> bool {
    at < 2
}

/// The fault at `at`, where `wanted` had to stand.
#[cold]
pub(super) fn unexpected(bytes: &[u8], at: usize, wanted: &'static str) -> JsonError {
    let kind = match bytes.get(at) {
        None => JsonErrorKind::UnexpectedEnd { wanted },
        Some(0x00) if is_wide(at) => JsonErrorKind::NotUtf8,
        Some(0xf8..) => JsonErrorKind::NotUtf8,
        Some(&found) => JsonErrorKind::Unexpected { wanted, found },
    };
    JsonError { at, kind }
}

/// The offset after `name`, one of JSON's literals.
#[inline]
pub(super) fn literal(bytes: &[u8], at: usize, name: &'static str) -> Result<usize, JsonError> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.starts_with(name.as_bytes()) {
        return Ok(at + name.len());
    }
    let same = rest.iter().zip(name.as_bytes()).take_while(|(found, wanted)| found == wanted);
    Err(unexpected(bytes, at + same.count(), name))
}

/// How a number is written, and so what its canonical text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NumberForm {
    /// An integer, canonical as it stands.
    Int,
    /// `-0`, the integer 0.
    NegativeZero,
    /// A float whose text is known to be canonical.
    CanonicalFloat,
    /// A float that has to be read and written to know its canonical text.
    Float,
}

const DIGIT: &str = "a digit";

/// Reads a number's text, which starts at `start` with a digit or a minus; the offset after it.
#[inline(always)]
pub(super) fn number(bytes: &[u8], start: usize) -> Result<(usize, NumberForm), JsonError> {
    let negative = bytes.get(start) == Some(&b'-');
    let int_start = start + usize::from(negative);
    let mut at = int_start;
    // Wraps on long numbers, for which it is not used.
    let mut whole = 0_u64;
    match bytes.get(at) {
        Some(b'0') => at += 1,
        Some(b'1'..=b'9') => {
            while let Some(digit @ b'0'..=b'9') = bytes.get(at) {
                whole = whole.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
                at += 1;
            }
        }
        Some(b'I') if negative => {
            literal(bytes, at, "Infinity")?;
            return Err(JsonError { at: start, kind: JsonErrorKind::NotFinite });
        }
        _ => return Err(unexpected(bytes, at, DIGIT)),
    }
    let int_digits = at - int_start;
    let mut fraction = 0..0;
    if bytes.get(at) == Some(&b'.') {
        let end = digits(bytes, at + 1)?;
        fraction = at + 1..end;
        at = end;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        let signed = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = digits(bytes, at + 1 + usize::from(signed))?;
        return Ok((at, NumberForm::Float));
    }
    if fraction.is_empty() {
        if int_digits > MAX_INT_DIGITS {
            let kind = JsonErrorKind::IntTooLong { digits: int_digits };
            return Err(JsonError { at: start, kind });
        }
        let zero = bytes.get(int_start) == Some(&b'0');
        return Ok((at, if negative && zero { NumberForm::NegativeZero } else { NumberForm::Int }));
    }
    let shortest = int_digits <= float::MAX_WHOLE_DIGITS
        && float::is_shortest(whole, bytes.get(fraction).unwrap_or_default());
    Ok((at, if shortest { NumberForm::CanonicalFloat } else { NumberForm::Float }))
}

#[inline(always)]
fn digits(bytes: &[u8], start: usize) -> Result<usize, JsonError> {
    let mut at = start;
    while let Some(b'0'..=b'9') = bytes.get(at) {
        at += 1;
    }
    if at == start { Err(unexpected(bytes, at, DIGIT)) } else { Ok(at) }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    #[test]
    fn every_byte_is_found_at_every_distance() {
        for byte in 0..=u8::MAX {
            for before in 0..24 {
                for filler in [b' ', b'~', b'z', b'!', b'#'] {
                    let mut text = alloc::vec![filler; before];
                    text.push(byte);
                    text.extend([b'x'; 12]);
                    let expected = if is_plain(byte) { text.len() } else { before };
                    assert_eq!(plain(&text, 0), expected, "{byte:#x} after {before}");
                }
            }
        }
    }

    #[test]
    fn brackets_and_quotes_are_found_at_every_distance() {
        for byte in 0..0x80_u8 {
            for before in 0..24 {
                let mut text: Vec<u8> = (0..before).map(|n| b'a' + n).collect();
                text.push(byte);
                text.extend([b'\\'; 12]);
                let found = b"{}[]\"".contains(&byte);
                let expected = if found { usize::from(before) } else { text.len() };
                assert_eq!(bracket_or_quote(&text, 0), expected, "{byte:#x} after {before}");
            }
        }
    }

    #[test]
    fn shapes_of_numbers() {
        for (text, shape) in [
            ("0", NumberForm::Int),
            ("-0", NumberForm::NegativeZero),
            ("-1", NumberForm::Int),
            ("0.0", NumberForm::CanonicalFloat),
            ("-0.0", NumberForm::CanonicalFloat),
            ("0.00", NumberForm::Float),
            ("1e2", NumberForm::Float),
            ("1562874886.654986", NumberForm::CanonicalFloat),
            ("1.50", NumberForm::Float),
        ] {
            assert_eq!(number(text.as_bytes(), 0), Ok((text.len(), shape)), "{text}");
        }
    }
}
