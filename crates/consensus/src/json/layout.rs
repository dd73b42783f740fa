//! The quick way for values that are not canonical but have the layout of an earlier one.
//!
//! A program writes its blocks alike: the same names in the same order, with the same space between
//! them. Only the scalars differ: strings, numbers, `true`, `false` and `null`. Once the rewriter
//! has rewritten a few values, a [`Layout`] keeps the text between the scalars of the last one, and
//! between those of its canonical text. For a later value of the same layout, the scalars only have
//! to be put into the canonical text in their places. Any other value is left to the rewriter.

use alloc::format;
use alloc::vec::Vec;
use core::ops::Range;

use super::rewrite::{self, Buffers};
use super::scan::{self, NumberForm};

/// The longest value whose layout is kept.
const MAX_BYTES: usize = 4096;

/// A layout of values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// The text before, between and after the scalars.
    given: Vec<u8>,
    /// Where in `given` the scalars stand.
    scalars: Vec<usize>,
    /// The text before, between and after them in the canonical text.
    canonical: Vec<u8>,
    /// Where in `canonical` scalars stand, and which.
    places: Vec<(usize, usize)>,
}

impl Layout {
    /// The layout of a value that was rewritten: none if it is long, or no object or array, or if not
    /// all of its scalars are in the canonical text.
    pub(super) fn of(value: &[u8]) -> Option<Self> {
        if value.len() > MAX_BYTES || !matches!(value.first(), Some(b'{' | b'[')) {
            return None;
        }
        // A number in the place of each scalar tells where the rewriter puts it.
        let (mut given, mut scalars, mut numbered) = (Vec::new(), Vec::new(), Vec::new());
        let mut from = 0;
        for (number, scalar) in find(value).into_iter().enumerate() {
            let between = value.get(from..scalar.start)?;
            given.extend_from_slice(between);
            scalars.push(given.len());
            numbered.extend_from_slice(between);
            numbered.extend_from_slice(format!("{number}").as_bytes());
            from = scalar.end;
        }
        given.extend_from_slice(value.get(from..)?);
        numbered.extend_from_slice(value.get(from..)?);

        let rewritten = rewrite::value(&numbered, 0, 0, &mut Buffers::default()).ok()?;
        if rewritten.doubled.is_some() {
            return None;
        }
        let (mut canonical, mut places) = (Vec::new(), Vec::new());
        let text = rewritten.text;
        from = 0;
        for scalar in find(text.as_bytes()) {
            canonical.extend_from_slice(text.get(from..scalar.start)?.as_bytes());
            places.push((canonical.len(), text.get(scalar.clone())?.parse().ok()?));
            from = scalar.end;
        }
        canonical.extend_from_slice(text.get(from..)?.as_bytes());
        // Only the scalars are not canonical: there is a quicker way for such values.
        if canonical == given {
            return None;
        }
        Some(Self { given, scalars, canonical, places })
    }

    /// Writes the canonical text of the value that starts at `start` to `out`; the offset after it.
    /// None if it is laid out in another way, or a scalar is not canonical.
    pub(super) fn rewrite(
        &self,
        input: &[u8],
        start: usize,
        scalars: &mut Vec<Range<usize>>,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        scalars.clear();
        let (mut at, mut from) = (start, 0);
        for &to in &self.scalars {
            at = after(input, at, self.given.get(from..to)?)?;
            let end = scalar(input, at)?;
            scalars.push(at..end);
            (at, from) = (end, to);
        }
        at = after(input, at, self.given.get(from..)?)?;

        out.clear();
        from = 0;
        for &(to, number) in &self.places {
            out.extend_from_slice(self.canonical.get(from..to)?);
            out.extend_from_slice(input.get(scalars.get(number)?.clone())?);
            from = to;
        }
        out.extend_from_slice(self.canonical.get(from..)?);
        Some(at)
    }
}

/// The offset after `text`, if it stands at `at`.
#[inline(always)]
fn after(input: &[u8], at: usize, text: &[u8]) -> Option<usize> {
    let end = at + text.len();
    (input.get(at..end)? == text).then_some(end)
}

/// The offset after the scalar at `at`, if it is canonical and no string with an escape.
#[inline(always)]
fn scalar(input: &[u8], at: usize) -> Option<usize> {
    match input.get(at)? {
        b'"' => {
            let end = scan::plain(input, at + 1);
            (input.get(end) == Some(&b'"')).then_some(end + 1)
        }
        b'-' | b'0'..=b'9' => match scan::number(input, at).ok()? {
            (end, NumberForm::Int | NumberForm::CanonicalFloat) => Some(end),
            (_, NumberForm::NegativeZero | NumberForm::Float) => None,
        },
        b't' => scan::literal(input, at, "true").ok(),
        b'f' => scan::literal(input, at, "false").ok(),
        b'n' => scan::literal(input, at, "null").ok(),
        _ => None,
    }
}

