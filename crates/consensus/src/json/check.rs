//! The quick check whether a value is canonical as it stands. It allocates nothing.

use super::{MAX_DEPTH, order, scan, scan::NumberForm};

/// Values that lie deeper than this are left to the rewriter.
const MAX_QUICK_DEPTH: usize = 32;

/// A canonical string's text, quotes included.
#[derive(Clone, Copy, Default)]
struct Name {
    start: usize,
    end: usize,
    escapes: bool,
}

#[derive(Clone, Copy)]
enum Level {
    Array,
    /// With the key read last.
    Object(Name),
}

/// The offset after the value that starts at `start`, if it is canonical. `depth` is the number of
/// arrays and objects around it.
pub(super) fn value(bytes: &[u8], start: usize, depth: usize) -> Option<usize> {
    let max_depth = MAX_QUICK_DEPTH.min(MAX_DEPTH.saturating_sub(depth));
    let mut levels = [Level::Array; MAX_QUICK_DEPTH];
    let mut open = 0;
    let mut at = start;
    loop {
        match *bytes.get(at)? {
            b'"' => at = string(bytes, at)?.end,
            b'-' | b'0'..=b'9' => {
                at = match scan::number(bytes, at).ok()? {
                    (end, NumberForm::Int | NumberForm::CanonicalFloat) => end,
                    (_, NumberForm::NegativeZero) => return None,
                    (end, NumberForm::Float) => float(bytes, at, end)?,
                };
            }
            b'{' if bytes.get(at + 1) == Some(&b'}') => at += 2,
            b'[' if bytes.get(at + 1) == Some(&b']') => at += 2,
            b'{' if open < max_depth => {
                let name = string(bytes, at + 1)?;
                *levels.get_mut(open)? = Level::Object(name);
                open += 1;
                at = colon(bytes, name.end)?;
                continue;
            }
            b'[' if open < max_depth => {
                *levels.get_mut(open)? = Level::Array;
                open += 1;
                at += 1;
                continue;
            }
            b't' => at = scan::literal(bytes, at, "true").ok()?,
            b'f' => at = scan::literal(bytes, at, "false").ok()?,
            b'n' => at = scan::literal(bytes, at, "null").ok()?,
            _ => return None,
        }
        loop {
            let Some(innermost) = open.checked_sub(1) else { return Some(at) };
            let level = levels.get_mut(innermost)?;
            match (*bytes.get(at)?, level) {
                (b',', level) => {
                    if bytes.get(at + 1) != Some(&b' ') {
                        return None;
                    }
                    at += 2;
                    if let Level::Object(last) = level {
                        let name = string(bytes, at)?;
                        if !ascending(bytes, *last, name) {
                            return None;
                        }
                        *last = name;
                        at = colon(bytes, name.end)?;
                    }
                    break;
                }
                (b']', Level::Array) | (b'}', Level::Object(_)) => {
                    open = innermost;
                    at += 1;
                }
                _ => return None,
            }
        }
    }
}

#[inline(always)]
fn colon(bytes: &[u8], at: usize) -> Option<usize> {
    (bytes.get(at..)?.first_chunk() == Some(b": ")).then_some(at + 2)
}

#[inline(always)]
fn ascending(bytes: &[u8], last: Name, next: Name) -> bool {
    let content = |name: Name| bytes.get(name.start + 1..name.end - 1).unwrap_or_default();
    order::compare(content(last), content(next), last.escapes || next.escapes).is_lt()
}

#[inline(always)]
fn string(bytes: &[u8], start: usize) -> Option<Name> {
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    let mut at = start + 1;
    let mut escapes = false;
    loop {
        at = scan::plain(bytes, at);
        match bytes.get(at)? {
            b'"' => return Some(Name { start, end: at + 1, escapes }),
            b'\\' => {
                escapes = true;
                at = escape(bytes, at)?;
            }
            _ => return None,
        }
    }
}

fn escape(bytes: &[u8], backslash: usize) -> Option<usize> {
    match bytes.get(backslash + 1)? {
        b'b' | b'f' | b'n' | b'r' | b't' | b'"' | b'\\' => Some(backslash + 2),
        b'u' => {
            let digits: &[u8; 4] = bytes.get(backslash + 2..)?.first_chunk()?;
            let lower_case = digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
            let needed = match digits {
                // \b \t \n \f \r have short forms.
                [b'0', b'0', b'0', last] => !matches!(last, b'8' | b'9' | b'a' | b'c' | b'd'),
                [b'0', b'0', b'1', _] | [b'0', b'0', b'7', b'f'] => true,
                [b'0', b'0', high, _] => *high > b'7',
                _ => true,
            };
            (lower_case && needed).then_some(backslash + 6)
        }
        _ => None,
    }
}

#[cold]
#[inline(never)]
fn float(bytes: &[u8], start: usize, end: usize) -> Option<usize> {
    let number = bytes.get(start..end)?;
    let text = super::float::Text::of(number, start).ok()?;
    (text.as_bytes() == number).then_some(end)
}
