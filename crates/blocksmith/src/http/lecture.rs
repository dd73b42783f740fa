//! The course's calls, in its words.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use blocksmith_api::RawValue;
use blocksmith_consensus::json::{Kind, Value};
use blocksmith_consensus::{Block, Family, Proof, Transaction};
use blocksmith_node::mempool::Refused;
use blocksmith_node::{
    BadAddress, Entered, MAX_PEERS, PeerAddress, Refusal, Registered, Registration, Verdict,
};
use serde::Serialize;

use super::answer::{self, made_at, raw};
use super::api_error::ApiError;
use super::body::{Json, apart, start_of};
use super::browsers::would_be_named;
use super::for_whom::ForWhom;
use super::memory_budget::UNIT_BYTES;
use super::operator::Operator;
use super::query::Query;
use super::sent::{Sender, log_malformed, log_verdict, socket};
use super::words::Message;
use super::{App, Caller, chain as whole, payments, permit};
use crate::chain::Dialect;
use crate::mining;
use crate::searching::all_cores;
use crate::service::{NotPaid, StoreError};
use blocksmith_node::MAX_ID_BYTES;

/// How long `GET /mine` searches, with the time that it waits for its permit.
const SEARCH_TIME: Duration = Duration::from_secs(120);

/// How long a call waits for a permit to ask all peers, while other calls wait for the slowest
/// peers.
const RESOLVE_PERMIT_TIME: Duration = Duration::from_secs(35);

fn message(status: StatusCode, message: &str) -> Response {
    answer::json(status, &Message { message })
}

#[derive(Serialize)]
struct LastProof {
    last_proof: Box<RawValue>,
}

#[derive(Serialize)]
struct LastBlock {
    last_block: Box<RawValue>,
}

#[derive(Serialize)]
struct Forged {
    message: &'static str,
    index: u64,
    transactions: Vec<Box<RawValue>>,
    proof: Box<RawValue>,
    previous_hash: Box<RawValue>,
}

/// The answer to a call that registers nodes as peers.
#[derive(Serialize)]
pub(super) struct Added {
    pub(super) message: &'static str,
    pub(super) total_nodes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) this_node: Vec<String>,
}

