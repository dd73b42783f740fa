//! Signed payments: `/api/v1/transactions`, and the course's call for them.

use std::borrow::Cow;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use blocksmith_api::limits::MAX_PAYMENTS;
use blocksmith_api::{
    self as wire, HexHash, MerkleProof, PaymentOutcome, PaymentOutcomes, Pending,
    PendingTransactions, Place, Submitted, Transaction, TransactionStatus,
};
use blocksmith_consensus::json::Reader;
use blocksmith_consensus::{Family, Hash};
use blocksmith_node::mempool::Refused;
use blocksmith_node::{Entered, Turn, WhyLater};
use serde::Deserialize;
use utoipa::IntoParams;

use super::accounts::indexed;
use super::answer::{self, made_at, raw};
use super::api_error::ApiError;
use super::body::Wire;
use super::errors::Errors;
use super::line::{self, Doing};
use super::query::{Query, hash, limit, not_text};
use super::sent::listens;
use super::{App, permit};
use crate::service::{
    Found, Handle, Inclusion, InclusionAnswer, Location, NotPaid, PendingPage, TransactionState,
    Waits,
};

/// How long a list of payments waits for its permit.
const LIST_TIME: Duration = Duration::from_secs(10);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Replacing {
    /// Which payment with the same nonce this one can replace: `none`, or the id of one payment. By default
    /// it can replace any, if its fee is a tenth higher.
    #[param(pattern = "^(none|[0-9a-f]{64})$")]
    replaces: Option<String>,
}

impl Replacing {
    /// What the payment may replace, if its sender says so: one payment, or none.
    fn read(&self) -> Result<Option<Option<Hash>>, ApiError> {
        match self.replaces.as_deref() {
            None => Ok(None),
            Some("none") => Ok(Some(None)),
            Some(id) => match id.parse() {
                Ok(id) => Ok(Some(Some(id))),
                Err(_) => Err(ApiError::bad(
                    "replaces must be none, or the id of the payment to replace: 64 lower-case hex digits",
                )),
            },
        }
    }
}

/// Sends a signed payment, or a list of them.
///
/// The answer to a payment that the node knows already is a 200. A 422 has the rule `transaction`,
/// `signature`, `sender`, `nonce`, `balance` or `fee`, a 409 `replaces`, a 503 `full`. A list must be
/// canonical JSON, as nodes send it.
#[utoipa::path(
    post,
    path = "/api/v1/transactions",
    tag = "transactions",
    operation_id = "submit_transactions",
    params(Replacing, ("blocksmith-listen" = Option<String>, Header, description = "The address at which the sender listens, if it is a node: then this node does not send the payments back.")),
    request_body(content = serde_json::Value, description = "The payment, or a list of at most 1,000."),
    responses((status = 201, description = "It waits for a block.", body = Pending), (status = 200, description = "The node knew it, or the body was a list.", body = Submitted), Errors)
)]
pub(super) async fn submit(
    State(app): State<App>,
    Query(replacing): Query<Replacing>,
    headers: HeaderMap,
    body: Wire,
) -> Result<Response, ApiError> {
    let replacing = replacing.read()?;
    let read = elements(body.bytes());
    if !matches!(read, Ok(Some(_))) {
        // In a list that was read, each payment is canonical, so no member has two values.
        body.is_said_once().await?;
    }
    let Some(payments) = read? else {
        let text = body.bytes().to_vec();
        let paid = match replacing {
            None => pay(&app.handle, text).await?,
            Some(replaces) => app.handle.pay_replacing(text, replaces).await?,
        };
        if let Some(id) = used(&paid)
            && let Some(found) = whereabouts(&app.handle, id).await?
        {
            return Ok(answer::json(StatusCode::OK, &found));
        }
        let (status, pending) = outcome(paid)?;
        return Ok(answer::json(status, &pending));
    };
    if replacing.is_some() {
        return Err(ApiError::bad(
            "replaces works only with a single payment; send the payments one by one",
        ));
    }
    // Nothing is done yet, so a call that waits for a permit can still be told to come again.
    line::set(Doing::Looking);
    let permit = app.paying.take(LIST_TIME).await;
    line::set(Doing::Working);
    let _turn = permit.ok_or(ApiError::busy(
        "too many lists of payments are arriving at the same time; try again later",
    ))?;
    let paid = app.handle.pay(payments, listens(&headers)).await?;
    let confirmed = app.handle.confirmed(paid.iter().filter_map(used).collect()).await?;
    let outcomes = paid.into_iter().map(|paid| match used(&paid) {
        Some(id) if confirmed.contains(&id) => PaymentOutcome::Taken(Pending {
            id: id.into(),
            status: TransactionStatus::Confirmed,
            missing: None,
        }),
        _ => match outcome(paid) {
            Ok((_, pending)) => PaymentOutcome::Taken(pending),
            Err(fault) => PaymentOutcome::Refused { refused: fault.to_string() },
        },
    });
    Ok(answer::json(StatusCode::OK, &PaymentOutcomes { payments: outcomes.collect() }))
}