/// Where the scalars of a valid text are, names of members left out.
fn find(text: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let start = at;
        at += 1;
        match byte {
            b'"' => {
                while let Some(&inside) = text.get(at)
                    && inside != b'"'
                {
                    at += if inside == b'\\' { 2 } else { 1 };
                }
                at += 1;
                if text.get(scan::whitespace(text, at)) != Some(&b':') {
                    found.push(start..at);
                }
            }
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                let rest = text.get(at..).unwrap_or_default();
                let ends =
                    |byte: &u8| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r');
                at += rest.iter().position(ends).unwrap_or(rest.len());
                found.push(start..at);
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Stands for a scalar in a text.
    const SCALAR: char = '\u{1}';

    /// What a program may write between scalars: names in any order, some of them escaped, some twice.
    fn text_between_scalars() -> impl Strategy<Value = String> {
        let name =
            prop_oneof!["[a-e]{0,2}", Just(String::from("\\u00e9")), Just(String::from("é\\n"))];
        let space = prop_oneof![Just(","), Just(", "), Just(" ,\n\t")];
        let scalar = Just(String::from(SCALAR));
        scalar.prop_recursive(4, 30, 6, move |inner| {
            let list = (vec(inner.clone(), 0..4), space.clone());
            let object = (vec((name.clone(), inner), 0..6), space.clone());
            prop_oneof![
                list.prop_map(|(elements, comma)| format!("[{}]", elements.join(comma))),
                object.prop_map(|(members, comma)| {
                    let colon = comma.replace(',', ":");
                    let member =
                        |(name, value): &(String, String)| format!("\"{name}\"{colon}{value}");
                    let members: Vec<_> = members.iter().map(member).collect();
                    format!("{{{}}}", members.join(comma))
                }),
            ]
        })
    }

    fn plain_scalar() -> impl Strategy<Value = &'static str> {
        let all = [
            "0",
            "17",
            "-4",
            "1562874886.654986",
            "\"\"",
            "\"0\"",
            "\"a b\"",
            "\"8b89069344926ce9\"",
            "true",
            "false",
            "null",
        ];
        proptest::sample::select(all.to_vec())
    }

    /// Scalars that the rewriter changes or refuses, and texts that are not values.
    fn other_scalar() -> impl Strategy<Value = &'static str> {
        let all = [
            "-0",
            "1.50",
            "1E2",
            "\"\\/\"",
            "\"\\n\"",
            "\"é\"",
            "NaN",
            "01",
            "\"",
            "[]",
            "{\"b\":1}",
            "x",
        ];
        prop_oneof![3 => plain_scalar(), 1 => proptest::sample::select(all.to_vec())]
    }

    fn fill(text: &str, scalars: &[&str]) -> String {
        let mut next = scalars.iter().cycle();
        text.chars().fold(String::new(), |mut filled, char| {
            match char {
                SCALAR => filled.push_str(next.next().expect("there are some")),
                char => filled.push(char),
            }
            filled
        })
    }

    fn rewritten(text: &str) -> Option<(usize, String)> {
        let rewritten = rewrite::value(text.as_bytes(), 0, 0, &mut Buffers::default()).ok()?;
        Some((rewritten.end, rewritten.text))
    }

    fn by_layout(layout: &Layout, text: &str) -> Option<(usize, String)> {
        let mut out = Vec::new();
        let end = layout.rewrite(text.as_bytes(), 0, &mut Vec::new(), &mut out)?;
        Some((end, String::from_utf8(out).expect("ASCII")))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..Default::default() })]

        #[test]
        fn a_layout_writes_what_the_rewriter_writes(
            between in text_between_scalars(),
            first in vec(other_scalar(), 12),
            plain in vec(plain_scalar(), 12),
            other in vec(other_scalar(), 12),
        ) {
            let first = fill(&between, &first);
            prop_assume!(rewritten(&first).is_some_and(|(end, _)| end == first.len()));
            let Some(layout) = Layout::of(first.as_bytes()) else { return Ok(()) };
            for scalars in [plain, other] {
                let text = fill(&between, &scalars) + ", 1";
                if let Some(found) = by_layout(&layout, &text) {
                    prop_assert_eq!(Some(found), rewritten(&text), "{} as {}", text, first);
                }
            }
        }

        #[test]
        fn values_of_one_layout_are_found_alike(
            between in text_between_scalars(),
            first in vec(plain_scalar(), 12),
            next in vec(plain_scalar(), 12),
        ) {
            let [first, next] = [first, next].map(|scalars| fill(&between, &scalars));
            if let Some(layout) = Layout::of(first.as_bytes()) {
                prop_assert_eq!(by_layout(&layout, &next), rewritten(&next));
            }
        }
    }

    #[test]
    fn there_are_layouts_where_they_help() {
        let has = |text: &str| Layout::of(text.as_bytes()).is_some();
        assert!(has(r#"{"b":1,"a":[{"d":"x","c":true}]}"#));
        assert!(has(r#"{"a":1}"#));
        // Canonical, or nearly so; the same name twice; no object.
        assert!(!has(r#"{"a": 1}"#));
        assert!(!has(r#"{"a": 1.50}"#));
        assert!(!has(r#"{"a":1,"a":2}"#));
        assert!(!has("17"));
        let long = format!(r#"{{"a":1,"b":"{}"}}"#, "x".repeat(MAX_BYTES));
        assert!(!has(&long));
    }
}
