//! Generated texts, read here and by the `python3` at hand, which has to be there.
//!
//! `BLOCKSMITH_JSON_CASES` sets how many, `BLOCKSMITH_JSON_SEED` where the generator starts.

use std::borrow::Cow;
use std::env;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;

use blocksmith_consensus::json::{JsonError, JsonErrorKind, canonical};

const CASES: u64 = 20_000;
const SEED: u64 = 20_190_711;

/// Texts on their way to Python and back.
const IN_FLIGHT: usize = 4096;

fn setting(name: &str, default: u64) -> u64 {
    env::var(name).map_or(default, |value| value.parse().expect("a whole number"))
}

#[test]
fn generated_texts_come_out_as_python_writes_them() {
    let cases = setting("BLOCKSMITH_JSON_CASES", CASES);
    let seed = setting("BLOCKSMITH_JSON_SEED", SEED);
    let mut python = Command::new("python3")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/json_oracle.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 can be started");
    let mut questions = BufWriter::new(python.stdin.take().expect("stdin is piped"));
    let answers = BufReader::new(python.stdout.take().expect("stdout is piped"));
    let (sent, asked) = mpsc::sync_channel(IN_FLIGHT);

    let asking = thread::spawn(move || {
        for number in 0..cases {
            let text = Generator(seed.wrapping_add(number)).text();
            writeln!(questions, "{}", to_hex(&text)).expect("python3 reads");
            if sent.send(text).is_err() {
                break;
            }
        }
    });

    let mut tally = Tally::default();
    for (number, (text, answer)) in asked.iter().zip(answers.lines()).enumerate() {
        let answer = answer.expect("python3 writes");
        if let Err(fault) = compare(&text, &answer, &mut tally) {
            panic!(
                "seed {}: {fault}\n{}\n{}",
                seed.wrapping_add(number as u64),
                String::from_utf8_lossy(&text),
                to_hex(&text)
            );
        }
    }
    asking.join().expect("all texts were sent");
    assert!(python.wait().expect("python3 ends").success());
    println!("{tally:?}");
    assert_eq!(tally.read + tally.refused + tally.marked, cases);
    // A generator that makes only one kind of text would prove little.
    assert!(tally.read > cases / 3 && tally.refused > cases / 10 && tally.marked > 0, "{tally:?}");
}

#[derive(Debug, Default)]
struct Tally {
    /// Read by both, with the same result.
    read: u64,
    /// Refused by both.
    refused: u64,
    /// Read by Python alone, and of a kind that is refused here on purpose.
    marked: u64,
}

fn compare(text: &[u8], answer: &str, tally: &mut Tally) -> Result<(), String> {
    let ours = canonical(text);
    if answer == "error" {
        tally.refused += 1;
        return match ours {
            Ok(ours) => Err(format!("Python refuses what is read here as {ours}")),
            Err(_) => Ok(()),
        };
    }
    let (marks, theirs) = answer.split_once(' ').expect("marks and text");
    let theirs = String::from_utf8(from_hex(theirs)).expect("ASCII");
    match (ours, marks) {
        (Ok(ours), "-") => {
            tally.read += 1;
            if ours != theirs {
                return Err(format!("here\n{ours}\nthere\n{theirs}"));
            }
            if matches!(ours, Cow::Borrowed(_)) != text_holds_as_is(text, &theirs) {
                return Err("borrowed and canonical are not the same".into());
            }
            match canonical(theirs.as_bytes()) {
                Ok(Cow::Borrowed(again)) if again == theirs => Ok(()),
                other => Err(format!("not taken as canonical: {other:?}")),
            }
        }
        (Err(error), "-") => Err(format!("{error}; Python reads it")),
        (Ok(_), _) => Err(format!("read, but marked {marks}")),
        (Err(JsonError { kind, .. }), _) => {
            tally.marked += 1;
            let as_documented = match kind {
                JsonErrorKind::NotFinite => marks.contains('n'),
                JsonErrorKind::SplitSurrogatePair => marks.contains('s'),
                JsonErrorKind::TooDeep => marks.contains('d'),
                _ => marks.contains('e'),
            };
            if as_documented { Ok(()) } else { Err(format!("{kind}, but marked {marks}")) }
        }
    }
}