/// The elements of a list, which only nodes send, in canonical form; `None` if the body is
/// something else. A list that is too long is read no further: kept one by one, short elements take
/// thirty times the memory of their text.
fn elements(body: &[u8]) -> Result<Option<Vec<Vec<u8>>>, ApiError> {
    if body.trim_ascii_start().first() != Some(&b'[') {
        return Ok(None);
    }
    let mut payments = Vec::new();
    let mut reader = Reader::new(body);
    let mut more = reader.open_array()?;
    while more {
        let Cow::Borrowed(text) = reader.value()? else {
            return Err(ApiError::bad("the payments of a list must be canonical JSON"));
        };
        if payments.len() == MAX_PAYMENTS {
            return Err(ApiError::bad(format!("a list can have at most {MAX_PAYMENTS} payments")));
        }
        payments.push(text.as_bytes().to_vec());
        more = reader.next_element()?;
    }
    reader.end()?;
    Ok(Some(payments))
}

/// Takes in one payment, and returns what became of it.
pub(super) async fn pay(
    handle: &Handle,
    wire: Vec<u8>,
) -> Result<Result<(Hash, Entered), NotPaid>, ApiError> {
    let mut paid = handle.pay(vec![wire], None).await?;
    Ok(paid.pop().expect("one answer for one payment"))
}

/// The id of the payment that used the nonce: perhaps the same payment, whose sender did not get
/// the answer.
pub(super) fn used(paid: &Result<(Hash, Entered), NotPaid>) -> Option<Hash> {
    match paid {
        Err(NotPaid::Refused(Refused::NonceUsed { id, .. })) => Some(*id),
        _ => None,
    }
}

/// The status and the body for an outcome. A payment that is known already is as good as taken: its
/// sender may not have had the answer.
fn outcome(paid: Result<(Hash, Entered), NotPaid>) -> Result<(StatusCode, Pending), ApiError> {
    let (status, id, missing) = match paid {
        Ok((id, Entered::Waits)) => (StatusCode::CREATED, id, None),
        Ok((id, Entered::Held { missing })) => (StatusCode::CREATED, id, Some(missing)),
        Err(NotPaid::Refused(Refused::Known { id, missing })) => (StatusCode::OK, id, missing),
        Err(not_paid) => return Err(not_paid.into()),
    };
    let status_of = |missing: Option<u64>| match missing {
        None => TransactionStatus::Queued,
        Some(_) => TransactionStatus::Held,
    };
    Ok((status, Pending { id: id.into(), status: status_of(missing), missing }))
}

/// A transaction's place as the API has it.
pub(super) fn place(location: &Location) -> Place {
    let Location { block, position, confirmations } = *location;
    Place { block: block.index, hash: block.hash.into(), position, confirmations }
}

/// What a transaction waits for, as the API has it.
pub(super) fn waits(waits: &Waits) -> wire::Waits {
    let none = wire::Waits { place: None, block: None, why: None, nonce: None };
    match *waits {
        Waits::ForBlock(Some(Turn { place, block, why })) => {
            let (why, nonce) = match why {
                None => (None, None),
                Some(WhyLater::Fee) => (Some(wire::WhyLater::Fee), None),
                Some(WhyLater::Nonce(nonce)) => (Some(wire::WhyLater::Nonce), Some(nonce)),
                Some(WhyLater::Full) => (Some(wire::WhyLater::Full), None),
            };
            wire::Waits { place: Some(place), block: Some(block), why, nonce }
        }
        // Only signed payments can wait for so many blocks.
        Waits::ForBlock(None) => wire::Waits { why: Some(wire::WhyLater::Fee), ..none },
        Waits::ForNonce { is_short: true, .. } => {
            wire::Waits { why: Some(wire::WhyLater::Balance), ..none }
        }
        Waits::ForNonce { missing, is_short: false } => {
            wire::Waits { why: Some(wire::WhyLater::Nonce), nonce: Some(missing), ..none }
        }
    }
}

fn transaction_id(id: Result<Path<String>, PathRejection>) -> Result<Hash, ApiError> {
    let Path(id) = id.map_err(not_text)?;
    hash(&id, "a transaction's id")
}

fn unknown(id: &Hash) -> ApiError {
    ApiError::NotFound(format!(
        "this node does not know transaction {id}: it is not on the best chain, and it does not wait for a \
         block"
    ))
}