pub(super) async fn chain(State(app): State<App>) -> Result<Response, ApiError> {
    let head = match app.handle.chain().dialect {
        Dialect::LectureOne => r#"{"currentChain": ["#,
        Dialect::Notes | Dialect::Course => r#"{"chain": ["#,
    };
    whole::document(&app, head, |length| format!(r#"], "length": {length}}}"#)).await
}

pub(super) async fn last_proof(State(app): State<App>) -> Result<Response, ApiError> {
    // Where work commits to the block's content, a miner can't search from the last proof.
    if let Family::Sealed(_) = app.handle.chain().rules.family {
        return Err(Refusal::NoDraft.into());
    }
    let standing = app.handle.standing();
    let last_proof = raw(standing.tip.block.view().proof_json())?;
    Ok(answer::json(StatusCode::OK, &LastProof { last_proof }))
}

pub(super) async fn last_block(State(app): State<App>) -> Result<Response, ApiError> {
    let answer = || -> Result<_, ApiError> {
        let last_block = raw(app.handle.standing().tip.block.text())?;
        Ok(answer::json(StatusCode::OK, &LastBlock { last_block }))
    };
    if app.handle.standing().tip.block.text().len() < UNIT_BYTES / 2 {
        return answer();
    }
    let permit = permit(&app.reading_one).await?;
    Ok(made_at(permit, answer()?))
}

/// Lecture I: the node searches. Where coins go to addresses, the query may name one; elsewhere the
/// node ignores the query, as the course's nodes do.
pub(super) async fn mine(
    State(app): State<App>,
    operator: Result<Operator, ApiError>,
    headers: HeaderMap,
    query: Result<Query<ForWhom>, ApiError>,
) -> Result<Response, ApiError> {
    let for_whom = match app.handle.chain().rules.family {
        Family::Sealed(_) => Some(query?.0),
        Family::Open(_) => None,
    };
    let recipient = for_whom.as_ref().and_then(ForWhom::recipient);
    // Any page can show an image whose address names a recipient, and browsers don't say which page
    // asks if the node's name isn't local and the call isn't encrypted. The page's browser may run
    // on this very machine, and call the node by a name such as 0.0.0.0. Images carry no token.
    if recipient.is_some() && (operator.is_err() || !would_be_named(&headers)) {
        Operator::by_token(&headers, &app).map_err(|fault| match fault {
            ApiError::WrongToken => fault,
            _ => ApiError::Recipient,
        })?;
    }
    let search = async {
        let _turn = app.searching.take(SEARCH_TIME).await;
        mining::next_block_now(&app.handle, recipient, all_cores()).await
    };
    match tokio::time::timeout(SEARCH_TIME, search).await {
        Ok(block) => Ok(forged(&block?)?),
        Err(_) => Err(ApiError::busy(format!(
            "no proof was found within {} s; ask again, or let a miner search: blocksmith mine",
            SEARCH_TIME.as_secs()
        ))),
    }
}

pub(super) async fn submit_proof(State(app): State<App>, body: Json) -> Result<Response, ApiError> {
    let request = body.object()?;
    let proof = request.get("proof").ok_or_else(|| ApiError::bad("Missing Value: proof"))?;
    let proof = Proof::from_value(proof).map_err(ApiError::bad)?;
    let recipient = match (request.get("id"), app.handle.chain().dialect) {
        (Some(id), _) => Some(recipient(id)?),
        (None, Dialect::Course) => return Err(ApiError::bad("Missing Value: id")),
        (None, Dialect::Notes | Dialect::LectureOne) => None,
    };
    match app.handle.submit_proof(proof, recipient).await? {
        Ok(block) => Ok(forged(&block)?),
        Err(Refusal::Malformed(malformed)) => Err(ApiError::bad(malformed)),
        Err(refusal @ Refusal::NoDraft) => Err(refusal.into()),
        Err(refusal) => {
            tracing::debug!("a proof is refused: {refusal}");
            Ok(message(StatusCode::OK, "Proof is invalid or already submitted."))
        }
    }
}

fn recipient(id: Value<'_>) -> Result<String, ApiError> {
    if !matches!(id.kind(), Kind::String | Kind::Int) {
        let found = start_of(id);
        return Err(ApiError::bad(format!(
            "the id must be a string or a whole number, not {found}"
        )));
    }
    match id.text().len() {
        found if found > MAX_ID_BYTES => Err(ApiError::bad(format!(
            "the id has {found} bytes as JSON; at most {MAX_ID_BYTES} are allowed"
        ))),
        _ => Ok(id.text().into()),
    }
}

fn forged(block: &Block) -> Result<Response, StoreError> {
    let view = block.view();
    let forged = Forged {
        message: "New Block Forged",
        index: view.index,
        transactions: view
            .transactions()
            .map(|value| raw(value.text()))
            .collect::<Result<_, _>>()?,
        proof: raw(view.proof_json())?,
        previous_hash: raw(view.previous_hash.text())?,
    };
    Ok(answer::json(StatusCode::OK, &forged))
}

pub(super) async fn new_transaction(
    State(app): State<App>,
    body: Json,
) -> Result<Response, ApiError> {
    use blocksmith_consensus::transaction::Unqueueable;
    if let Family::Sealed(_) = app.handle.chain().rules.family {
        return new_payment(&app, body.text()).await;
    }
    let transaction = Transaction::from_request(body.object()?).map_err(|error| match error {
        Unqueueable::Missing { .. } => ApiError::bad("Missing values"),
        error => ApiError::bad(error),
    })?;
    let index = app.handle.queue(transaction).await?;
    let index = index.ok_or(ApiError::busy("the queue is full; try again after the next block"))?;
    Ok(message(StatusCode::CREATED, &format!("Transaction will be added to Block {index}")))
}

/// Takes a signed payment; the answer names the next block, as it does for other payments.
async fn new_payment(app: &App, text: &str) -> Result<Response, ApiError> {
    let paid = payments::pay(&app.handle, text.into()).await?;
    if let Some(id) = payments::used(&paid)
        && let Some((index, _)) = app.handle.snapshot()?.places(&id)?.first()
    {
        return Ok(message(StatusCode::OK, &format!("Transaction is in Block {index}")));
    }
    let missing = match paid {
        Ok((_, Entered::Held { missing })) => Some(missing),
        Ok((_, Entered::Waits)) => None,
        Err(NotPaid::Refused(Refused::Known { missing, .. })) => missing,
        Err(not_paid) => return Err(not_paid.into()),
    };
    let said = match missing {
        Some(missing) => format!("Transaction waits for the payment with nonce {missing}"),
        None => {
            let index = app.handle.standing().tip.block.index() + 1;
            format!("Transaction will be added to Block {index}")
        }
    };
    Ok(message(StatusCode::CREATED, &said))
}

pub(super) async fn register(State(app): State<App>, body: Json) -> Result<Response, ApiError> {
    let wanted = nodes(body.object()?, str::parse)?;
    let registration = app.handle.register(wanted.clone()).await?;
    Ok(answer::json(StatusCode::CREATED, &added(&wanted, &registration)?))
}

/// The addresses of a list of nodes.
pub(super) fn nodes(
    request: Value<'_>,
    read: fn(&str) -> Result<PeerAddress, BadAddress>,
) -> Result<Vec<PeerAddress>, ApiError> {
    let nodes = request.get("nodes").filter(|nodes| nodes.kind() == Kind::Array);
    let mut wanted = Vec::new();
    for node in nodes.into_iter().flat_map(Value::elements) {
        if wanted.len() == MAX_PEERS {
            let reason =
                format!("too many nodes in one call; a node keeps at most {MAX_PEERS} peers");
            return Err(ApiError::Bad(reason));
        }
        let text = node.as_str().ok_or_else(|| {
            let found = start_of(node);
            ApiError::bad(format!(
                "a node must be a string with a host and a port, as in \"localhost:5001\", not {found}"
            ))
        })?;
        wanted.push(read(&text).map_err(ApiError::bad)?);
    }
    if wanted.is_empty() {
        return Err(ApiError::bad("Error: Please supply a valid list of nodes"));
    }
    Ok(wanted)
}

/// What became of the nodes, in the words of the course's nodes; and if some were left out, which
/// ones and why.
pub(super) fn added(
    wanted: &[PeerAddress],
    registration: &Registration,
) -> Result<Added, ApiError> {
    let Registration { each, peers } = registration;
    let of = |what: Registered| {
        let all = wanted.iter().zip(each);
        all.filter(move |(_, registered)| **registered == what).map(|(address, _)| address)
    };
    if let Some(left_out) = of(Registered::NoRoom).next() {
        let reason = format!(
            "there is no room for {left_out}: a node keeps at most {MAX_PEERS} peers; its operator \
             can remove one with blocksmith peers forget"
        );
        return Err(ApiError::Conflict(reason));
    }
    let itself: Vec<_> = of(Registered::Itself).map(PeerAddress::as_str).collect();
    if itself.len() == wanted.len() {
        let reason = format!("{} is this node itself, and a node is not its own peer", itself[0]);
        return Err(ApiError::bad(reason));
    }
    Ok(Added {
        message: "New nodes have been added",
        total_nodes: peers.iter().map(|peer| peer.as_str().to_string()).collect(),
        this_node: itself.into_iter().map(String::from).collect(),
    })
}

/// The answer comes first, and peers are asked afterwards: the sender may be a node that can't
/// answer while it waits for us.
pub(super) async fn new_block(
    State(app): State<App>,
    caller: Caller,
    body: Json,
) -> Result<Response, ApiError> {
    let block = body.object()?.get("block").ok_or_else(|| ApiError::bad("Missing value: block"))?;
    let text = block.text().to_string();
    let shape = app.handle.chain().rules.shape();
    let block = apart(text.len(), move || Block::read(shape, &text)).await.map_err(|error| {
        log_malformed(&app.handle, &caller, &error);
        ApiError::bad(error)
    })?;
    let verdict = app.handle.submit_block_of(block.clone(), None, socket(&caller)).await?;
    let sender = Sender { caller: &caller, listens: None, body: body.sent() };
    log_verdict(&app, sender, &block, &verdict).await;
    Ok(answer::text(match verdict {
        Verdict::NewTip => "Block Accepted",
        _ => "Block Rejected",
    }))
}

pub(super) async fn resolve(State(app): State<App>) -> Result<Response, ApiError> {
    let permit = app.resolving.take(RESOLVE_PERMIT_TIME).await;
    let permit = permit
        .ok_or(ApiError::busy("too many calls wait for the peers' chains; try again later"))?;
    let replaced = app.handle.resolve().await?;
    drop(permit);
    let head = if replaced {
        r#"{"message": "Our chain was replaced", "new_chain": ["#
    } else {
        r#"{"message": "Our chain is authoritative", "chain": ["#
    };
    whole::document(&app, head, |_| "]}".into()).await
}
