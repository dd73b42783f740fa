//! `/api/v1`: for whoever knows that this node isn't Python.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use blocksmith_consensus::sealed;
use blocksmith_consensus::{
    Ancestry as _, Block, BlockView, Hash, Issuance, Linked, Proof, Rules, Spending, Target,
};
use blocksmith_node::{Address, Health, Machine, PeerReport, Refusal, Registered, Verdict};
use serde::Deserialize;

use super::answer::{self, Object, array, made_at, quoted};
use super::body::{Json, apart};
use super::fault::Fault;
use super::line::while_waiting_for_news;
use super::operator::Operator;
use super::query::{Query, limit};
use super::sent::{Sender, log_malformed, log_verdict, socket};
use super::{App, Caller, lecture, turn};
use crate::service::{NoWork, Notice, StoreError, now};

/// The most blocks or headers of a page.
const MAX_PAGE_BLOCKS: usize = 10_000;

/// A page of blocks ends with the block that brings it to this many bytes.
const PAGE_BYTES: usize = 4 << 20;

/// A page of headers ends when this many bytes of blocks were read for it.
const MAX_HEADER_SCAN_BYTES: usize = 64 << 20;

/// How long a miner that asks for other work than it has waits for it at most.
const NEWS_TIME: Duration = Duration::from_secs(10);

/// The header in which a peer that sends a block says where it listens itself. No more than a
/// hint, that whoever sends a block need not be told of it.
pub const LISTEN_HEADER: &str = "blocksmith-listen";

pub(super) async fn health(State(app): State<App>) -> Result<Response, Fault> {
    match app.handle.watch().has_changed() {
        Ok(_) => Ok(answer::text("ok")),
        Err(_) => Err(app.handle.stopped_why().into()),
    }
}

pub(super) async fn status(State(app): State<App>) -> Response {
    let handle = &app.handle;
    let (rules, standing) = (&handle.chain().rules, handle.standing());
    let tip = &standing.tip;
    let target = rules.target_after(&tip.pace);
    let (offset_s, early) = (handle.clocks().offset_s(), handle.early_tip());
    Object::new()
        .text("name", &rules.name)
        .json("rules", rules_object(rules))
        .json("chain_id", quoted(&rules.chain_id().to_string()))
        .json("index", tip.block.index())
        .json("tip", quoted(&tip.block.hash().to_string()))
        .json("work", quoted(&Hash(tip.work.to_be_bytes()).to_string()))
        .json("target", quoted(&target.to_string()))
        .json("zeros", zeros(target))
        .json("queued", standing.queued)
        .json("peers", standing.peers.len())
        .text("version", env!("CARGO_PKG_VERSION"))
        .json("uptime_s", handle.uptime().as_secs())
        .json("time", now())
        .json("clock_offset_s", offset_s.map_or("null".into(), |offset_s| offset_s.to_string()))
        .json("early_until", early.map_or("null".into(), |early| early.until_s.to_string()))
        .json("dev", handle.is_dev())
        .text("node", handle.node_id())
        .text("instance", handle.instance())
        .answer(StatusCode::OK)
}

