//! Reads text as editors, shells and mail programs write it: ignores what they add, and names
//! characters that can't be read with their position.

use std::borrow::Cow;
use std::fmt;

/// The position of a character, as editors count: both from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

impl Position {
    /// The position of the byte `at`, or of the text's end.
    pub fn of(text: &str, at: usize) -> Self {
        let mut place = Self { line: 1, column: 1 };
        let mut chars = text.char_indices().take_while(|(start, _)| *start < at).peekable();
        while let Some((_, char)) = chars.next() {
            let breaks = char == '\n' || char == '\r' && !matches!(chars.peek(), Some((_, '\n')));
            match breaks {
                true => place = Self { line: place.line + 1, column: 1 },
                false => place.column += 1,
            }
        }
        place
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// The bytes are not text. The error does not quote them: they may be a secret's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    /// They are not text from this position on.
    #[error("{0}: the text there is neither UTF-8 nor UTF-16; save it as UTF-8")]
    From(Position),
    /// They are text in an encoding that hardly any program writes.
    #[error("the text is in UTF-32, which this program can't read; save it as UTF-8")]
    Utf32,
}

/// The encoding of a text, told by its first bytes: by a byte order mark, or, since no text has a
/// NUL, by where the NULs of its first letter are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// One byte per letter, and more for those beyond ASCII.
    Utf8,
    /// Two bytes, the lower one first: what PowerShell's `>` writes.
    Utf16Le,
    /// Two bytes, the higher one first.
    Utf16Be,
}

impl Encoding {
    /// Tells the encoding by the first two bytes, or fewer if there are fewer.
    pub fn of(first: &[u8]) -> Self {
        match first {
            [0xff, 0xfe, ..] | [1..=255, 0, ..] => Self::Utf16Le,
            [0xfe, 0xff, ..] | [0, 1..=255, ..] => Self::Utf16Be,
            _ => Self::Utf8,
        }
    }
}

/// Decodes these bytes, without a byte order mark and marks behind the text's end.
///
/// # Errors
/// Returns [`NotText`], which says where they are not text.
pub fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, NotText> {
    // The mark, or two letters.
    if let [0xff, 0xfe, 0, 0, ..]
    | [0, 0, 0xfe, 0xff, ..]
    | [1..=255, 0, 0, 0, 1..=255, 0, 0, 0, ..]
    | [0, 0, 0, 1..=255, 0, 0, 0, 1..=255, ..] = bytes
    {
        return Err(NotText::Utf32);
    }
    let text = decode_as(bytes, Encoding::of(bytes))?;
    let bare = without_end_marks(text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&text));
    if bare.len() == text.len() {
        return Ok(text);
    }
    let start = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len_utf8() } else { 0 };
    let range = start..start + bare.len();
    Ok(match text {
        Cow::Borrowed(text) => Cow::Borrowed(&text[range]),
        Cow::Owned(text) => Cow::Owned(text[range].into()),
    })
}

/// The text without Ctrl-Z and NULs, which old editors and fixed-size files put behind its end.
pub fn without_end_marks(text: &str) -> &str {
    let is_end_mark = |char| matches!(char, '\0' | '\u{1a}');
    let end = text.trim_end_matches(|char| is_end_mark(char) || is_blank(char)).len();
    let mark = text[end..].find(is_end_mark);
    &text[..mark.map_or(text.len(), |mark| end + mark)]
}

/// The texts that a mailed text may have been, the likeliest first: without the signature below it,
/// and with the lines and characters that quoted-printable (RFC 2045) split. It is for texts that
/// have a checksum or a grammar to tell which is right.
pub fn unmailed(text: &str) -> impl Iterator<Item = String> {
    let decoded = ["", "\n"].map(|joint| unquoted_printable(text, joint));
    let texts = decoded.into_iter().flatten().map(|text| without_signature(&text).to_owned());
    std::iter::once(without_signature(text).to_owned()).chain(texts.collect::<Vec<_>>())
}

/// The text before the line of two dashes that mail programs put above a signature.
fn without_signature(text: &str) -> &str {
    let mut start = 0;
    for line in text.split_inclusive(['\n', '\r']) {
        if line.trim_matches(|char| char == '>' || is_blank(char)) == "--" {
            return &text[..start];
        }
        start += line.len();
    }
    text
}

