//! The text of an answer: JSON as Python's `json.dumps` writes it, in ASCII and with a blank after
//! each comma and colon.

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, Serializer};
use serde_json::value::RawValue;

/// The text of `value`.
///
/// # Panics
/// If `value` has a map whose keys are no strings, which no type of this crate has.
pub fn to_string(value: &impl Serialize) -> String {
    let mut out = Vec::with_capacity(256);
    value
        .serialize(&mut Serializer::with_formatter(&mut out, Python))
        .expect("the types of the API can be written");
    String::from_utf8(out).expect("JSON is text")
}

/// A text that is JSON already, as a member of an answer.
///
/// # Errors
/// Fails if the text is not JSON.
pub fn raw(text: impl Into<String>) -> serde_json::Result<Box<RawValue>> {
    RawValue::from_string(text.into())
}

/// Python's separators and escapes.
struct Python;

impl Formatter for Python {
    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if first { Ok(()) } else { out.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        out.write_all(b": ")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        text: &str,
    ) -> io::Result<()> {
        for part in text.split_inclusive(|c: char| !is_plain(c)) {
            let mut characters = part.chars();
            match characters.next_back().filter(|last| !is_plain(*last)) {
                None => out.write_all(part.as_bytes())?,
                Some(last) => {
                    out.write_all(characters.as_str().as_bytes())?;
                    for unit in last.encode_utf16(&mut [0; 2]) {
                        write!(out, "\\u{unit:04x}")?;
                    }
                }
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        match escape {
            CharEscape::Quote => out.write_all(b"\\\""),
            CharEscape::ReverseSolidus => out.write_all(b"\\\\"),
            CharEscape::Solidus => out.write_all(b"/"),
            CharEscape::Backspace => out.write_all(b"\\b"),
            CharEscape::FormFeed => out.write_all(b"\\f"),
            CharEscape::LineFeed => out.write_all(b"\\n"),
            CharEscape::CarriageReturn => out.write_all(b"\\r"),
            CharEscape::Tab => out.write_all(b"\\t"),
            CharEscape::AsciiControl(byte) => write!(out, "\\u{byte:04x}"),
        }
    }
}

/// Whether Python writes a character as it is. Quotes and controls are escaped before.
fn is_plain(c: char) -> bool {
    c.is_ascii() && c != '\u{7f}'
}

#[cfg(test)]
mod tests {
    use blocksmith_consensus::json::push_string;
    use serde_json::json;

    use super::*;

    #[test]
    fn an_answer_is_written_as_python_writes_it() {
        let value = json!({"a": [1, "é\u{1f600}\"\\/\n\u{1}", null], "b": {}, "c": []});
        let expected = r#"{"a": [1, "\u00e9\ud83d\ude00\"\\/\n\u0001", null], "b": {}, "c": []}"#;
        assert_eq!(to_string(&value), expected);
    }

    #[test]
    fn strings_are_written_as_canonical_json_has_them() {
        for c in (0..=0x1_1000).filter_map(char::from_u32) {
            let text = format!("x{c}y");
            let mut canonical = String::new();
            push_string(&mut canonical, &text);
            assert_eq!(to_string(&text), canonical, "{:x}", u32::from(c));
        }
    }

    #[test]
    fn a_canonical_text_goes_out_byte_for_byte() {
        let text = r#"{"amount": 1e2, "b": 0.10, "c": "\u00e9"}"#;
        let wrapped = [raw(text).expect("JSON")];
        assert_eq!(to_string(&wrapped), format!("[{text}]"));
    }
}
