//! Makes text from outside safe for a line of a log or a terminal: no character moves the cursor,
//! ends the line, turns the direction of reading or is invisible.
//!
//! Escaping a text twice changes nothing more, so code that prints need not know where a text comes
//! from: everything that the program logs or prints goes through here once more.
#![forbid(unsafe_code)]

use std::fmt::{self, Display, Write};

use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};
use unicode_security::general_security_profile::IdentifierType;
use unicode_security::{GeneralSecurityProfile as _, skeleton};

/// Text from outside, without blanks around it, in one line, at most `max` characters of it.
pub fn shown(text: &str, max: usize) -> String {
    let text = text.trim();
    match text.char_indices().nth(max) {
        None => escaped(text).to_string(),
        Some((end, _)) => format!("{}…", escaped(&text[..end])),
    }
}

/// Text from outside, at most `max` characters of it, between quotes that no character in it looks
/// like: text after the closing one is the program's own.
pub fn quoted(text: &str, max: usize) -> String {
    let text = text.trim();
    let end = text.char_indices().nth(max);
    let mut out = String::from("\"");
    let mut follows_stroke = false;
    for char in text[..end.map_or(text.len(), |(end, _)| end)].chars() {
        // UTS 39 takes a double quote for two strokes.
        let looks: String = skeleton(char.encode_utf8(&mut [0; 4])).collect();
        let is_quote = looks.contains("''")
            || looks == "'" && follows_stroke
            || is_curly_quote(char)
            || matches!(char, '\u{275d}' | '\u{275e}' | '\u{301d}'..='\u{301f}');
        follows_stroke = looks.ends_with('\'');
        match char {
            '"' | '\\' => out.extend(['\\', char]),
            _ if is_quote => out.extend(char.escape_unicode()),
            _ => _ = write!(out, "{}", escaped(char)),
        }
    }
    out + if end.is_some() { "…\"" } else { "\"" }
}

/// Whether this is a quote such as word processors put in the place of a straight one.
pub fn is_curly_quote(char: char) -> bool {
    matches!(char, '\u{201c}'..='\u{201f}' | '\u{ff02}' | '«' | '»')
}

/// Escapes text to one line, with `\n`, `\u{1b}` or `\u{202e}` for characters that a line can't
/// have.
pub fn escaped<T: Display>(shown: T) -> Escaped<T> {
    Escaped { shown, keep_lines: false }
}

/// As [`escaped`], but keeps line ends, where the program itself writes several lines.
pub fn lines<T: Display>(shown: T) -> Escaped<T> {
    Escaped { shown, keep_lines: true }
}

/// Makes JSON safe for a terminal: characters that a line can't have become escapes of JSON.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        // Between values all characters are ASCII, and within them all controls but one are
        // escaped.
        if is_plain(char) || char.is_ascii() && char != '\u{7f}' {
            out.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            // Writing to a string can't fail.
            let _ = write!(out, "\\u{unit:04x}");
        }
    }
    out
}

/// The most characters of a host and a port.
const MAX_TYPED: usize = 260;

/// Whether a text from outside may stand in a command that people are told to type: a host, with or
/// without a port, which no shell and no program can read otherwise.
pub fn is_typable(host: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    (1..=MAX_TYPED).contains(&host.len()) && !host.starts_with('-') && host.bytes().all(fits)
}

/// A number and what it counts: `1 coin`, `2.5 coins`.
pub fn counted(number: impl Display, thing: &str) -> String {
    let number = number.to_string();
    let plural = if number == "1" { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// See [`escaped`] and [`lines`].
#[derive(Debug, Clone, Copy)]
pub struct Escaped<T> {
    shown: T,
    keep_lines: bool,
}

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping { to: f, keep_lines: self.keep_lines }, "{}", self.shown)
    }
}

struct Escaping<'a, 'b> {
    to: &'a mut fmt::Formatter<'b>,
    keep_lines: bool,
}

impl fmt::Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut written = 0;
        for (at, char) in text.char_indices() {
            if is_plain(char) || char == '\n' && self.keep_lines {
                continue;
            }
            self.to.write_str(&text[written..at])?;
            written = at + char.len_utf8();
            match char {
                '\n' => self.to.write_str("\\n")?,
                '\r' => self.to.write_str("\\r")?,
                '\t' => self.to.write_str("\\t")?,
                char => write!(self.to, "{}", char.escape_unicode())?,
            }
        }
        self.to.write_str(&text[written..])
    }
}