/// A transaction, on the best chain or among those that wait.
#[utoipa::path(
    get,
    path = "/api/v1/transactions/{id}",
    tag = "transactions",
    operation_id = "transaction",
    params(("id" = HexHash, Path, description = "Its id.")),
    responses((status = 200, description = "The transaction.", body = Transaction), Errors)
)]
pub(super) async fn transaction(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let id = transaction_id(id)?;
    let found = match app.handle.chain().rules.family {
        Family::Sealed(_) => whereabouts(&app.handle, id).await?,
        Family::Open(_) => {
            let _permit = permit(&app.searching_back).await?;
            let found = indexed(app.handle.unsigned_transaction(id).await?)?.0;
            found.map(|found| transaction_of(id, &found)).transpose()?
        }
    };
    Ok(answer::json(StatusCode::OK, &found.ok_or_else(|| unknown(&id))?))
}

/// Where a transaction is and what it says; `None` if it is nowhere, or the chain has no signed
/// payments.
async fn whereabouts(handle: &Handle, id: Hash) -> Result<Option<Transaction>, ApiError> {
    let found = handle.transaction(id).await?;
    found.map(|found| transaction_of(id, &found)).transpose()
}

/// Whether a transaction is in a block, as the API has it.
pub(super) fn status(state: TransactionState) -> TransactionStatus {
    match state {
        TransactionState::Queued => TransactionStatus::Queued,
        TransactionState::Held => TransactionStatus::Held,
        TransactionState::Confirmed => TransactionStatus::Confirmed,
    }
}

fn transaction_of(id: Hash, found: &Found) -> Result<Transaction, ApiError> {
    Ok(Transaction {
        id: id.into(),
        status: match found.waits {
            Some(Waits::ForBlock(_)) => TransactionStatus::Queued,
            Some(Waits::ForNonce { .. }) => TransactionStatus::Held,
            None => TransactionStatus::Confirmed,
        },
        places: found.locations.iter().map(place).collect(),
        waits: found.waits.as_ref().map(waits),
        transaction: raw(&found.text)?,
    })
}

/// The proof that a transaction is in a block, for clients that have the headers.
#[utoipa::path(
    get,
    path = "/api/v1/transactions/{id}/proof",
    tag = "transactions",
    operation_id = "transaction_proof",
    params(("id" = HexHash, Path, description = "The transaction's id.")),
    responses((status = 200, description = "The proof.", body = MerkleProof), Errors)
)]
pub(super) async fn proof(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    if let Family::Open(_) = app.handle.chain().rules.family {
        return Err(ApiError::unsigned("transactions have no proofs"));
    }
    let id = transaction_id(id)?;
    match app.handle.inclusion(id).await? {
        InclusionAnswer::Proof(Inclusion { location, leaves, path, text }) => {
            let Place { block, hash, position, confirmations } = place(&location);
            let path = path.into_iter().map(Into::into).collect();
            let (leaves, transaction) = (leaves as u64, raw(&text)?);
            let proof =
                MerkleProof { block, hash, position, confirmations, leaves, path, transaction };
            Ok(answer::json(StatusCode::OK, &proof))
        }
        InclusionAnswer::Waits => Err(ApiError::NotFound(format!(
            "payment {id} still waits for a block; ask for its proof when it is in one"
        ))),
        InclusionAnswer::Unknown => Err(unknown(&id)),
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Queued {
    /// Required: this call lists only transactions that wait.
    #[param(required = true, pattern = "^(true)?$")]
    queued: Option<String>,
    /// How many transactions to skip.
    from: Option<usize>,
    /// How many entries the page has at most: 1,000 by default, and no more than that.
    #[param(minimum = 1)]
    limit: Option<usize>,
}

/// The transactions that wait for a block, in the order in which they came.
#[utoipa::path(
    get,
    path = "/api/v1/transactions",
    tag = "transactions",
    operation_id = "pending_transactions",
    params(Queued),
    responses((status = 200, description = "The page.", body = PendingTransactions), Errors)
)]
pub(super) async fn queued(
    State(app): State<App>,
    Query(asked): Query<Queued>,
) -> Result<Response, ApiError> {
    if !matches!(asked.queued.as_deref(), Some("" | "true")) {
        return Err(ApiError::bad(
            "add ?queued to get the transactions that wait; all others are in /api/v1/blocks",
        ));
    }
    let (from, limit) = (asked.from.unwrap_or(0), limit(asked.limit, MAX_PAYMENTS, MAX_PAYMENTS)?);
    let permit = permit(&app.searching_back).await?;
    let PendingPage { transactions: waiting, all } = app.handle.pending(from, limit).await?;
    let end = from.saturating_add(waiting.len());
    let page = PendingTransactions {
        queued: all as u64,
        transactions: waiting.iter().map(|one| raw(&one.text)).collect::<Result<_, _>>()?,
        ids: waiting.iter().map(|one| one.id.into()).collect(),
        waits: waiting.iter().map(|one| waits(&one.waits)).collect(),
        next: (end < all && !waiting.is_empty()).then_some(end as u64),
    };
    Ok(made_at(permit, answer::json(StatusCode::OK, &page)))
}
