//! Takes the elements of one list out of a JSON document while it arrives, so that a chain of any
//! length needs the memory of a block.

use blocksmith_consensus::block::MAX_BLOCK_BYTES;
use blocksmith_consensus::json;

/// The most bytes from the end of one element to the end of the next; indentation and other
/// spellings may make a block longer than its canonical text.
const MAX_ELEMENT_BYTES: usize = 2 * MAX_BLOCK_BYTES;

/// The most bytes between two values: indentation, and a mark.
const MAX_GAP_BYTES: usize = 4 << 10;

/// The longest name of a member.
const MAX_NAME_BYTES: usize = 1_000;

/// The memory that is kept from one element to the next.
const KEPT_BYTES: usize = 64 << 10;

/// A byte order mark, which may come before the document.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What keeps a document from being an object with the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unlike {
    #[error("expected {wanted}, found byte {found:#04x}")]
    Unexpected { wanted: &'static str, found: u8 },
    #[error("one part of it has more than {most} bytes")]
    TooLong { most: usize },
    #[error("more than {most} bytes stand between two parts of it")]
    Gap { most: usize },
    #[error("it ends in the middle")]
    Unfinished,
    #[error("it has no list \"{0}\"")]
    NoList(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    FirstName,
    Name,
    InName,
    Colon { wanted: bool },
    Member { wanted: bool },
    Skip,
    AfterMember,
    FirstElement,
    Element,
    InElement,
    AfterElement,
    End,
}

/// A reader of documents like `{"chain": [element, …], "length": 2}`, fed piece by piece. It finds
/// where elements start and end, and leaves it to the caller to parse them.
#[derive(Debug)]
pub(super) struct ArrayStream {
    /// The names that the list may have; the first one is what errors call it.
    names: &'static [&'static str],
    state: State,
    value: Extent,
    /// The name or the element that is not complete yet.
    part: Vec<u8>,
    /// Bytes since the last element.
    since: usize,
    /// Bytes since the last value or name.
    gap: usize,
    found: bool,
}

impl ArrayStream {
    pub(super) fn new(names: &'static [&'static str]) -> Self {
        Self {
            names,
            state: State::Start,
            value: Extent::default(),
            part: Vec::new(),
            since: 0,
            gap: 0,
            found: false,
        }
    }

    /// Bytes that wait for the rest of their element.
    pub(super) fn pending(&self) -> usize {
        self.part.len()
    }

    /// Takes the next piece of the document and hands on each element that is complete.
    pub(super) fn feed<E: From<Unlike>>(
        &mut self,
        piece: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut at = 0;
        while let Some(&byte) = piece.get(at) {
            let before = at;
            match self.state {
                State::InName | State::InElement | State::Skip => {
                    let (length, ended) = self.value.find_end(&piece[at..]);
                    let most = match self.state {
                        State::InName => MAX_NAME_BYTES,
                        _ => MAX_ELEMENT_BYTES,
                    };
                    if self.state != State::Skip {
                        self.part.extend_from_slice(&piece[at..at + length]);
                    }
                    if self.part.len() > most {
                        return Err(Unlike::TooLong { most }.into());
                    }
                    at += length;
                    if ended {
                        self.complete(&mut take)?;
                    }
                }
                _ => {
                    let blank = byte.is_ascii_whitespace()
                        || self.state == State::Start && BYTE_ORDER_MARK.contains(&byte);
                    let used = blank || self.mark(byte)?;
                    at += usize::from(used);
                    self.gap += usize::from(used);
                    if self.gap > MAX_GAP_BYTES {
                        return Err(Unlike::Gap { most: MAX_GAP_BYTES }.into());
                    }
                }
            }
            self.since += at - before;
            if self.since > MAX_ELEMENT_BYTES {
                return Err(Unlike::TooLong { most: MAX_ELEMENT_BYTES }.into());
            }
        }
        Ok(())
    }

    /// Makes sure that the document is complete.
    pub(super) fn end(&self) -> Result<(), Unlike> {
        match self.state {
            State::End if self.found => Ok(()),
            State::End => Err(Unlike::NoList(self.names.first().copied().unwrap_or_default())),
            _ => Err(Unlike::Unfinished),
        }
    }

    /// Reads the byte between names and values. Returns whether the byte is used up.
    fn mark(&mut self, byte: u8) -> Result<bool, Unlike> {
        let unexpected = |wanted| Err(Unlike::Unexpected { wanted, found: byte });
        self.state = match (self.state, byte) {
            (State::Start, b'{') => State::FirstName,
            (State::FirstName, b'}') | (State::AfterMember, b'}') => State::End,
            (State::FirstName | State::Name, b'"') => State::InName,
            (State::Colon { wanted }, b':') => State::Member { wanted },
            (State::Member { wanted: true }, b'[') if !self.found => State::FirstElement,
            (State::FirstElement | State::AfterElement, b']') => {
                self.found = true;
                State::AfterMember
            }
            (State::AfterMember, b',') => State::Name,
            (State::AfterElement, b',') => State::Element,
            (
                State::Member { .. } | State::FirstElement | State::Element,
                b',' | b':' | b'}' | b']',
            ) => {
                return unexpected("a value");
            }
            (State::Member { .. }, _) => State::Skip,
            (State::FirstElement | State::Element, _) => State::InElement,
            (State::Start, _) => return unexpected("an object"),
            (State::FirstName | State::Name, _) => return unexpected("a name"),
            (State::Colon { .. }, _) => return unexpected("a colon"),
            (State::AfterMember, _) => return unexpected("a comma or the end of the object"),
            (State::AfterElement, _) => return unexpected("a comma or the end of the list"),
            (State::End, _) => return unexpected("nothing after the end"),
            (State::InName | State::Skip | State::InElement, _) => self.state,
        };
        let begins = matches!(self.state, State::InName | State::Skip | State::InElement);
        Ok(!begins)
    }

    fn complete<E: From<Unlike>>(
        &mut self,
        take: &mut impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        self.value = Extent::default();
        self.gap = 0;
        self.state = match self.state {
            State::InName => {
                let name = json::canonical(&self.part).unwrap_or_default();
                let wanted = self.names.contains(&name.trim_matches('"'));
                State::Colon { wanted }
            }
            State::InElement => {
                take(&self.part)?;
                self.since = 0;
                State::AfterElement
            }
            _ => State::AfterMember,
        };
        self.part.clear();
        // One long block is no reason to keep its memory for the whole chain.
        self.part.shrink_to(KEPT_BYTES);
        Ok(())
    }
}

