//! Lists as tables: CSV (RFC 4180) for spreadsheets, and a JSON object in each line for programs. Both
//! have all entries, not a page of them, and are sent while they are read.

use std::borrow::Cow;

use axum::http::header::{ACCEPT, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use blocksmith_api::{AccountTransaction, BlockEntry, HistoryPoint, Number, json};
use blocksmith_consensus::json::{Kind, Value};
use blocksmith_consensus::transaction::party;
use blocksmith_consensus::{BlockView, Shape};
use csv::{Terminator, Writer, WriterBuilder};
use serde::Serialize;

use super::accounts::listed;
use super::answer::raw;
use super::api_error::ApiError;
use super::limits::MAX_QUOTE;
use super::pieces::Source;
use super::weight::weight;
use crate::service::{History, Snapshot, StoreError, seconds};

/// A piece ends when this many bytes of blocks were read for it: rows may be much shorter than the
/// blocks of which they tell.
const MAX_SCAN_BYTES: usize = 16 << 20;

/// How an answer with a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// A page in JSON.
    Json,
    Csv,
    /// A JSON object in each line.
    Lines,
}

impl Format {
    /// If several formats fit a request equally well, the answer has the first of them.
    const ALL: [Self; 3] = [Self::Json, Self::Csv, Self::Lines];

    fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Lines => "ndjson",
        }
    }

    /// The media type, of which requests name the part before the semicolon.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Json => blocksmith_api::JSON,
            Self::Csv => "text/csv; charset=utf-8; header=present",
            Self::Lines => "application/x-ndjson",
        }
    }

    /// The format that a request wants: as its parameter says, else as its header does.
    pub(super) fn of(asked: Option<&str>, headers: &HeaderMap) -> Result<Self, ApiError> {
        if let Some(asked) = asked {
            let found = Self::ALL.into_iter().find(|format| format.name() == asked);
            return found.ok_or_else(|| {
                let asked: String = asked.chars().take(MAX_QUOTE).collect();
                ApiError::bad(format!("format must be json, csv or ndjson, not {asked:?}"))
            });
        }
        let ranges: Vec<_> = headers
            .get_all(ACCEPT)
            .iter()
            .flat_map(|header| header.as_bytes().split(|byte| *byte == b','))
            .filter_map(|range| Range::read(std::str::from_utf8(range).ok()?))
            .collect();
        if ranges.is_empty() {
            return Ok(Self::Json);
        }
        // The range that names a type most closely says how much it is wanted (RFC 9110, 12.5.1).
        let wanted = |format: Self| {
            let fitting =
                ranges.iter().filter_map(|range| Some((range.fits(format)?, range.weight)));
            fitting.max_by_key(|(closeness, _)| *closeness)
        };
        let mut best = None;
        for format in Self::ALL {
            let Some((closeness, weight)) = wanted(format).filter(|(_, weight)| *weight > 0) else {
                continue;
            };
            if best.is_none_or(|(_, most)| (weight, closeness) > most) {
                best = Some((format, (weight, closeness)));
            }
        }
        best.map(|(format, _)| format).ok_or(ApiError::NotAcceptable)
    }
}

/// A media range of a request, and its weight in thousandths.
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    weight: u16,
}

impl<'a> Range<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        Some(Self { kind, subtype, weight: weight(parts)? })
    }

    /// How closely the range names a format, if it does.
    fn fits(&self, format: Format) -> Option<u8> {
        let (kind, rest) = format.media_type().split_once('/')?;
        let subtype = rest.split(';').next()?;
        match (self.kind, self.subtype) {
            ("*", "*") => Some(0),
            (one, "*") if one.eq_ignore_ascii_case(kind) => Some(1),
            (one, two) if one.eq_ignore_ascii_case(kind) && two.eq_ignore_ascii_case(subtype) => {
                Some(2)
            }
            _ => None,
        }
    }
}

/// Says that the answer depends on what the request accepts.
pub(super) fn varied(mut answer: Response) -> Response {
    answer.headers_mut().append(VARY, HeaderValue::from_static("Accept"));
    answer
}

/// An entry of a list.
pub(super) trait Row: Serialize {
    /// The names of the cells.
    const COLUMNS: &'static [&'static str];

    /// Its cells.
    fn cells(&self) -> Vec<Cow<'_, str>>;
}

/// Rows as they are written.
enum Rows {
    Csv(Box<Writer<Vec<u8>>>),
    Lines(Vec<u8>),
}

impl Rows {
    /// No rows yet; with the names of the columns if they are the first ones.
    fn new<R: Row>(format: Format, are_first: bool) -> Result<Self, StoreError> {
        if format != Format::Csv {
            return Ok(Self::Lines(Vec::new()));
        }
        let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
        if are_first {
            writer.write_record(R::COLUMNS).map_err(unwritten)?;
        }
        Ok(Self::Csv(Box::new(writer)))
    }

