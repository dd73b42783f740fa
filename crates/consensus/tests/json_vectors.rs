//! Texts by hand, and what CPython made of them: `tests/vectors/json.json`.

use std::borrow::Cow;

use blocksmith_consensus::json::{JsonError, JsonErrorKind, canonical};

const VECTORS: &str = include_str!("../../../tests/vectors/json.json");

struct Case<'a> {
    name: &'a str,
    input: Vec<u8>,
    /// The canonical text, or why there is none.
    expected: Result<String, &'a str>,
}

/// The file has a case per line, with no quote inside a string.
fn cases() -> Vec<Case<'static>> {
    let lines = VECTORS.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| {
            let strings: Vec<&str> = line.split('"').skip(1).step_by(2).collect();
            let ["name", name, "input", input, outcome, text] = strings[..] else {
                panic!("not a case: {line}")
            };
            let expected = match outcome {
                "expected" => Ok(String::from_utf8(bytes(text)).expect("canonical text is ASCII")),
                "refused" => Err(text),
                _ => panic!("not an outcome: {outcome}"),
            };
            Case { name, input: bytes(input), expected }
        })
        .collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map(|c| c.to_digit(16).expect("a hex digit")).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

fn is_of_class(kind: &JsonErrorKind, class: &str) -> bool {
    match class {
        "NotFinite" => matches!(kind, JsonErrorKind::NotFinite),
        "SplitSurrogatePair" => matches!(kind, JsonErrorKind::SplitSurrogatePair),
        "TooDeep" => matches!(kind, JsonErrorKind::TooDeep),
        // CPython reads UTF-16 and UTF-32; here their NULs may show first inside a string.
        "NotUtf8" => {
            matches!(kind, JsonErrorKind::NotUtf8 | JsonErrorKind::ControlCharacter { found: 0 })
        }
        "python" => true,
        _ => panic!("no such class: {class}"),
    }
}

#[test]
fn every_text_comes_out_as_cpython_writes_it() {
    for Case { name, input, expected } in cases() {
        let shown = String::from_utf8_lossy(&input[..input.len().min(100)]).into_owned();
        match (canonical(&input), expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected, "{name}: {shown}"),
            (Err(JsonError { kind, at }), Err(class)) => {
                assert!(at <= input.len(), "{name}: {shown}");
                assert!(is_of_class(&kind, class), "{name}: {shown}: {kind}, wanted {class}");
            }
            (Ok(text), Err(class)) => panic!("{name}: {shown}: {class} refuses it, got {text}"),
            (Err(error), Ok(_)) => panic!("{name}: {shown}: {error}"),
        }
    }
}

#[test]
fn what_comes_out_goes_in_as_it_is() {
    for Case { name, expected, .. } in cases() {
        if let Ok(text) = expected {
            let again = canonical(text.as_bytes());
            assert!(matches!(again, Ok(Cow::Borrowed(same)) if same == text), "{name}: {text}");
        }
    }
}

#[test]
fn there_are_enough_cases_of_both_kinds() {
    let cases = cases();
    let refused = cases.iter().filter(|case| case.expected.is_err()).count();
    assert!(cases.len() - refused >= 300 && refused >= 100, "{} and {refused}", cases.len());
}