/// Decodes quoted-printable, with `joint` where it broke a line; `None` if the text has none.
fn unquoted_printable(text: &str, joint: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('=') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 1..];
        let end = rest.trim_start_matches([' ', '\t']);
        let next = ["\r\n", "\n", "\r"].into_iter().find_map(|end_of| end.strip_prefix(end_of));
        let hex = rest.get(..2).filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match (next, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (Some(next), _) => {
                bytes.extend_from_slice(joint.as_bytes());
                rest = next;
            }
            (None, Some(byte)) => {
                bytes.push(byte);
                rest = &rest[2..];
            }
            (None, None) => bytes.push(b'='),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok().filter(|decoded| decoded != text)
}

/// Decodes bytes of a known encoding, with their byte order mark; they may be a part of a text.
///
/// # Errors
/// Returns [`NotText`], which says where they are not text.
pub fn decode_as(bytes: &[u8], encoding: Encoding) -> Result<Cow<'_, str>, NotText> {
    let unit = match encoding {
        Encoding::Utf8 => {
            return std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
                let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
                NotText::From(Position::of(good, good.len()))
            });
        }
        Encoding::Utf16Le => u16::from_le_bytes,
        Encoding::Utf16Be => u16::from_be_bytes,
    };
    let (units, rest) = bytes.as_chunks::<2>();
    // The full capacity from the start: growing would leave a copy of a secret behind.
    let mut text = String::with_capacity(bytes.len() / 2 * 3);
    for char in char::decode_utf16(units.iter().map(|bytes| unit(*bytes))) {
        match char {
            Ok(char) => text.push(char),
            Err(_) => return Err(NotText::From(Position::of(&text, text.len()))),
        }
    }
    match rest {
        [] => Ok(Cow::Owned(text)),
        _ => Err(NotText::From(Position::of(&text, text.len()))),
    }
}

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Whether a character is white space of any width, or invisible.
pub fn is_blank(char: char) -> bool {
    char.is_whitespace() || is_mark(char)
}

/// Whether a character is invisible and only says where lines may break, which way letters run, or
/// in what order bytes come.
pub fn is_mark(char: char) -> bool {
    matches!(
        char,
        BYTE_ORDER_MARK
            | '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
    )
}

