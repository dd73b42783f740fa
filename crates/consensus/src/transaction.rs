//! Transactions of open chains: any JSON value in a block's list, identified by its canonical text.

use alloc::borrow::Cow;
use alloc::format;
use alloc::sync::Arc;

use crate::json::{Kind, Value};
use crate::limits::{MAX_BLOCK_DEPTH, depth, quote};

/// The longest text of a transaction that a node queues, in bytes. Blocks of other nodes may hold
/// longer ones.
pub const MAX_TRANSACTION_BYTES: usize = 100_000;

/// The most levels of arrays and objects in a transaction that a node queues: a block adds two
/// levels.
pub const MAX_TRANSACTION_DEPTH: usize = MAX_BLOCK_DEPTH - 2;

/// The reason why a value is not queued as a transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unqueueable {
    /// `sender`, `recipient` or `amount` is missing.
    #[error("the transaction has no \"{field}\"")]
    Missing {
        /// The field's name.
        field: &'static str,
    },
    /// The value is not an object.
    #[error("a transaction must be a JSON object, not {found}")]
    NotAnObject {
        /// The start of what stands there.
        found: alloc::string::String,
    },
    /// The text is longer than [`MAX_TRANSACTION_BYTES`].
    #[error("the transaction has {found} bytes; at most {MAX_TRANSACTION_BYTES} are allowed")]
    TooLong {
        /// Bytes of the text.
        found: usize,
    },
    /// The transaction has more than [`MAX_TRANSACTION_DEPTH`] levels.
    #[error(
        "the transaction has {found} lists and objects inside each other; at most \
         {MAX_TRANSACTION_DEPTH} are allowed"
    )]
    TooDeep {
        /// How deep it is.
        found: usize,
    },
}

/// An unsigned transaction. Transactions with equal texts are equal; where it matters, block and
/// position tell them apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Transaction {
    text: Arc<str>,
}

impl Transaction {
    /// Writes a transaction from the canonical texts of its three fields.
    pub fn new(sender: Value<'_>, recipient: Value<'_>, amount: Value<'_>) -> Self {
        let (sender, recipient, amount) = (sender.text(), recipient.text(), amount.text());
        Self {
            text: format!(
                r#"{{"amount": {amount}, "recipient": {recipient}, "sender": {sender}}}"#
            )
            .into(),
        }
    }

    /// Takes `sender`, `recipient` and `amount` out of a request's body, as a Python node does;
    /// anything else in it is not part of the transaction.
    ///
    /// # Errors
    /// Fails if a field is missing, or if the text is too long or too deep for a block.
    pub fn from_request(body: Value<'_>) -> Result<Self, Unqueueable> {
        if body.kind() != Kind::Object {
            return Err(Unqueueable::NotAnObject { found: quote(body.text()) });
        }
        let field = |name| body.get(name).ok_or(Unqueueable::Missing { field: name });
        let transaction = Self::new(field("sender")?, field("recipient")?, field("amount")?);
        transaction.check_queueable()?;
        Ok(transaction)
    }

    /// Makes sure that a block of this node has room for it.
    ///
    /// # Errors
    /// Fails if it is too long or too deep.
    pub fn check_queueable(&self) -> Result<(), Unqueueable> {
        let found = self.text.len();
        if found > MAX_TRANSACTION_BYTES {
            return Err(Unqueueable::TooLong { found });
        }
        // A transaction that is too deep for a block would keep every block from being made.
        let found = depth(&self.text);
        if found > MAX_TRANSACTION_DEPTH {
            return Err(Unqueueable::TooDeep { found });
        }
        Ok(())
    }

    /// Takes an element of a block's list.
    pub fn of_block(value: Value<'_>) -> Self {
        Self { text: value.text().into() }
    }

    /// The canonical text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The sender, as the party that [`party`] names; `None` if the field is missing.
    pub fn sender(&self) -> Option<Cow<'_, str>> {
        Value::of_canonical(&self.text).get("sender").map(party)
    }
}

/// The name of the party that a value stands for, Python's `str()` of it: the number 0 and the text
/// `"0"` are one party.
pub fn party(value: Value<'_>) -> Cow<'_, str> {
    value.as_str().unwrap_or(Cow::Borrowed(value.text()))
}