fn text_holds_as_is(text: &[u8], canonical: &str) -> bool {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text).trim_ascii() == canonical.as_bytes()
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from(b"0123456789abcdef"[usize::from(n)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_hex(hex: &str) -> Vec<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).expect("a hex digit") as u8;
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}

/// SplitMix64, and texts made from it.
struct Generator(u64);

/// How the text is set: what stands around values, and how often it differs.
#[derive(Clone, Copy)]
struct Style {
    comma: &'static str,
    colon: &'static str,
    noise: bool,
}

impl Generator {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn text(&mut self) -> Vec<u8> {
        let style = self.pick(&[
            Style { comma: ", ", colon: ": ", noise: false },
            Style { comma: ",", colon: ":", noise: false },
            Style { comma: ",\n  ", colon: " : ", noise: false },
            Style { comma: ", ", colon: ": ", noise: true },
        ]);
        let mut out = Vec::new();
        if self.one_in(40) {
            out.extend(b"\xef\xbb\xbf");
        }
        if self.one_in(300) {
            self.deep(&mut out);
        } else if self.one_in(2000) {
            self.long_integer(&mut out);
        } else {
            let levels = self.below(5);
            self.value(&mut out, levels, style);
        }
        if self.one_in(8) {
            self.whitespace(&mut out);
        }
        if self.one_in(4) {
            for _ in 0..=self.below(2) {
                self.damage(&mut out);
            }
        }
        if self.one_in(300) {
            out = self.other_encoding(&out);
        }
        out
    }

    fn value(&mut self, out: &mut Vec<u8>, levels: usize, style: Style) {
        match self.below(if levels > 0 { 16 } else { 8 }) {
            0 => out.extend(self.pick(&["null", "true", "false"]).as_bytes()),
            1 => self.integer(out),
            2..=4 => self.float(out),
            5..=7 => self.string(out),
            8..=10 => {
                out.push(b'[');
                for n in 0..self.below(5) {
                    if n > 0 {
                        self.separator(out, style.comma, style);
                    }
                    self.value(out, levels - 1, style);
                }
                out.push(b']');
            }
            _ => {
                out.push(b'{');
                let size = if self.one_in(20) { 40 } else { 6 };
                for n in 0..self.below(size) {
                    if n > 0 {
                        self.separator(out, style.comma, style);
                    }
                    self.name(out);
                    self.separator(out, style.colon, style);
                    self.value(out, levels - 1, style);
                }
                out.push(b'}');
            }
        }
    }

    fn separator(&mut self, out: &mut Vec<u8>, plain: &str, style: Style) {
        if style.noise && self.one_in(6) {
            self.whitespace(out);
            out.extend(plain.trim().as_bytes());
            self.whitespace(out);
        } else {
            out.extend(plain.as_bytes());
        }
    }

    fn whitespace(&mut self, out: &mut Vec<u8>) {
        for _ in 0..self.below(4) {
            out.push(self.pick(b" \t\r\n"));
        }
    }

    /// Names that often meet, in several spellings, or any string.
    fn name(&mut self, out: &mut Vec<u8>) {
        const NAMES: [&str; 24] = [
            "a",
            "\\u0061",
            "b",
            "ab",
            "a b",
            "a!",
            "",
            "index",
            "proof",
            "timestamp",
            "transactions",
            "é",
            "\\u00e9",
            "\\u00E9",
            "\\uffff",
            "\u{ffff}",
            "\\ud83d\\ude00",
            "😀",
            "\\ud83d",
            "\\ude00",
            "\\/",
            "/",
            "\\n",
            "\\u000a",
        ];
        if self.one_in(3) {
            self.string(out);
        } else {
            out.push(b'"');
            out.extend(self.pick(&NAMES).as_bytes());
            if self.one_in(6) {
                out.extend(self.pick(&NAMES).as_bytes());
            }
            out.push(b'"');
        }
    }

