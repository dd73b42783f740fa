//! What holds for every text, and the calls one by one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::thread;
use std::time::{Duration, Instant};

use blocksmith_consensus::document::Document;
use blocksmith_consensus::json::{
    JsonError, JsonErrorKind, Kind, MAX_DEPTH, MAX_INT_DIGITS, Reader, Value, canonical,
    push_string,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn kind_of(text: &[u8]) -> JsonErrorKind {
    canonical(text).expect_err("refused").kind
}

/// JSON texts of all shapes, set in any of three ways.
fn json() -> impl Strategy<Value = String> {
    let string = prop_oneof![
        "[a-c]{0,2}",
        "\\PC{0,12}".prop_map(|text| text.replace(['"', '\\'], "")),
        r#"(\\[bfnrt"/\\]|\\u00[0-9a-fA-F]{2}|\\ud83d\\ude00|\\ud[89a-f][0-9]{2}|x){0,6}"#,
    ]
    .prop_map(|content| format!("\"{content}\""));
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-0".to_owned()),
        any::<i128>().prop_map(|int| int.to_string()),
        any::<f64>()
            .prop_filter("finite", |float| float.is_finite())
            .prop_map(|float| format!("{float:?}")),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,20})?([eE][-+]?[0-9]{1,2})?",
        string.clone(),
    ];
    let space = prop_oneof![Just(", "), Just(","), Just(" ,\n\t")];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            (vec(inner.clone(), 0..6), space.clone())
                .prop_map(|(elements, comma)| format!("[{}]", elements.join(comma))),
            (vec((string.clone(), inner), 0..6), space.clone()).prop_map(|(members, comma)| {
                let colon = comma.replace(',', ":");
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("{name}{colon}{value}")).collect();
                format!("{{{}}}", members.join(comma))
            }),
        ]
    })
}

/// Puts a document together again from the parts that a reader gives, keys in the order they come.
fn walk(reader: &mut Reader<'_>, input: &[u8], out: &mut String) -> Result<(), JsonError> {
    let rest = input[reader.position()..].trim_ascii_start();
    let (mut more, open, close) = match rest.first() {
        Some(b'{') => (reader.open_object()?, '{', '}'),
        Some(b'[') => (reader.open_array()?, '[', ']'),
        _ => {
            out.push_str(&reader.value()?);
            return Ok(());
        }
    };
    out.push(open);
    while more {
        if !out.ends_with(open) {
            out.push(',');
        }
        if open == '{' {
            out.push_str(&reader.key()?);
            out.push(':');
        }
        let before = reader.clone();
        walk(reader, input, out)?;
        let slice = &input[before.position()..reader.position()];
        let mut again = before.clone();
        assert_eq!(again.value()?, canonical(slice)?);
        assert_eq!(again.position(), reader.position());
        let mut skipping = before;
        skipping.skip_value()?;
        assert_eq!(skipping.position(), reader.position());
        more = if open == '{' { reader.next_member()? } else { reader.next_element()? };
    }
    out.push(close);
    Ok(())
}