    fn add(&mut self, row: &impl Row) -> Result<(), StoreError> {
        match self {
            Self::Csv(writer) => writer
                .write_record(row.cells().iter().map(|cell| cell.as_bytes()))
                .and_then(|()| Ok(writer.flush()?))
                .map_err(unwritten),
            Self::Lines(lines) => {
                lines.extend(json::to_string(row).into_bytes());
                lines.push(b'\n');
                Ok(())
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Csv(writer) => writer.get_ref().len(),
            Self::Lines(lines) => lines.len(),
        }
    }

    fn written(self) -> Result<Vec<u8>, StoreError> {
        match self {
            Self::Csv(writer) => {
                writer.into_inner().map_err(|error| unwritten(error.into_error().into()))
            }
            Self::Lines(lines) => Ok(lines),
        }
    }
}

/// Memory takes every row, and all rows of a list have as many cells.
fn unwritten(error: csv::Error) -> StoreError {
    StoreError::Damaged(format!("an entry can't be written as a row: {error}"))
}

/// The whole list, which is short.
pub(super) fn all<R: Row>(rows: &[R], format: Format) -> Result<Vec<u8>, StoreError> {
    let mut out = Rows::new::<R>(format, true)?;
    rows.iter().try_for_each(|row| out.add(row))?;
    out.written()
}

/// The blocks of the best chain as they were at one moment.
pub(super) struct Blocks {
    pub(super) format: Format,
    pub(super) snapshot: Snapshot,
    pub(super) shape: Shape,
    /// The sender of coins.
    pub(super) mint: String,
    pub(super) next: u64,
    pub(super) left: usize,
    pub(super) are_first: bool,
}

/// A block, and what the table tells of it.
struct BlockRow<'a> {
    view: BlockView<'a>,
    entry: BlockEntry,
    mint: &'a str,
}

impl Source for Blocks {
    const BUSY: &str =
        "too many others are reading the chain; try again later, or read it in pages, as JSON";

    fn read(&mut self, bytes: usize) -> Result<(Vec<u8>, bool), StoreError> {
        let mut rows = Rows::new::<BlockRow<'_>>(self.format, std::mem::take(&mut self.are_first))?;
        let (mut scanned, mut more) = (0, false);
        for text in self.snapshot.texts(self.next)?.take(self.left) {
            let text = text?;
            let view = BlockView::read(self.shape, &text)
                .map_err(|error| StoreError::Damaged(format!("block {}: {error}", self.next)))?;
            let entry =
                BlockEntry { index: view.index, hash: view.hash().into(), block: raw(&text)? };
            rows.add(&BlockRow { view, entry, mint: &self.mint })?;
            self.next += 1;
            self.left -= 1;
            scanned += text.len();
            more = rows.bytes() >= bytes || scanned >= MAX_SCAN_BYTES;
            if more {
                break;
            }
        }
        Ok((rows.written()?, more))
    }
}

impl Serialize for BlockRow<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.entry.serialize(serializer)
    }
}

impl Row for BlockRow<'_> {
    const COLUMNS: &'static [&'static str] =
        &["index", "hash", "previous_hash", "timestamp", "proof", "transactions", "miner"];

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let last = self.view.transactions().last();
        let is_coin =
            |value: &Value<'_>| value.get("sender").is_some_and(|from| party(from) == self.mint);
        let miner = last.filter(is_coin).and_then(|coin| coin.get("recipient"));
        vec![
            self.view.index.to_string().into(),
            self.entry.hash.to_string().into(),
            cell(Some(self.view.previous_hash)),
            number(seconds(&self.view)),
            cell(Some(Value::of_canonical(self.view.proof_json()))),
            self.view.transactions().count().to_string().into(),
            cell(miner),
        ]
    }
}

/// The transactions of an account.
pub(super) struct Transactions {
    pub(super) format: Format,
    pub(super) history: History,
    pub(super) left: usize,
    pub(super) are_first: bool,
}

impl Source for Transactions {
    const BUSY: &str = "too many others are looking for transactions; try again later, or read them in pages, as \
                        JSON";

    fn read(&mut self, bytes: usize) -> Result<(Vec<u8>, bool), StoreError> {
        let are_first = std::mem::take(&mut self.are_first);
        let mut rows = Rows::new::<AccountTransaction>(self.format, are_first)?;
        let page = self.history.next_page(self.left, bytes)?;
        self.left -= page.len();
        listed(&page)?.iter().try_for_each(|row| rows.add(row))?;
        Ok((rows.written()?, self.left > 0 && !self.history.is_done()))
    }
}