    fn string(&mut self, out: &mut Vec<u8>) {
        out.push(b'"');
        for _ in 0..self.below(6) {
            match self.below(20) {
                0..=6 => {
                    for _ in 0..self.below(20) {
                        let char = self.pick(b"abcxyzABC0189 !#[]{}/:,~^_'`-+.");
                        out.push(char);
                    }
                }
                7 | 8 => out.extend([b'\\', self.pick(b"bfnrt\"\\/")]),
                9 => {
                    let unit = self.below(0x10000);
                    self.escape(out, unit);
                }
                10 => {
                    let unit =
                        self.pick(&[0, 8, 0xb, 0x1f, 0x20, 0x22, 0x2f, 0x5c, 0x7e, 0x7f, 0x80]);
                    self.escape(out, unit);
                }
                11 | 12 => {
                    let unit = 0xd800 + self.below(0x800);
                    self.escape(out, unit);
                }
                13 => {
                    let (high, low) = (0xd800 + self.below(0x400), 0xdc00 + self.below(0x400));
                    self.escape(out, high);
                    self.escape(out, low);
                }
                14..=16 => {
                    let highest = self.pick(&[0x7f, 0x7ff, 0xffff, 0x10_ffff]);
                    if let Some(char) = char::from_u32(self.below(highest + 1) as u32)
                        && char >= ' '
                        && !"\"\\".contains(char)
                    {
                        out.extend(char.encode_utf8(&mut [0; 4]).as_bytes());
                    }
                }
                17 => out.extend("é\u{7f}ÿ€\u{ffff}😀".as_bytes()),
                18 if self.one_in(4) => {
                    let unit = 0xd800 + self.below(0x800);
                    out.extend([0xed, 0x80 | (unit >> 6 & 0x3f) as u8, 0x80 | (unit & 0x3f) as u8]);
                }
                19 if self.one_in(12) => {
                    let byte = self.next() as u8;
                    out.push(byte);
                }
                _ => {}
            }
        }
        out.push(b'"');
    }

