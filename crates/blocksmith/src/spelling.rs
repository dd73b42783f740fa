//! Other spellings of a block's JSON. Nodes in other languages don't write it as Python's
//! `json.dumps(block, sort_keys=True)` does, and hash what they write, so that their chains look
//! broken here: where a spelling explains that, the message should name it.

use std::fmt;

use blocksmith_consensus::Hash;
use blocksmith_consensus::json::{Reader, Value};

/// What a node of this network hashes.
pub(crate) const HASHED_TEXT: &str = "The hash of a block is the SHA-256 of json.dumps(block, sort_keys=True) in Python: make that node hash \
     the same text";

/// The longest text that is written in other spellings, in bytes: there are some dozens to hash.
const MAX_BYTES: usize = 256 << 10;

/// How a text differs from the canonical one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Spelling {
    /// Byte for byte as it was sent.
    as_sent: bool,
    /// No spaces after commas and colons.
    compact: bool,
    /// The members of objects in the order in which they were sent.
    in_order: bool,
    /// Letters beyond ASCII as they are.
    unescaped: bool,
    /// Numbers as JavaScript writes them: 1 for 1.0.
    short_numbers: bool,
}

impl Spelling {
    /// Returns the spelling of a JSON text that hashes to `wanted`; `sent` is the text as it was
    /// sent.
    pub(crate) fn of_sent(sent: &[u8], wanted: &Hash) -> Option<Self> {
        let sent = sent.get(..MAX_BYTES).map_or(Some(sent), |_| None)?;
        if Hash::of(sent.trim_ascii()) == *wanted {
            return Some(Self { as_sent: true, ..Self::default() });
        }
        find(&Node::read(&mut Reader::new(sent))?, wanted)
    }

    /// The same for a block that was not sent lately, with its members in the order of `other`,
    /// which was.
    pub(crate) fn of_canonical(text: &str, other: &[u8], wanted: &Hash) -> Option<Self> {
        if text.len().max(other.len()) > MAX_BYTES {
            return None;
        }
        let mut node = Node::read(&mut Reader::new(text.as_bytes()))?;
        let other = Node::read(&mut Reader::new(other))?;
        // Python nodes send a block inside an object.
        let block = match &other {
            Node::Object(members) => members.iter().find(|(name, _)| name == "\"block\""),
            _ => None,
        };
        node.order_as(block.map_or(&other, |(_, block)| block));
        find(&node, wanted)
    }

    /// How many things differ.
    fn oddities(self) -> usize {
        [self.compact, self.in_order, self.unescaped, self.short_numbers]
            .into_iter()
            .filter(|differs| *differs)
            .count()
    }
}

/// Returns the spelling that hashes to `wanted` and differs in the fewest things.
fn find(node: &Node, wanted: &Hash) -> Option<Spelling> {
    let mut spellings: Vec<_> = (1..16)
        .map(|bits: u8| Spelling {
            as_sent: false,
            compact: bits & 1 != 0,
            in_order: bits & 2 != 0,
            unescaped: bits & 4 != 0,
            short_numbers: bits & 8 != 0,
        })
        .collect();
    spellings.sort_by_key(|spelling| spelling.oddities());
    spellings.into_iter().find(|spelling| {
        let mut text = String::new();
        node.write(*spelling, &mut text);
        Hash::of(&text) == *wanted
    })
}

/// `without spaces and in the order in which it was sent, as JSON.stringify of JavaScript writes it`.
impl fmt::Display for Spelling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = [
            (self.as_sent, "byte for byte as it was sent"),
            (self.compact, "without spaces"),
            (self.in_order, "in the order in which its members were sent"),
            (self.unescaped, "with letters beyond ASCII as they are"),
            (self.short_numbers, "with 1 for 1.0"),
        ];
        let said: Vec<_> = said.into_iter().filter_map(|(so, what)| so.then_some(what)).collect();
        match said.split_last() {
            Some((last, [])) => f.write_str(last)?,
            Some((last, others)) => write!(f, "{} and {last}", others.join(", "))?,
            None => f.write_str("as it is")?,
        }
        if self.compact {
            f.write_str(", as JavaScript's JSON.stringify writes it")
        } else {
            Ok(())
        }
    }
}

/// A JSON value whose members are in the order in which they were sent.
enum Node {
    /// The canonical text of another value.
    Atom(String),
    List(Vec<Node>),
    /// Members, with their names as canonical text.
    Object(Vec<(String, Node)>),
}