/// Whether a character is visible and does nothing else, by Unicode's tables: not so are controls,
/// marks that format or turn the direction, ends of lines and paragraphs, characters without a
/// meaning or with a private one, and those that are usually invisible.
pub fn is_plain(char: char) -> bool {
    if char.is_ascii() {
        return !char.is_ascii_control();
    }
    let ends = [GeneralCategory::LineSeparator, GeneralCategory::ParagraphSeparator];
    char.general_category_group() != GeneralCategoryGroup::Other
        && !ends.contains(&char.general_category())
        && char.identifier_type() != Some(IdentifierType::Default_Ignorable)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Characters that no line may have, listed by hand: the tables may be those of another version
    /// of Unicode.
    fn unseen() -> impl Iterator<Item = char> {
        let bidi = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\
                    \u{2068}\u{2069}";
        let others = "\u{2028}\u{2029}\u{ad}\u{200b}\u{200c}\u{200d}\u{2060}\u{feff}\u{fff9}\u{3164}\
                      \u{fe0f}\u{e000}\u{fdd0}\u{e0001}\u{e0041}\u{e0100}\u{10fffd}";
        ('\0'..' ').chain('\u{7f}'..='\u{9f}').chain(bidi.chars()).chain(others.chars())
    }

    #[test]
    fn nothing_is_left_that_a_line_cannot_have() {
        for char in unseen() {
            let text = format!("a{char}b");
            let escaped_text = escaped(&text).to_string();
            assert!(escaped_text.chars().all(is_plain), "{escaped_text}");
            assert!(!escaped_text.contains(char) && escaped_text.starts_with("a\\"), "{text:?}");
            assert_eq!(escaped(&escaped_text).to_string(), escaped_text);
            let quoted = json(&serde_json::to_string(&text).expect("a string"));
            assert!(quoted.chars().all(is_plain), "{quoted}");
            assert_eq!(serde_json::from_str::<String>(&quoted).ok(), Some(text));
        }
        assert_eq!(escaped("a\n\r\t\u{1b}[31m").to_string(), "a\\n\\r\\t\\u{1b}[31m");
        assert_eq!(lines("a\n\rb\u{202e}").to_string(), "a\n\\rb\\u{202e}");
    }

    #[test]
    fn nothing_within_quotes_looks_like_their_end() {
        for (text, expected) in [
            ("Zo\u{eb}'s class", "\"Zo\u{eb}'s class\""),
            ("forge\" (your chain", r#""forge\" (your chain""#),
            ("forge\\", r#""forge\\""#),
            ("a\u{201d}b\u{2033}c\u{ff02}", r#""a\u{201d}b\u{2033}c\u{ff02}""#),
            ("a''b\u{2b9}\u{2b9}", "\"a'\\u{27}b\u{2b9}\\u{2b9}\""),
            (" \u{202e}x\n", r#""\u{202e}x""#),
        ] {
            assert_eq!(quoted(text, 80), expected, "{text:?}");
        }
        assert_eq!(quoted("abc", 2), "\"ab…\"");
    }

    #[test]
    fn one_is_counted_as_one() {
        let counts = [counted(0, "coin"), counted(1, "coin"), counted(2, "coin")];
        assert_eq!(counts, ["0 coins", "1 coin", "2 coins"]);
    }

    #[test]
    fn only_hosts_and_ports_are_told_to_be_typed() {
        for good in ["localhost:5000", "10.0.0.7", "[::1]:80", "pc-12.school.example:65535"] {
            assert!(is_typable(good), "{good}");
        }
        let long = "a".repeat(MAX_TYPED + 1);
        for bad in [
            "",
            "-x:1",
            "--data-dir",
            "$(rm)",
            "`rm`",
            "a;b",
            "a b",
            "a'b",
            "a_b",
            "a|b",
            "é",
            &long,
        ] {
            assert!(!is_typable(bad), "{bad}");
        }
    }

    #[test]
    fn what_people_write_stays() {
        for text in ["Zürich, 7 €", "नमस्ते", "שלום", "東京 Ωμέγα", "e\u{301}", "🎉 ½ – “x”", "a\\nb"]
        {
            assert_eq!(escaped(text).to_string(), text);
            assert_eq!(json(text), text);
        }
        assert_eq!(json("{\n  \"a\": 1\n}"), "{\n  \"a\": 1\n}");
    }

    #[test]
    fn what_a_server_says_stays_in_one_short_line() {
        assert_eq!(shown(" late\n\u{1b}[31m\n", 300), "late\\n\\u{1b}[31m");
        assert_eq!(shown(&"x".repeat(1_000), 10), "xxxxxxxxxx…");
        assert_eq!(shown("xxxxxxxxxx", 10), "xxxxxxxxxx");
    }
}