    fn escape(&mut self, out: &mut Vec<u8>, unit: usize) {
        let upper = self.one_in(4);
        out.extend(if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") }.bytes());
    }

    fn digits(&mut self, out: &mut Vec<u8>, count: usize) {
        for _ in 0..count {
            out.push(b'0' + self.below(10) as u8);
        }
    }

    fn integer(&mut self, out: &mut Vec<u8>) {
        if self.one_in(4) {
            out.push(b'-');
        }
        if self.one_in(6) {
            out.push(b'0');
        } else {
            out.push(b'1' + self.below(9) as u8);
            let longest = self.pick(&[1, 3, 10, 20, 60]);
            let count = self.below(longest);
            self.digits(out, count);
        }
    }

    fn long_integer(&mut self, out: &mut Vec<u8>) {
        if self.one_in(2) {
            out.push(b'-');
        }
        out.push(b'7');
        let count = 4297 + self.below(5);
        self.digits(out, count);
    }

    fn float(&mut self, out: &mut Vec<u8>) {
        let text = match self.below(16) {
            0..=5 => {
                let float = loop {
                    let bits = self.next();
                    // Half of them near 1, where most numbers are.
                    let near_one = 0x3c << 56 | bits >> 5;
                    let float = f64::from_bits(self.pick(&[bits, near_one]));
                    if float.is_finite() {
                        break float;
                    }
                };
                let places = self.below(22);
                match self.below(7) {
                    0 => format!("{float}"),
                    1 => format!("{float:?}"),
                    2 => format!("{float:e}"),
                    3 => format!("{float:E}"),
                    4 => format!("{float:.places$}"),
                    5 => format!("{float:.places$e}"),
                    // All digits of the middle between this float and the next.
                    _ => middle(float),
                }
            }
            6 | 7 => {
                let seconds = 1_500_000_000 + self.below(400_000_000);
                let places = 1 + self.below(9);
                let mut fraction = Vec::new();
                self.digits(&mut fraction, places);
                format!("{seconds}.{}", String::from_utf8_lossy(&fraction))
            }
            8 => {
                let power = self.below(64) as i32;
                let float = 2_f64.powi(power) + self.below(5) as f64 - 2.0;
                let places = self.below(6);
                format!("{float:.places$}")
            }
            9 => {
                let text =
                    self.pick(&["0.0", "-0.0", "0e0", "1E2", "1.10", "1e16", "1e-5", "0.0001"]);
                text.into()
            }
            10 if self.one_in(8) => self
                .pick(&["NaN", "Infinity", "-Infinity", "1e400", "-1e309", "-NaN", "nan"])
                .into(),
            _ => {
                self.integer(out);
                if !self.one_in(4) {
                    out.push(b'.');
                    let longest = self.pick(&[1, 6, 17, 40]);
                    let count = 1 + self.below(longest);
                    self.digits(out, count);
                    if self.one_in(6) {
                        out.extend(b"00");
                    }
                }
                if self.one_in(2) {
                    out.push(self.pick(b"eE"));
                    out.extend(self.pick(&["", "+", "-"]).as_bytes());
                    let longest = self.pick(&[5, 25, 330, 10_000, 10_000_000]);
                    out.extend(self.below(longest).to_string().as_bytes());
                }
                return;
            }
        };
        out.extend(text.as_bytes());
    }

    fn deep(&mut self, out: &mut Vec<u8>) {
        let levels = self.pick(&[20, 31, 32, 33, 40, 985, 988, 989, 990, 991, 992, 1000, 3000]);
        let mut closing = Vec::new();
        for _ in 0..levels {
            if self.one_in(2) {
                out.extend(b"[");
                closing.push(b']');
            } else {
                let opening = self.pick(&["{\"a\": ", "{\"a\":", "{\"b\": 1, \"a\": "]);
                out.extend(opening.as_bytes());
                closing.push(b'}');
            }
        }
        out.push(b'1');
        out.extend(closing.iter().rev());
    }

    fn damage(&mut self, out: &mut Vec<u8>) {
        let at = self.below(out.len() + 1);
        match self.below(6) {
            0 => out.truncate(at),
            1 => {
                let byte = self.next() as u8;
                out.insert(at, byte);
            }
            2 | 3 => {
                let byte = self.pick(b"{}[]:,\"\\0123456789-+.eEu \n\t/tfnN\x00\x0b\x1f\x7f");
                out.insert(at, byte);
            }
            4 if at < out.len() => {
                out.remove(at);
            }
            5 if at < out.len() => {
                let end = at + self.below(out.len() - at);
                let part = out[at..end].to_vec();
                let to = self.below(out.len());
                out.splice(to..to, part);
            }
            _ => {}
        }
    }

    fn other_encoding(&mut self, text: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(text);
        let mark = if self.one_in(2) { "\u{feff}" } else { "" };
        let marked = format!("{mark}{text}");
        match self.below(3) {
            0 => marked.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            1 => marked.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            _ => marked.chars().flat_map(|char| u32::from(char).to_le_bytes()).collect(),
        }
    }
}

/// The exact decimal between a float and the next larger one; a tie to those who read it.
fn middle(float: f64) -> String {
    let size = float.abs();
    if !(1e-3..1e15).contains(&size) {
        return format!("{float:?}");
    }
    // The sum of two neighbours is exact when halved: it takes one bit more than they have, and so
    // its digits are put together from the exact digits of the lower one and half the spacing.
    let next = f64::from_bits(size.to_bits() + 1);
    let (low, half) = (format!("{size:.70}"), format!("{:.70}", (next - size) / 2.0));
    let mut sum: Vec<u8> = Vec::new();
    let mut carry = 0;
    let padded = format!("{half:0>width$}", width = low.len());
    for (a, b) in low.bytes().rev().zip(padded.bytes().rev()) {
        if a == b'.' {
            sum.push(b'.');
            continue;
        }
        let digit = a - b'0' + b - b'0' + carry;
        carry = digit / 10;
        sum.push(b'0' + digit % 10);
    }
    if carry > 0 {
        sum.push(b'1');
    }
    sum.reverse();
    let sign = if float.is_sign_negative() { "-" } else { "" };
    format!("{sign}{}", String::from_utf8_lossy(&sum))
}