impl Node {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if let Ok(mut more) = reader.open_object() {
            let mut members = Vec::new();
            while more {
                let name = reader.key().ok()?.into_owned();
                members.push((name, Self::read(reader)?));
                more = reader.next_member().ok()?;
            }
            return Some(Self::Object(members));
        }
        if let Ok(mut more) = reader.open_array() {
            let mut elements = Vec::new();
            while more {
                elements.push(Self::read(reader)?);
                more = reader.next_element().ok()?;
            }
            return Some(Self::List(elements));
        }
        reader.value().ok().map(|text| Self::Atom(text.into_owned()))
    }

    /// Brings members into the order that those of a similar value have.
    fn order_as(&mut self, other: &Self) {
        match (self, other) {
            (Self::Object(members), Self::Object(others)) => {
                let place = |name: &str| others.iter().position(|(other, _)| other == name);
                members.sort_by_key(|(name, _)| place(name).unwrap_or(usize::MAX));
                for (name, member) in members {
                    if let Some(place) = place(name) {
                        member.order_as(&others[place].1);
                    }
                }
            }
            (Self::List(elements), Self::List(others)) => {
                // All transactions have similar members.
                let Some(first) = others.first() else { return };
                for element in elements {
                    element.order_as(first);
                }
            }
            _ => {}
        }
    }

    fn write(&self, spelling: Spelling, out: &mut String) {
        let (comma, colon) = if spelling.compact { (",", ":") } else { (", ", ": ") };
        match self {
            Self::Atom(text) => write_atom(text, spelling, out),
            Self::List(elements) => {
                out.push('[');
                for (at, element) in elements.iter().enumerate() {
                    out.push_str(if at > 0 { comma } else { "" });
                    element.write(spelling, out);
                }
                out.push(']');
            }
            Self::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if !spelling.in_order {
                    members.sort_by_key(|(name, _)| Value::of_canonical(name).as_str());
                }
                out.push('{');
                for (at, (name, member)) in members.into_iter().enumerate() {
                    out.push_str(if at > 0 { comma } else { "" });
                    write_atom(name, spelling, out);
                    out.push_str(colon);
                    member.write(spelling, out);
                }
                out.push('}');
            }
        }
    }
}

fn write_atom(text: &str, spelling: Spelling, out: &mut String) {
    if text.starts_with('"') {
        let value = Value::of_canonical(text).as_str().filter(|_| spelling.unescaped);
        let unescaped = value.and_then(|value| serde_json::to_string(&value).ok());
        return out.push_str(unescaped.as_deref().unwrap_or(text));
    }
    match text.parse::<f64>() {
        Ok(number) if spelling.short_numbers && text.contains(['.', 'e']) => {
            out.push_str(&short(number));
        }
        _ => out.push_str(text),
    }
}

/// A number as JavaScript writes it: ECMA-262, Number::toString.
fn short(number: f64) -> String {
    if number == 0.0 {
        "0".into()
    } else if (1e-6..1e21).contains(&number.abs()) {
        number.to_string()
    } else {
        let text = format!("{number:e}");
        if text.contains("e-") { text } else { text.replace('e', "e+") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = r#"{"index":2,"timestamp":7.5,"transactions":[{"sender":"0","recipient":"Zoë","amount":1}],"proof":5,"previous_hash":"x"}"#;

    #[test]
    fn what_javascript_hashes_is_found() {
        let found = Spelling::of_sent(SENT.as_bytes(), &Hash::of(SENT)).expect("as it was sent");
        assert_eq!(found.to_string(), "byte for byte as it was sent");
        // Python sent it, and the other node hashed it anew.
        let spaced = SENT.replace(':', ": ").replace(',', ", ");
        let found =
            Spelling::of_sent(spaced.as_bytes(), &Hash::of(SENT)).expect("another spelling");
        assert_eq!(
            found.to_string(),
            "without spaces, in the order in which its members were sent and with letters beyond \
             ASCII as they are, as JavaScript's JSON.stringify writes it"
        );
        assert_eq!(Spelling::of_sent(SENT.as_bytes(), &Hash::of("x")), None);
    }

    #[test]
    fn a_block_that_was_stored_is_spelled_as_the_next_one_was_sent() {
        let canonical = r#"{"index": 1, "previous_hash": "x", "proof": 5, "timestamp": 1.0, "transactions": [{"amount": 1, "recipient": "Zo\u00eb", "sender": "0"}]}"#;
        let wanted = r#"{"index":1,"timestamp":1,"transactions":[{"sender":"0","recipient":"Zoë","amount":1}],"proof":5,"previous_hash":"x"}"#;
        let found = Spelling::of_canonical(canonical, SENT.as_bytes(), &Hash::of(wanted));
        assert_eq!(found.expect("another spelling").oddities(), 4);
        // Sorted and without spaces, the text has no other oddity.
        let compact = canonical.replace(", ", ",").replace(": ", ":");
        let found = Spelling::of_canonical(canonical, SENT.as_bytes(), &Hash::of(compact));
        assert_eq!(
            found.expect("another").to_string(),
            "without spaces, as JavaScript's JSON.stringify writes it"
        );
    }

    #[test]
    fn numbers_are_those_of_javascript() {
        let numbers = [1.0, -0.0, 0.1, 1e-6, 1.5e-7, 1e16, 123456789012345680000.0, 1e21, 1.5e300];
        let texts = ["1", "0", "0.1", "0.000001", "1.5e-7", "10000000000000000"];
        let large = ["123456789012345680000", "1e+21", "1.5e+300"];
        assert_eq!(numbers.map(short)[..6], texts);
        assert_eq!(numbers.map(short)[6..], large);
    }
}