/// Finds where a value ends that may arrive in pieces.
#[derive(Debug, Default)]
struct Extent {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The value is neither string, list nor object: it ends before the first byte that can't
    /// belong to it.
    bare: bool,
}

impl Extent {
    /// How many of these bytes belong to the value, and whether it ends with them.
    fn find_end(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (at, &byte) in bytes.iter().enumerate() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => {
                        self.in_string = false;
                        if self.depth == 0 {
                            return (at + 1, true);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            if self.bare {
                if matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace() {
                    return (at, true);
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return (at + 1, true);
                    }
                }
                _ if self.depth == 0 => self.bare = true,
                _ => {}
            }
        }
        (bytes.len(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["chain", "currentChain"];

    fn read(document: &[u8], piece: usize) -> Result<Vec<String>, Unlike> {
        let mut elements = ArrayStream::new(NAMES);
        let mut found = Vec::new();
        for piece in document.chunks(piece) {
            elements.feed::<Unlike>(piece, |element| {
                found.push(String::from_utf8_lossy(element).into_owned());
                Ok(())
            })?;
        }
        elements.end().map(|()| found)
    }

    #[test]
    fn a_chain_comes_out_the_same_in_pieces_of_any_size() {
        let document = "\u{feff} {\"length\": 3, \"note\": {\"chain\": [\"]}\\\"\"]} ,\n\"ch\\u0061in\" : [ {\"a\": \"}]\\\\\"} , [1,[2]],7 , \"x\\\"]\" ] , \"more\":[ ]\t}\n";
        for piece in 1..document.len() {
            let found = read(document.as_bytes(), piece);
            let wanted = [r#"{"a": "}]\\"}"#, "[1,[2]]", "7", r#""x\"]""#].map(String::from);
            assert_eq!(found, Ok(wanted.to_vec()), "in pieces of {piece}");
        }
    }

    #[test]
    fn an_empty_list_is_a_list_and_either_name_will_do() {
        assert_eq!(read(br#"{"currentChain": []}"#, 4), Ok(vec![]));
        assert_eq!(read(br#"{"chain": [1]}"#, 1), Ok(vec!["1".into()]));
    }

    #[test]
    fn what_is_no_such_document_is_refused() {
        let unexpected = |wanted, found| Err(Unlike::Unexpected { wanted, found });
        assert_eq!(read(b"<html>", 9), unexpected("an object", b'<'));
        assert_eq!(read(b"[1]", 9), unexpected("an object", b'['));
        assert_eq!(read(br#"{"chain" [1]}"#, 9), unexpected("a colon", b'['));
        assert_eq!(read(br#"{"chain": [,1]}"#, 9), unexpected("a value", b','));
        assert_eq!(read(br#"{"chain": [1,]}"#, 9), unexpected("a value", b']'));
        assert_eq!(
            read(br#"{"chain": [1] "length"}"#, 9),
            unexpected("a comma or the end of the object", b'"')
        );
        assert_eq!(read(br#"{"chain": [1]} 2"#, 9), unexpected("nothing after the end", b'2'));
        assert_eq!(read(br#"{"chain": null}"#, 9), Err(Unlike::NoList("chain")));
        assert_eq!(read(br#"{}"#, 9), Err(Unlike::NoList("chain")));
        assert_eq!(read(br#"{"chain": [1, {"a": "#, 9), Err(Unlike::Unfinished));
        assert_eq!(read(b"", 9), Err(Unlike::Unfinished));
        let long = format!("{{\"{}\": 1}}", "x".repeat(MAX_NAME_BYTES));
        assert_eq!(read(long.as_bytes(), 64), Err(Unlike::TooLong { most: MAX_NAME_BYTES }));
        let members = r#""a": 1, "#.repeat(MAX_ELEMENT_BYTES / 8);
        let document = format!("{{{members}\"chain\": []}}");
        let too_long = Err(Unlike::TooLong { most: MAX_ELEMENT_BYTES });
        assert_eq!(read(document.as_bytes(), 1 << 20), too_long);
        let blank = " ".repeat(MAX_GAP_BYTES);
        for start in ["", "{", r#"{"chain""#, r#"{"chain": ["#, r#"{"chain": [1"#, "{}"] {
            let document = format!("{start}{blank} ");
            let gap = Err(Unlike::Gap { most: MAX_GAP_BYTES });
            assert_eq!(read(document.as_bytes(), 1_000), gap, "{start}");
        }
        let wide = format!("{{{0}\"chain\":{0}[1,{0}2{0}]}}", &blank[2..]);
        assert_eq!(read(wide.as_bytes(), 1_000), Ok(vec!["1".into(), "2".into()]));
    }
}
