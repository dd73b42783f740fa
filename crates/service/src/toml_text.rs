//! TOML that people wrote: chain files and settings, as editors and mail leave them.

use blocksmith_text::is_curly_quote;
use blocksmith_wallet::written::{self, Named, Position, is_blank};
use serde::de::DeserializeOwned;

/// Reads a file's bytes.
///
/// # Errors
/// Returns what is wrong with them, and where.
pub fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    parse(&written::decode(bytes).map_err(|error| error.to_string())?)
}

/// Reads a text. If it is not TOML, this undoes the changes of mail programs and word processors
/// and reads it once more: other spaces and quotes, wrapped lines, a `>` before each, a signature
/// below.
///
/// # Errors
/// Returns what is wrong with it, and where.
pub fn parse<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    let error = match toml::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    if toml::from_str::<toml::Table>(text).is_err() {
        for text in std::iter::once(text.to_owned()).chain(written::unmailed(text)) {
            let mended = mend(&text);
            if toml::from_str::<toml::Table>(&mended).is_ok() {
                return toml::from_str(&mended).map_err(|error| error.to_string());
            }
        }
        if let Some((at, found)) = stranger(text) {
            let place = Position::of(text, at);
            return Err(format!("{place}: {} is not allowed there: {error}", Named(found)));
        }
    }
    Err(error.to_string())
}

/// Restores the lines as they were before the text was mailed.
fn mend(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let lines: Vec<&str> = text.split(['\n', '\r']).collect();
    let is_quoted = |line: &&str| line.trim().is_empty() || line.trim_start().starts_with('>');
    let quoted = lines.iter().all(is_quoted);
    let mut mended = String::with_capacity(text.len());
    for line in lines {
        let is_quote = |char: char| quoted && char == '>' || is_blank(char);
        let line = if quoted { line.trim_start_matches(is_quote) } else { line };
        if !mended.is_empty() {
            mended.push(if starts_something(line) { '\n' } else { ' ' });
        }
        mended.push_str(line);
    }
    replace_outside(&mended, |_, char| match char {
        '\n' => '\n',
        char if is_blank(char) => ' ',
        char if is_curly_quote(char) => '"',
        char => char,
    })
}

/// Whether a line starts something new, and is not the rest of the one before it.
fn starts_something(line: &str) -> bool {
    let line = line.trim_matches(is_blank);
    let is_key = |key: &str| {
        let key = key.trim_end_matches(is_blank);
        !key.is_empty()
            && key.chars().all(|char| char.is_ascii_alphanumeric() || "_-.".contains(char))
    };
    line.is_empty()
        || line.starts_with(['#', '['])
        || line.split_once('=').is_some_and(|(key, _)| is_key(key))
}

/// The first character that may not stand outside of strings and comments.
fn stranger(text: &str) -> Option<(usize, char)> {
    let mut found = None;
    replace_outside(text, |at, char| {
        let is_strange = !char.is_ascii() || char.is_ascii_control() && !"\t\n\r".contains(char);
        if is_strange && found.is_none() {
            found = Some((at, char));
        }
        char
    });
    found
}

/// Replaces characters outside of strings and comments, and the curly quotes around a string.
fn replace_outside(text: &str, mut each: impl FnMut(usize, char) -> char) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let at = text.len() - rest.len();
        let inside = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' => string_length(rest, first),
            _ => 0,
        };
        if inside > 0 {
            out.push_str(&rest[..inside]);
            rest = &rest[inside..];
            continue;
        }
        out.push(each(at, first));
        rest = &rest[first.len_utf8()..];
        // Up to the quote that closes it.
        if is_curly_quote(first)
            && let Some(end) = rest.find(|char| is_curly_quote(char) || char == '\n')
            && let Some(last) = rest[end..].chars().next().filter(|last| *last != '\n')
        {
            out.push_str(&rest[..end]);
            out.push(each(at + first.len_utf8() + end, last));
            rest = &rest[end + last.len_utf8()..];
        }
    }
    out
}

/// How long the string is that a text starts with, quotes included; all of it if it does not end.
fn string_length(text: &str, quote: char) -> usize {
    let three = [quote; 3].iter().collect::<String>();
    let close = if text.starts_with(&three) { &three } else { &three[..1] };
    let mut at = close.len();
    while let Some(char) = text[at..].chars().next() {
        if text[at..].starts_with(close) {
            return at + close.len();
        }
        at += char.len_utf8();
        if char == '\\' && quote == '"' {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# It's a comment, \"with\" a = b, long enough to be wrapped somewhere\nname = \"our \\\"own\\\" class\"\n\n[genesis]\nblock = '{\"index\": 1}'\n";

    fn table(text: &str) -> Result<toml::Table, String> {
        parse(text)
    }

    #[test]
    fn what_mail_and_word_processors_do_is_undone() {
        let good = table(GOOD).unwrap();
        for text in [
            GOOD.replace('\n', "\r\n"),
            GOOD.replace('\n', "\r"),
            GOOD.trim_end().to_owned(),
            GOOD.replace(" = ", "\u{a0}=\u{2009}"),
            GOOD.replace("\n\n", "\n\u{200b}\u{3000}\n"),
            GOOD.replace("wrapped ", "wrapped\n"),
            GOOD.replace("wrapped ", "wrapped\n").replace('\n', "\r\n"),
            GOOD.replace("= ", "=\n"),
            GOOD.lines().map(|line| format!("> {line}\n")).collect(),
            GOOD.lines().map(|line| format!(">> {line}\r\n")).collect(),
            format!("{GOOD}-- \nAlice, who teaches\n"),
            GOOD.replace('=', "=3D").replace("wrapped ", "wrapped =\r\n"),
            GOOD.replace('=', "=3D").replace("class", "cl=\nass") + "--=20\nAlice=\n",
            GOOD.replace("= \"our", "= \u{201c}our").replace("class\"", "class\u{201d}"),
        ] {
            assert_ne!(text, GOOD);
            assert_eq!(table(&text).as_ref(), Ok(&good), "{text}");
        }
        // Characters within a string stay as they are.
        let name = |text: &str| table(text).unwrap()["name"].as_str().map(str::to_owned);
        let inside = "name\u{a0}= \"a\u{a0}\u{201c}b\u{201d}\"";
        assert_eq!(name(inside).as_deref(), Some("a\u{a0}\u{201c}b\u{201d}"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let says = |text: &str| table(text).unwrap_err();
        let text = "a = 1\nb = \u{2013}2\n";
        assert!(
            says(text).starts_with("line 2, column 5: – (U+2013, en dash) is not allowed there"),
            "{}",
            says(text)
        );
        assert!(says("a = \u{7}").starts_with("line 1, column 5: U+0007 is not allowed there"));
        assert!(!says("a = \n").contains("not allowed"));
        let error = read::<toml::Table>(b"a = 1\nname = \"Zo\xeb\"").unwrap_err();
        assert!(error.starts_with("line 2, column 11: the text there is neither UTF-8"), "{error}");
    }
}