/// A character as errors name it: itself if it can be seen, its number, and the name of one that is
/// easily taken for another, or for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Named(pub char);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            '\0' => "null",
            '\t' => "tab",
            '\n' => "line feed",
            '\r' => "carriage return",
            '\u{1a}' => "substitute, Ctrl-Z",
            ' ' => "space",
            '\u{a0}' => "no-break space",
            '\u{ad}' => "soft hyphen",
            '\u{2000}'..='\u{200a}' => "typographic space",
            '\u{200b}' => "zero width space",
            '\u{200c}' => "zero width non-joiner",
            '\u{200d}' => "zero width joiner",
            '\u{200e}' | '\u{200f}' => "direction mark",
            '\u{2013}' => "en dash",
            '\u{2014}' => "em dash",
            '\u{2018}' => "left single quotation mark",
            '\u{2019}' => "right single quotation mark",
            '\u{201c}' => "left double quotation mark",
            '\u{201d}' => "right double quotation mark",
            '\u{201e}' => "double low-9 quotation mark",
            '\u{2028}' => "line separator",
            '\u{2029}' => "paragraph separator",
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => "direction control",
            '\u{202f}' => "narrow no-break space",
            '\u{2060}' => "word joiner",
            '\u{3000}' => "ideographic space",
            BYTE_ORDER_MARK => "byte order mark",
            '\u{fffd}' => "replacement character",
            '\u{370}'..='\u{3ff}' => "Greek",
            '\u{400}'..='\u{52f}' => "Cyrillic",
            _ => "",
        };
        let code = u32::from(self.0);
        let is_seen = !self.0.is_control() && !is_blank(self.0);
        match (is_seen, name) {
            (true, "") => write!(f, "{} (U+{code:04X})", self.0),
            (true, name) => write!(f, "{} (U+{code:04X}, {name})", self.0),
            (false, "") => write!(f, "U+{code:04X}"),
            (false, name) => write!(f, "U+{code:04X} ({name})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn what_editors_write_is_one_text() {
        let text = "name = \"Zoë 🔨\"\r\nb";
        let marked = format!("\u{feff}{text}");
        for bytes in [
            text.as_bytes().to_vec(),
            marked.as_bytes().to_vec(),
            utf16(text, u16::to_le_bytes),
            utf16(text, u16::to_be_bytes),
            utf16(&marked, u16::to_le_bytes),
            utf16(&marked, u16::to_be_bytes),
        ] {
            assert_eq!(decode(&bytes).as_deref(), Ok(text), "{bytes:?}");
        }
        for empty in [&b""[..], b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"] {
            assert_eq!(decode(empty).as_deref(), Ok(""));
        }
    }

    #[test]
    fn what_is_no_text_is_placed_and_not_shown() {
        let place = |bytes: &[u8]| match decode(bytes) {
            Err(NotText::From(place)) => Err(place.to_string()),
            other => Ok(format!("{other:?}")),
        };
        assert_eq!(place(b"a\r\nZo\xeb"), Err("line 2, column 3".into()));
        assert_eq!(place(b"a\n\nZ\xc3\xabx\xff"), Err("line 3, column 4".into()));
        assert_eq!(place(b"\xff\xfea\0\n\0\0\xd8b\0"), Err("line 2, column 1".into()));
        assert_eq!(place(b"\xff\xfea\0b"), Err("line 1, column 3".into()));
    }

    #[test]
    fn what_stands_behind_the_end_is_no_text() {
        for text in ["ab\n", "ab", "ab \n\n"] {
            for marks in ["\u{1a}", "\0", "\0\0\0\0\0", "\u{1a}\r\n", "\0\n\u{1a}"] {
                let marked = format!("{text}{marks}");
                assert_eq!(decode(marked.as_bytes()).as_deref(), Ok(text), "{marked:?}");
                let wide = utf16(&format!("\u{feff}{marked}"), u16::to_le_bytes);
                assert_eq!(decode(&wide).as_deref(), Ok(text), "{marked:?}");
            }
        }
        assert_eq!(decode(b"a\x1ab").as_deref(), Ok("a\u{1a}b"));
    }

    #[test]
    fn utf_32_is_named() {
        for marked in ["\u{feff}name", "name"] {
            let bytes = |unit: fn(u32) -> [u8; 4]| {
                marked.chars().flat_map(|char| unit(char.into())).collect::<Vec<_>>()
            };
            for bytes in [bytes(u32::to_le_bytes), bytes(u32::to_be_bytes)] {
                assert_eq!(decode(&bytes), Err(NotText::Utf32));
            }
        }
    }

    #[test]
    fn mail_is_undone() {
        let all = |text: &str| unmailed(text).collect::<Vec<_>>();
        assert_eq!(all("a\n-- \nAlice\n"), ["a\n"]);
        assert_eq!(all("> a\r\n> --\r\n> Alice"), ["> a\r\n"]);
        assert_eq!(all("a --\n---\n"), ["a --\n---\n"]);
        assert_eq!(
            all("a=3D=\r\nb=C3=AB=\n"),
            ["a=3D=\r\nb=C3=AB=\n", "a=b\u{eb}", "a=\nb\u{eb}\n"]
        );
        assert_eq!(all("a=1\n--=20\nBob")[1..], ["a=1\n", "a=1\n"]);
        // A decoding that is no text is left out.
        assert_eq!(all("=FF=3D").len(), 1);
    }

    #[test]
    fn places_are_those_of_editors() {
        for (at, expected) in [
            (0, (1, 1)),
            (1, (1, 2)),
            (2, (2, 1)),
            (4, (2, 2)),
            (6, (3, 1)),
            (7, (4, 1)),
            (99, (4, 2)),
        ] {
            let Position { line, column } = Position::of("a\në\r\n\rb", at);
            assert_eq!((line, column), expected, "byte {at}");
        }
    }

    #[test]
    fn characters_are_named_so_that_somebody_finds_them() {
        for (char, expected) in [
            ('\u{a0}', "U+00A0 (no-break space)"),
            ('\u{201c}', "“ (U+201C, left double quotation mark)"),
            ('\u{43e}', "о (U+043E, Cyrillic)"),
            ('\u{7}', "U+0007"),
            ('\u{202e}', "U+202E (direction control)"),
            ('#', "# (U+0023)"),
        ] {
            assert_eq!(Named(char).to_string(), expected);
        }
    }
}
