//! The order of an object's keys: by code point, as Python compares strings.

use core::cmp::Ordering;

/// Compares the contents of two canonical strings, quotes left out. `escapes` is false only if
/// neither has an escape.
#[inline(always)]
pub(super) fn compare(a: &[u8], b: &[u8], escapes: bool) -> Ordering {
    if escapes { CodePoints(a).cmp(CodePoints(b)) } else { a.cmp(b) }
}

/// The first eight bytes of the string between two offsets. Without escapes they compare as the
/// strings do: missing bytes of a shorter one count as less than any character.
#[inline(always)]
pub(super) fn first(bytes: &[u8], start: usize, end: usize) -> u64 {
    let len = end.saturating_sub(start);
    let first = match bytes.get(start..).and_then(<[u8]>::first_chunk) {
        Some(eight) => u64::from_be_bytes(*eight),
        None => {
            let mut eight = [0; 8];
            eight
                .iter_mut()
                .zip(bytes.get(start..end).unwrap_or_default())
                .for_each(|(to, from)| *to = *from);
            u64::from_be_bytes(eight)
        }
    };
    if len < 8 { first & !(u64::MAX >> (8 * len)) } else { first }
}

/// The code points of a canonical string, a lone surrogate being one too.
pub(super) struct CodePoints<'a>(pub(super) &'a [u8]);

impl Iterator for CodePoints<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        if first != b'\\' {
            return Some(first.into());
        }
        if let Some(unit) = escaped_unit(rest) {
            self.0 = rest.get(5..).unwrap_or_default();
            if let (0xd800..0xdc00, Some((b'\\', after))) = (unit, self.0.split_first())
                && let Some(low @ 0xdc00..0xe000) = escaped_unit(after)
            {
                self.0 = after.get(5..).unwrap_or_default();
                return Some(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
            }
            return Some(unit);
        }
        let (&letter, rest) = rest.split_first()?;
        self.0 = rest;
        Some(match letter {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => 0x0a,
            b'r' => 0x0d,
            b't' => 0x09,
            other => other.into(),
        })
    }
}

fn escaped_unit(text: &[u8]) -> Option<u32> {
    let digits: &[u8; 4] = text.strip_prefix(b"u")?.first_chunk()?;
    digits.iter().try_fold(0, |unit, &digit| Some(unit << 4 | char::from(digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_follow_their_code_points() {
        let ascending = [
            r"",
            r"\b",
            r"\t",
            r"\n",
            r"\u000b",
            r"\f",
            r"\r",
            r"\u001f",
            r" ",
            r"!",
            r#"\""#,
            r"#",
            r"A",
            r"A ",
            r"Aa",
            r"\\",
            r"]",
            r"a",
            r"a\u007f",
            r"\u007f",
            r"\u00e9",
            r"\ud800",
            r"\ud800\ud800",
            r"\udc00",
            r"\udc00\ud800",
            r"\uffff",
            r"\ud800\udc00",
            r"\ud800\udc00a",
            r"\udbff\udfff",
        ];
        for (i, a) in ascending.iter().enumerate() {
            for (j, b) in ascending.iter().enumerate() {
                assert_eq!(compare(a.as_bytes(), b.as_bytes(), true), i.cmp(&j), "{a} {b}");
            }
        }
    }
}