/// What the chain's id covers, so that whoever has another one can say what differs; and the coin,
/// where a node pays one that no rule is about.
fn rules_object(rules: &Rules) -> String {
    let decisive = rules.json();
    match &rules.spending {
        Spending::Unsigned(Issuance { sender, amount }) => {
            let coin = Object::new().json("sender", sender).json("amount", amount).end();
            let members = decisive.strip_suffix('}').unwrap_or_default();
            format!(r#"{members}, "coin": {coin}}}"#)
        }
        Spending::Signed { .. } => decisive,
    }
}

/// How many leading zero hex digits a target asks for, as a fraction between two whole numbers.
fn zeros(target: Target) -> String {
    if let Some(zeros) = target.zeros() {
        return zeros.to_string();
    }
    // No whole number of zeros, so the target is below the largest number.
    let next = target.0 + 1;
    let shift = 192_u32.saturating_sub(next.leading_zeros());
    let bits = f64::from(shift) + ((next >> shift).as_u64() as f64).log2();
    let zeros = (256.0 - bits) / 4.0;
    ((zeros * 1e6).round() / 1e6).to_string()
}

#[derive(Deserialize)]
pub(super) struct ForWhom {
    recipient: Option<String>,
    /// Work that is known: the answer waits until there is other.
    than: Option<String>,
}

impl ForWhom {
    pub(super) fn recipient(&self) -> Option<&str> {
        self.recipient.as_deref().filter(|recipient| !recipient.is_empty())
    }
}

/// What to search. Its id says all that the node has to know when the proof comes back.
pub(super) async fn work(
    State(app): State<App>,
    Query(for_whom): Query<ForWhom>,
) -> Result<Response, Fault> {
    let recipient = for_whom.recipient();
    let work = match &for_whom.than {
        Some(than) => {
            let other = app.handle.other_work(recipient, than, NEWS_TIME);
            match while_waiting_for_news(other).await {
                Some(work) => work?,
                None => app.handle.work(recipient).await?,
            }
        }
        None => app.handle.work(recipient).await?,
    }?;
    Ok(Object::new()
        .text("id", &work.id)
        .json("index", work.index)
        .text("prefix", &String::from_utf8_lossy(&work.job.prefix))
        .text("suffix", &String::from_utf8_lossy(&work.job.suffix))
        .json("target", quoted(&work.job.target.to_string()))
        .json("previous_hash", quoted(&work.on.to_string()))
        .answer(StatusCode::OK))
}

pub(super) async fn submit_work(State(app): State<App>, body: Json) -> Result<Response, Fault> {
    let request = body.object_of(&["id", "proof"])?;
    let id = request.get("id").ok_or_else(|| Fault::unprocessable("there is no \"id\""))?;
    let id = id.as_str().ok_or(NoWork::Id)?;
    let proof =
        request.get("proof").ok_or_else(|| Fault::unprocessable("there is no \"proof\""))?;
    let proof = Proof::from_value(proof).map_err(Fault::unprocessable)?;
    match app.handle.submit_work(&id, proof).await? {
        Ok(block) => Ok(entry(block.index(), &block.hash(), block.text()).answer(StatusCode::OK)),
        Err(no_work) => {
            if let NoWork::Refused(Refusal::Malformed(_) | Refusal::Invalid(_)) = &no_work {
                let what = format_args!("a valid proof makes no block: {no_work}");
                app.handle.tell(Notice::NoBlock, what);
            }
            Err(no_work.into())
        }
    }
}

/// A block with what takes time to find out about it.
fn entry(index: u64, hash: &Hash, text: &str) -> Object {
    Object::new().json("index", index).json("hash", quoted(&hash.to_string())).json("block", text)
}

#[derive(Deserialize)]
pub(super) struct Page {
    from: Option<u64>,
    limit: Option<usize>,
}

pub(super) async fn blocks(
    State(app): State<App>,
    Query(asked): Query<Page>,
) -> Result<Response, Fault> {
    page(app, asked, "blocks", PAGE_BYTES, |view| entry(view.index, &view.hash(), view.text).end())
        .await
}

pub(super) async fn headers(
    State(app): State<App>,
    Query(asked): Query<Page>,
) -> Result<Response, Fault> {
    page(app, asked, "headers", MAX_HEADER_SCAN_BYTES, |view| {
        let object = Object::new()
            .json("index", view.index)
            .json("hash", quoted(&view.hash().to_string()))
            .json("previous_hash", view.previous_hash.text());
        match sealed::header_text(view) {
            Some(header) => object.json("header", header).end(),
            None => object.end(),
        }
    })
    .await
}

/// Blocks from an index on, each as `put` writes it, until `limit` or `max_bytes` of them are
/// read; `next` is where the next page starts.
async fn page(
    app: App,
    asked: Page,
    name: &'static str,
    max_bytes: usize,
    put: fn(BlockView<'_>) -> String,
) -> Result<Response, Fault> {
    let rules = &app.handle.chain().rules;
    let (first, shape) = (rules.genesis.index(), rules.puzzle.shape());
    let from = asked.from.unwrap_or(first).max(first);
    let limit = limit(asked.limit, MAX_PAGE_BLOCKS, MAX_PAGE_BLOCKS)?;
    let handle = app.handle.clone();
    let turn = turn(&app.paging).await?;
    let (page, turn) = turn
        .aside(move || -> Result<Object, StoreError> {
            let snapshot = handle.snapshot()?;
            let tip = snapshot.tip()?.block.index();
            let (mut next, mut bytes) = (from, 0);
            let mut entries = Vec::new();
            if from <= tip {
                for text in snapshot.texts(from)?.take(limit) {
                    let text = text?;
                    let view = BlockView::read(shape, &text)
                        .map_err(|error| StoreError::Damaged(format!("block {next}: {error}")))?;
                    entries.push(put(view));
                    next += 1;
                    bytes += text.len();
                    if bytes >= max_bytes {
                        break;
                    }
                }
            }
            let next = if next <= tip { next.to_string() } else { "null".into() };
            Ok(Object::new().json(name, array(entries)).json("next", next))
        })
        .await;
    Ok(made_at(turn, page?.answer(StatusCode::OK)))
}

pub(super) async fn block(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, Fault> {
    let Path(id) = id.map_err(|error| Fault::bad(error.body_text()))?;
    let (hash, index) = (id.parse::<Hash>().ok(), id.parse::<u64>().ok());
    if hash.is_none() && index.is_none() {
        return Err(Fault::bad("a block is named by its index or its hash of 64 hex digits"));
    }
    let turn = turn(&app.reading_one).await?;
    let read = move || -> Result<_, StoreError> {
        let snapshot = app.handle.snapshot()?;
        let index = match hash {
            Some(hash) => snapshot.index_of(&hash)?,
            None => index,
        };
        let linked = index.map_or(Ok(None), |index| snapshot.at(index))?;
        Ok(linked.map(|Linked { block, .. }| entry(block.index(), &block.hash(), block.text())))
    };
    let (found, turn) = turn.aside(read).await;
    let entry = found?.ok_or_else(|| {
        Fault::NotFound(format!("there is no block {id} on this node's best chain"))
    })?;
    Ok(made_at(turn, entry.answer(StatusCode::OK)))
}

/// Where the peer that sends this listens, if it says so.
pub(super) fn listens(headers: &HeaderMap) -> Option<Address> {
    let from = headers.get(LISTEN_HEADER).and_then(|address| address.to_str().ok());
    from.and_then(|address| address.parse().ok())
}

pub(super) async fn submit_block(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, Fault> {
    let text = body.text().to_string();
    let shape = app.handle.chain().rules.puzzle.shape();
    let block = apart(text.len(), move || Block::read(shape, &text)).await.map_err(|error| {
        log_malformed(&app.handle, &caller, &error);
        Fault::unprocessable(error)
    })?;
    let from = listens(&headers);
    let hash = block.hash();
    let verdict = app.handle.submit_block_of(block.clone(), from, socket(&caller)).await?;
    let sender = Sender { caller: &caller, listens: listens(&headers), body: body.sent() };
    log_verdict(&app, sender, &block, &verdict).await;
    let verdict = match verdict {
        Verdict::NewTip => "accepted",
        Verdict::SideBranch => "side_branch",
        Verdict::Known => "known",
        Verdict::NoRoom => "no_room",
        Verdict::Orphan => "orphan",
        Verdict::Early | Verdict::OnEarly(_) => "early",
        Verdict::Invalid(invalid) => return Err(invalid.into()),
    };
    Ok(Object::new()
        .text("verdict", verdict)
        .json("hash", quoted(&hash.to_string()))
        .answer(StatusCode::OK))
}

/// Forgets a peer. It may register again.
pub(super) async fn forget_peer(
    _: Operator,
    State(app): State<App>,
    address: Result<Path<String>, PathRejection>,
) -> Result<Response, Fault> {
    let Path(address) = address.map_err(|error| Fault::bad(error.body_text()))?;
    let address = Address::listed(&address).map_err(Fault::bad)?;
    match app.handle.forget(address.clone()).await? {
        Some(forgotten) => {
            Ok(Object::new().text("forgotten", forgotten.as_str()).answer(StatusCode::OK))
        }
        None => Err(Fault::NotFound(format!(
            "{address} is no peer of this node; GET /api/v1/peers names those that are"
        ))),
    }
}

/// Registers peers. Those that whoever runs the node names stay, whoever else registers.
pub(super) async fn add_peers(
    operator: Result<Operator, Fault>,
    State(app): State<App>,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, Fault> {
    let wanted = lecture::nodes(body.object_of(&["nodes"])?, Address::typed)?;
    let registration = match operator {
        Ok(Operator) => app.handle.choose(wanted.clone(), true).await?,
        // Who sends a token expects it to count.
        Err(fault) if headers.contains_key(AUTHORIZATION) => return Err(fault),
        Err(_) => app.handle.register(wanted.clone()).await?,
    };
    let is_new = |(address, registered): (&Address, &Registered)| {
        (*registered == Registered::New).then(|| quoted(address.as_str()))
    };
    let new = wanted.iter().zip(&registration.each).filter_map(is_new);
    let answer = lecture::added(&wanted, &registration)?.json("new", array(new));
    Ok(answer.answer(StatusCode::CREATED))
}

pub(super) async fn peers(State(app): State<App>) -> Result<Response, Fault> {
    let reports = app.handle.look(Machine::peer_reports).await?;
    let now = now();
    let seconds = |micros: u64| (micros as f64 / 1e6).to_string();
    let peer = |PeerReport { address, chosen, health, since, asked_again }: PeerReport| {
        let (state, failures, why) = match &health {
            Health::New => ("new", 0, None),
            Health::Answers => ("answers", 0, None),
            Health::Fails { times, why } => ("fails", *times, Some(quoted(why))),
        };
        let wait = asked_again.map(|at| seconds(at.micros.saturating_sub(now.micros)));
        Object::new()
            .text("address", address.as_str())
            .json("chosen", chosen)
            .text("state", state)
            .json("for_s", seconds(now.micros.saturating_sub(since.micros)))
            .json("failures", failures)
            .json("reason", why.unwrap_or("null".into()))
            .json("asked_in_s", wait.unwrap_or("null".into()))
            .end()
    };
    Ok(Object::new().json("peers", array(reports.into_iter().map(peer))).answer(StatusCode::OK))
}