impl Row for AccountTransaction {
    const COLUMNS: &'static [&'static str] = &[
        "block",
        "hash",
        "position",
        "confirmations",
        "id",
        "timestamp",
        "roles",
        "sender",
        "recipient",
        "amount",
        "fee",
        "nonce",
        "memo",
    ];

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let transaction = Value::of_canonical(self.transaction.get());
        let roles: Vec<_> = self.roles.iter().flatten().map(|role| role.name()).collect();
        let mut cells = vec![
            self.block.to_string().into(),
            self.hash.to_string().into(),
            self.position.to_string().into(),
            self.confirmations.to_string().into(),
            self.id.to_string().into(),
            number(self.timestamp.map(|Number(seconds)| seconds)),
            roles.join(" ").into(),
        ];
        let members = ["sender", "recipient", "amount", "fee", "nonce", "memo"];
        cells.extend(members.map(|name| cell(transaction.get(name))));
        cells
    }
}

impl Row for HistoryPoint {
    const COLUMNS: &'static [&'static str] =
        &["index", "timestamp", "target", "work", "block_time_s", "hash_rate"];

    fn cells(&self) -> Vec<Cow<'_, str>> {
        let figure = |figure: Option<Number>| number(figure.map(|Number(figure)| figure));
        vec![
            self.index.to_string().into(),
            figure(self.timestamp),
            self.target.to_string().into(),
            self.work.to_string().into(),
            figure(self.block_time_s),
            figure(self.hash_rate),
        ]
    }
}

fn number(number: Option<f64>) -> Cow<'static, str> {
    number.map(|number| json::to_string(&Number(number))).unwrap_or_default().into()
}

/// A value from outside: a text as it is, if no spreadsheet takes it for a formula, and others as JSON.
fn cell(value: Option<Value<'_>>) -> Cow<'_, str> {
    let Some(value) = value else { return Cow::Borrowed("") };
    match value.as_str() {
        // A number can begin with a minus.
        _ if matches!(value.kind(), Kind::Int | Kind::Float) => value.text().into(),
        Some(text) => harmless(text),
        None => harmless(value.text().into()),
    }
}

/// A text that no spreadsheet takes for a formula: where it begins like one, with an apostrophe before it, as
/// OWASP has it.
fn harmless(text: Cow<'_, str>) -> Cow<'_, str> {
    let begins = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
    match text.starts_with(begins) {
        true => format!("'{text}").into(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_that_a_request_wants_most() {
        use Format::{Csv, Json, Lines};
        let of = |accept: &str| {
            let headers =
                HeaderMap::from_iter([(ACCEPT, HeaderValue::from_str(accept).expect("a header"))]);
            Format::of(None, &headers).ok()
        };
        for (accept, format) in [
            ("", Some(Json)),
            ("*/*", Some(Json)),
            ("application/*", Some(Json)),
            ("text/html, application/xhtml+xml, application/xml;q=0.9, */*;q=0.8", Some(Json)),
            ("text/csv", Some(Csv)),
            ("TEXT/CSV; header=absent", Some(Csv)),
            ("text/csv, */*", Some(Csv)),
            ("*/*;q=0.1, application/x-ndjson;q=0.2", Some(Lines)),
            ("text/csv;q=0.5, application/x-ndjson", Some(Lines)),
            ("application/json;q=0.4, text/csv;Q = 0.5", Some(Csv)),
            ("application/json;q=0, */*", Some(Csv)),
            ("nonsense", Some(Json)),
            ("text/html", None),
            ("application/json;q=0", None),
            ("text/csv;q=0, image/*", None),
        ] {
            assert_eq!(of(accept), format, "{accept}");
        }
        let all = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/html"))]);
        for format in Format::ALL {
            assert_eq!(Format::of(Some(format.name()), &all).ok(), Some(format), "it goes first");
        }
        for wrong in ["", "CSV", "xml"] {
            assert!(matches!(Format::of(Some(wrong), &all), Err(ApiError::Bad(_))), "{wrong}");
        }
    }

    #[test]
    fn a_cell_begins_no_formula_unless_it_is_a_number() {
        for (json, written) in [
            (r#""=1""#, "'=1"),
            (r#""\uff1d1""#, "'＝1"),
            (r#""\t""#, "'\t"),
            (r#""-1""#, "'-1"),
            ("-1", "-1"),
            ("-1e-07", "-1e-07"),
            (r#""""#, ""),
            (r#""'=1""#, "'=1"),
            (r#""\ud800""#, r#""\ud800""#),
            (r#"["=1"]"#, r#"["=1"]"#),
            ("null", "null"),
        ] {
            assert_eq!(cell(Some(Value::of_canonical(json))), written, "{json}");
        }
        assert_eq!(cell(None), "");
    }
}
