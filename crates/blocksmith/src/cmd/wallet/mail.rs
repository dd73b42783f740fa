//! Payments as they come out of mail: a payment has one text, and its signature says which.

use blocksmith_consensus::json::JsonErrorKind;
use blocksmith_consensus::payment::{BadTransaction, Domain, Payment, Verified};
use blocksmith_text::is_curly_quote;
use blocksmith_wallet::written::{Named, Position, is_blank, is_mark, unmailed};

/// Why a text is no payment of a chain.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoPayment {
    /// The text is not that of a payment.
    #[error("{0}")]
    Text(String),
    /// The sender did not sign the payment for the chain.
    #[error("{0}")]
    Signature(String),
}

/// Reads a payment from a text as it stands, or without what mail adds. However the text is
/// changed, the signature proves that the result is what the sender signed.
pub(super) fn payment(text: &str, domain: &Domain) -> Result<Verified, NoPayment> {
    wrapped(text, domain)
        .or_else(|why| unmailed(text).find_map(|text| wrapped(&text, domain).ok()).ok_or(why))
}

/// Reads the payment without undoing a mail's signature and encoding.
fn wrapped(text: &str, domain: &Domain) -> Result<Verified, NoPayment> {
    let bare = text.trim_start_matches(is_blank);
    let start = text.len() - bare.len();
    let as_it_stands = match read(bare.trim_end_matches(is_blank), domain, text, start) {
        Ok(payment) => return Ok(payment),
        Err(why) => why,
    };
    let mut unsigned = None;
    // Mail wraps lines between words, or cuts them anywhere.
    for joint in ["", " "] {
        let mended = mend(text, joint);
        match read(&mended, domain, &mended, 0) {
            Ok(payment) => return Ok(payment),
            Err(NoPayment::Text(_)) => {}
            Err(why) => unsigned = Some(why),
        }
    }
    Err(unsigned.unwrap_or(as_it_stands))
}

/// Reads a text that starts at the byte `start` of what the person gave.
fn read(text: &str, domain: &Domain, written: &str, start: usize) -> Result<Verified, NoPayment> {
    let payment = Payment::parse(text.as_bytes(), domain);
    let payment = payment.map_err(|why| NoPayment::Text(placed(written, start, &why)))?;
    payment.verify().map_err(|why| NoPayment::Signature(why.to_string()))
}

/// Says what is wrong, and with which character at which place, if it is a character.
fn placed(written: &str, start: usize, why: &BadTransaction) -> String {
    let BadTransaction::Json(error) = why else { return why.to_string() };
    let at = start + error.at;
    let place = Position::of(written, at);
    let found = written.get(at..).and_then(|rest| rest.chars().next());
    let what = match (&error.kind, found) {
        (JsonErrorKind::Unexpected { wanted, .. }, Some(found)) => {
            format!("expected {wanted}, found {}", Named(found))
        }
        (JsonErrorKind::Trailing { .. }, Some(found)) => {
            format!("{} follows the end of the payment", Named(found))
        }
        // The input is UTF-8 by now: what was found is a character that no payment has.
        (JsonErrorKind::NotUtf8, Some(found)) => {
            format!("a payment can't contain {}", Named(found))
        }
        (JsonErrorKind::ControlCharacter { .. }, Some(found)) => {
            format!("a string can't contain {}", Named(found))
        }
        (kind, _) => kind.to_string(),
    };
    format!("this JSON can't be read: {place}: {what}")
}

/// Removes what mail puts between the parts of a payment and into them. Only a memo has white
/// space, where a line's end becomes `joint`.
fn mend(text: &str, joint: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    // Where the last string started and ended, and by which quote one is open.
    let (mut start, mut last, mut open) = (0, String::new(), None);
    let is_before_line = |char: char| char == '>' || is_blank(char);
    let mut chars = text.trim_start_matches(is_before_line).chars().peekable();
    while let Some(char) = chars.next() {
        if matches!(char, '\n' | '\r' | '\u{2028}') {
            while chars.next_if(|next| is_before_line(*next)).is_some() {}
            if open.is_some() && last == "memo" {
                mended.push_str(joint);
            }
            continue;
        }
        let Some(quote) = open else {
            if is_blank(char) {
                continue;
            }
            if char == '"' || is_curly_quote(char) {
                (start, open) = (mended.len() + 1, Some(char));
                mended.push('"');
            } else {
                mended.push(char);
            }
            continue;
        };
        match char {
            '\\' => {
                mended.push(char);
                mended.extend(chars.next());
            }
            '"' if quote == '"' => {
                last = mended[start..].to_owned();
                (open, mended) = (None, mended + "\"");
            }
            char if quote != '"' && is_curly_quote(char) => {
                last = mended[start..].to_owned();
                (open, mended) = (None, mended + "\"");
            }
            char if is_mark(char) => {}
            char if char.is_whitespace() && last != "memo" => {}
            char if char.is_whitespace() => mended.push(' '),
            char => mended.push(char),
        }
    }
    mended
}