/// An object tree with its members in the order in which a program wrote them.
#[derive(Debug, Clone)]
enum Tree {
    Scalar(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// As a program writes it.
    fn compact(&self) -> String {
        match self {
            Self::Scalar(text) => text.clone(),
            Self::Array(all) => {
                format!("[{}]", all.iter().map(Self::compact).collect::<Vec<_>>().join(","))
            }
            Self::Object(all) => {
                let member =
                    |(name, value): &(String, Tree)| format!("\"{name}\":{}", value.compact());
                format!("{{{}}}", all.iter().map(member).collect::<Vec<_>>().join(","))
            }
        }
    }

    /// The canonical text, the naive way.
    fn canonical(&self) -> String {
        match self {
            Self::Scalar(text) => text.clone(),
            Self::Array(all) => {
                format!("[{}]", all.iter().map(Self::canonical).collect::<Vec<_>>().join(", "))
            }
            Self::Object(all) => {
                // The last of a name stays.
                let members: BTreeMap<_, _> =
                    all.iter().map(|(name, value)| (name, value.canonical())).collect();
                let members = members.iter().map(|(name, value)| format!("\"{name}\": {value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
            }
        }
    }
}

/// Objects inside each other, short ones and such of some thousand bytes.
fn tree() -> impl Strategy<Value = Tree> {
    let scalar = prop_oneof![
        3 => "[0-9]{1,3}".prop_map(|digits| format!("1{digits}")),
        1 => (0..900_usize).prop_map(|len| format!("\"{}\"", "x".repeat(len))),
    ];
    scalar.prop_map(Tree::Scalar).prop_recursive(6, 60, 8, |inner| {
        let name = prop_oneof!["[a-d]{1,2}", "[a-b]{7,10}"];
        prop_oneof![
            1 => vec(inner.clone(), 0..4).prop_map(Tree::Array),
            3 => vec((name, inner), 1..8).prop_map(Tree::Object),
        ]
    })
}

/// Looks at everything in a value; tells how much there was.
fn look(value: Value<'_>, depth: usize) -> usize {
    let _ = (value.kind(), value.as_u64(), value.as_i128(), value.as_str(), value.get("a"));
    if depth == 0 {
        return 1;
    }
    let members = value.members().map(|(name, value)| look(name, 0) + look(value, depth - 1));
    let elements = value.elements().map(|value| look(value, depth - 1));
    1 + members.sum::<usize>() + elements.sum::<usize>()
}

/// Writes a canonical value anew, from its parts.
fn rebuild(value: Value<'_>) -> String {
    match value.kind() {
        Kind::Object => {
            let members = value.members();
            let members: Vec<String> = members
                .map(|(name, value)| format!("{}: {}", name.text(), rebuild(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Kind::Array => {
            format!("[{}]", value.elements().map(rebuild).collect::<Vec<_>>().join(", "))
        }
        Kind::String => match value.as_str() {
            Some(decoded) => {
                let mut text = String::new();
                push_string(&mut text, &decoded);
                text
            }
            None => value.text().to_owned(),
        },
        _ => value.text().to_owned(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn canonical_text_stays_as_it_is(text in json()) {
        if let Ok(once) = canonical(text.as_bytes()) {
            let twice = canonical(once.as_bytes());
            prop_assert!(matches!(&twice, Ok(Cow::Borrowed(same)) if *same == once), "{twice:?}");
        }
    }

    #[test]
    fn objects_of_any_length_are_put_in_order(tree in tree()) {
        let (text, expected) = (tree.compact(), tree.canonical());
        prop_assert_eq!(canonical(text.as_bytes()), Ok(Cow::Borrowed(&*expected)));
    }

    #[test]
    fn values_of_a_document_are_read_as_if_each_stood_alone(
        kinds in vec(prop_oneof![json(), tree().prop_map(|tree| tree.compact())], 1..4),
        order in vec(any::<proptest::sample::Index>(), 1..20),
        digits in vec(0..30_u32, 20),
    ) {
        // One value after the other in a few layouts, with other numbers in each.
        let value = |(kind, digit): (&proptest::sample::Index, &u32)| {
            kind.get(&kinds).replace('2', &digit.to_string())
        };
        let values: Vec<String> = order.iter().zip(&digits).map(value).collect();
        let text = format!("[{}]", values.join(","));
        let mut document = Document::new(text.as_bytes());
        for value in &values {
            let alone = canonical(value.as_bytes());
            match (document.next_block(), alone) {
                (Ok(Some(found)), Ok(alone)) => prop_assert_eq!(found.text, alone),
                (Err(_), Err(_)) => break,
                // A document looks at what follows a value when it is asked for the next one.
                (Ok(Some(found)), Err(JsonError { at, kind: JsonErrorKind::Trailing { .. } })) => {
                    let alone = canonical(&value.as_bytes()[..at]);
                    prop_assert_eq!(Ok(found.text), alone);
                    let next = document.next_block();
                    prop_assert!(next.is_err(), "{next:?}");
                    break;
                }
                (found, alone) => prop_assert!(false, "{found:?}, and alone {alone:?}"),
            }
        }
    }

    #[test]
    fn a_value_is_made_of_its_parts(text in json()) {
        if let Ok(text) = canonical(text.as_bytes()) {
            prop_assert_eq!(rebuild(Value::of_canonical(&text)), &*text);
        }
    }

    #[test]
    fn a_reader_finds_the_parts_of_a_document(text in json()) {
        let input = text.as_bytes();
        let mut reader = Reader::new(input);
        let mut parts = String::new();
        let walked = walk(&mut reader, input, &mut parts).and_then(|()| reader.end());
        match canonical(input) {
            Ok(expected) => {
                prop_assert_eq!(walked, Ok(()));
                prop_assert_eq!(canonical(parts.as_bytes()), Ok(expected));
            }
            Err(_) => prop_assert!(walked.is_err()),
        }
    }

    #[test]
    fn skipping_refuses_what_reading_refuses(text in json(), cut in 0..200_usize, byte: u8) {
        let mut input = text.into_bytes();
        if let Some(place) = input.get_mut(cut) {
            *place = byte;
        }
        let (mut reading, mut skipping) = (Reader::new(&input), Reader::new(&input));
        prop_assert_eq!(reading.value().map(|_| ()), skipping.skip_value());
        prop_assert_eq!(reading.position(), skipping.position());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..60)) {
        let _ = canonical(&bytes);
        look(Value::of_canonical(&String::from_utf8_lossy(&bytes)), 3);
    }

    #[test]
    fn no_text_like_json_makes_it_panic(text in r#"[\[\]{}:, "\\u0-9a-f.eE+é😀-]{0,40}"#) {
        let _ = canonical(text.as_bytes());
        look(Value::of_canonical(&text), 3);
        for position in 0..text.len() + 2 {
            let mut reader = Reader::at(text.as_bytes(), position);
            let _ = (reader.open_object(), reader.key(), reader.value(), reader.next_member());
            let _ = (reader.open_array(), reader.skip_value(), reader.next_element(), reader.end());
        }
    }

    #[test]
    fn a_rust_string_comes_back(text: String) {
        let mut json = String::from("x");
        push_string(&mut json, &text);
        let json = &json[1..];
        prop_assert!(matches!(canonical(json.as_bytes()), Ok(Cow::Borrowed(same)) if same == json));
        prop_assert_eq!(Value::of_canonical(json).as_str(), Some(Cow::Owned(text)));
    }
}

#[test]
fn faults_say_where_and_what() {
    for (text, expected) in [
        (
            &b"[1, NaN]"[..],
            "byte 4: NaN, infinity and numbers that are too large are not allowed in JSON",
        ),
        (b"", "byte 0: the text ends where a value is expected"),
        (b"{\"a\" 1}", "byte 5: expected a colon, found `1`"),
        (b"[1 2]", "byte 3: expected a comma or a closing bracket, found `2`"),
        (b"{\"a\": 1]", "byte 7: expected a comma or a closing brace, found `]`"),
        (b"[1,]", "byte 3: expected a value, found `]`"),
        (b"{1: 2}", "byte 1: expected a name in double quotes, found `1`"),
        (b"1.e", "byte 2: expected a digit, found `e`"),
        (b"tru\x07", "byte 3: expected true, found byte 0x07"),
        (b"1 x", "byte 2: `x` follows the end of the JSON value"),
        (b"\"a\nb\"", "byte 2: control character 0x0a inside a string"),
        (b"\"a\\x\"", "byte 2: JSON has no such escape"),
        (b"\"abc", "byte 4: the text ends where a string's closing quote is expected"),
        (b"\"\\", "byte 2: the text ends where an escape's letter is expected"),
        (b"\"\xff\"", "byte 1: this is not UTF-8"),
        (b"1\x00", "byte 1: this is not UTF-8"),
        (b"\xff\xfe1\x00", "byte 0: this is not UTF-8"),
        (
            b"\"\xed\xa0\x80\\udc00\"",
            "byte 4: only one half of a surrogate pair is written as an escape",
        ),
    ] {
        let error = canonical(text).expect_err("refused");
        assert_eq!(error.to_string(), expected);
    }
    let long = "9".repeat(MAX_INT_DIGITS + 1);
    assert_eq!(kind_of(long.as_bytes()), JsonErrorKind::IntTooLong { digits: 4301 });
}

#[test]
fn a_reader_tells_missing_members_from_present_ones() -> Result<(), JsonError> {
    let mut reader =
        Reader::new(b"\xef\xbb\xbf { \"b\" : [ ] , \"\\u0061\":{ } , \"c\": [1 ,2 ] } ");
    assert!(reader.open_object()?);
    assert_eq!(reader.key()?, "\"b\"");
    assert!(!reader.open_array()?);
    assert!(reader.next_member()?);
    assert_eq!(reader.key()?, "\"a\"");
    assert!(!reader.open_object()?);
    assert!(reader.next_member()?);
    assert_eq!(reader.key()?, "\"c\"");
    assert!(reader.open_array()?);
    assert!(matches!(reader.value()?, Cow::Borrowed("1")));
    assert!(reader.next_element()?);
    reader.skip_value()?;
    assert!(!reader.next_element()?);
    assert!(!reader.next_member()?);
    reader.end()
}

#[test]
fn a_reader_refuses_another_shape() {
    assert!(Reader::new(b"[1]").open_object().is_err());
    assert!(Reader::new(b"{}").open_array().is_err());
    assert!(Reader::new(b"1: 2").key().is_err());
    assert!(Reader::new(b"\"a\"").key().is_err());
    assert!(Reader::new(b"]").next_member().is_err());
    assert!(Reader::new(b"}").next_element().is_err());
    assert!(Reader::new(b"").next_element().is_err());
    assert!(Reader::new(b"1").end().is_err());
    assert!(Reader::at(b"1", 9).value().is_err());
}

#[test]
fn levels_that_a_reader_entered_count() -> Result<(), JsonError> {
    let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
    let text = nested(MAX_DEPTH);
    let mut reader = Reader::new(text.as_bytes());
    reader.open_array()?;
    reader.open_array()?;
    assert_eq!(reader.value()?, nested(MAX_DEPTH - 2));
    let text = nested(MAX_DEPTH + 1);
    let mut reader = Reader::new(text.as_bytes());
    reader.open_array()?;
    reader.open_array()?;
    assert_eq!(reader.value().expect_err("refused").kind, JsonErrorKind::TooDeep);
    let mut reader = Reader::new(text.as_bytes());
    for _ in 0..MAX_DEPTH {
        assert!(reader.open_array()?);
    }
    assert_eq!(reader.open_array().expect_err("refused").kind, JsonErrorKind::TooDeep);
    Ok(())
}

#[test]
fn depth_takes_no_stack() {
    let small = thread::Builder::new().stack_size(128 << 10);
    let work = || {
        for (open, close) in [("[", "]"), ("[0,", "]"), ("{\"b\":1,\"a\":", "}")] {
            let nested = |levels: usize| open.repeat(levels) + "[]" + &close.repeat(levels);
            let text =
                canonical(nested(MAX_DEPTH - 1).as_bytes()).expect("not too deep").into_owned();
            assert!(matches!(canonical(text.as_bytes()), Ok(Cow::Borrowed(_))));
            assert_eq!(kind_of(nested(MAX_DEPTH).as_bytes()), JsonErrorKind::TooDeep);
            let hostile = open.repeat(1_000_000);
            assert_eq!(kind_of(hostile.as_bytes()), JsonErrorKind::TooDeep);
            let value = Value::of_canonical(&hostile);
            assert!(value.elements().count() + value.members().count() <= 1);
        }
    };
    small.spawn(work).expect("a thread").join().expect("the stack is enough");
}

#[test]
fn values_are_what_they_are() {
    let text =
        r#"{"a": [null, true, 1, -1, 1.0, 1e+16, "x", "\u00e9\n\ud83d\ude00", "\ud800", [], {}]}"#;
    assert!(matches!(canonical(text.as_bytes()), Ok(Cow::Borrowed(_))));
    let array = Value::of_canonical(text).get("a").expect("a member");
    let values: Vec<Value<'_>> = array.elements().collect();
    let kinds: Vec<Kind> = values.iter().map(|value| value.kind()).collect();
    use Kind::*;
    assert_eq!(kinds, [Null, Bool, Int, Int, Float, Float, String, String, String, Array, Object]);
    assert_eq!(values[2].as_u64(), Some(1));
    assert_eq!((values[3].as_u64(), values[3].as_i128()), (None, Some(-1)));
    assert_eq!((values[4].as_u64(), values[4].as_i128()), (None, None));
    assert!(matches!(values[6].as_str(), Some(Cow::Borrowed("x"))));
    assert_eq!(values[7].as_str().as_deref(), Some("é\n😀"));
    assert_eq!(values[8].as_str(), None);
    assert_eq!((values[2].as_str(), values[6].as_u64()), (None, None));
    assert_eq!(values[9].elements().count() + values[10].members().count(), 0);
    assert_eq!(array.members().count() + Value::of_canonical(text).elements().count(), 0);
    assert_eq!(Value::of_canonical(text).get("b"), None);
    let largest = [u64::MAX.to_string(), format!("{}", u128::from(u64::MAX) + 1)];
    let read = largest.each_ref().map(|text| Value::of_canonical(text).as_u64());
    assert_eq!(read, [Some(u64::MAX), None]);
    assert_eq!(Value::of_canonical(&largest[1]).as_i128(), Some(1 << 64));
    assert_eq!(Value::of_canonical(&"9".repeat(60)).as_i128(), None);
}

/// Far above what any of it takes, far below what a second look at each level would.
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn hostile_texts_take_no_longer_than_others() {
    let start = Instant::now();
    let mut wide = String::from("{");
    for n in (0..100_000).rev() {
        write!(wide, "\"{n:07}\":{n},\"twice\":0,").expect("strings take all");
    }
    wide.push_str("\"twice\":1}");
    let text = canonical(wide.as_bytes()).expect("valid");
    let value = Value::of_canonical(&text);
    assert_eq!(value.members().count(), 100_001);
    assert_eq!(value.get("twice").and_then(Value::as_u64), Some(1));

    // Every level is out of order, and the innermost has nearly all of the text.
    let inner = "0".to_owned() + &",[0,1]".repeat(500_000);
    let levels = MAX_DEPTH - 2;
    let deep = format!("{}[{inner}]{}", "{\"b\":0,\"a\":".repeat(levels), "}".repeat(levels));
    let text = canonical(deep.as_bytes()).expect("valid");
    assert!(
        text.starts_with("{\"a\": {\"a\": {\"a\": ") && text.ends_with(", \"b\": 0}, \"b\": 0}")
    );

    let zeros = format!("[{0}1{0}.{0}1e-5, 0.{0}]", "1".to_owned() + &"0".repeat(300_000));
    assert_eq!(kind_of(zeros.as_bytes()), JsonErrorKind::NotFinite);

    let names = "x".repeat(1000);
    let alike: Vec<String> = (0..2000).rev().map(|n| format!("\"{names}\\n{n:04}\":0")).collect();
    let text = canonical(format!("{{{}}}", alike.join(",")).as_bytes()).map(Cow::into_owned);
    assert_eq!(Value::of_canonical(&text.expect("valid")).members().count(), 2000);
    assert!(start.elapsed() < PATIENCE, "{:?}", start.elapsed());
}
