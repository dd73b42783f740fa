//! `/api/v1`: calls of clients that know that this node isn't a Python node.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use blocksmith_api::limits::{MAX_PAGE_BLOCKS, NEWS_TIME, PAGE_BYTES};
use blocksmith_api::{
    self as wire, AddPeers, BlockEntry, BlockVerdict, Blocks, ForgottenPeer, FoundBlock,
    HeaderEntry, Headers, HexHash, Number, Peer, PeerState, Peers, PeersAdded, Solution, Status,
};
use blocksmith_consensus::{
    Ancestry as _, Block, BlockView, ChainBlock, Family, Hash, Issuance, Open, Proof, Rules, Target,
};
use blocksmith_node::{Health, NoWork, PeerAddress, PeerReport, Refusal, Registered, Verdict};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{self, made_at, raw};
use super::api_error::ApiError;
use super::body::{Json, apart};
use super::errors::Errors;
use super::for_whom::ForWhom;
use super::limits::MAX_QUOTE;
use super::line::while_waiting_for_news;
use super::operator::Operator;
use super::permits::Permit;
use super::pieces;
use super::query::{Query, limit, not_text};
use super::sent::{Sender, listens, log_malformed, log_verdict, socket};
use super::table::{self, Format};
use super::{App, Caller, events, lecture, permit};
use crate::service::{Notice, StoreError, now};

/// A page of headers ends when this many bytes of blocks were read for it.
const MAX_HEADER_SCAN_BYTES: usize = 64 << 20;

/// The state of the node and its chain.
#[utoipa::path(
    get,
    path = "/api/v1/status",
    tag = "chain",
    operation_id = "status",
    responses((status = 200, description = "Their state.", body = Status), Errors)
)]
pub(super) async fn status(State(app): State<App>) -> Result<Response, ApiError> {
    let handle = &app.handle;
    let (rules, standing) = (&handle.chain().rules, handle.standing());
    let tip = &standing.tip;
    let target = rules.target_after(&tip.difficulty_state);
    let addresses = match &rules.family {
        Family::Sealed(sealed) => Some(sealed.hrp.to_string()),
        Family::Open(_) => None,
    };
    let status = Status {
        name: rules.name.clone(),
        rules: raw(&rules_text(rules))?,
        chain_id: rules.chain_id().into(),
        index: tip.block.index(),
        tip: tip.block.hash().into(),
        work: Hash(tip.work.to_be_bytes()).into(),
        target: hex(target),
        zeros: zeros(target),
        queued: standing.queued as u64,
        peers: standing.peers.len() as u64,
        version: env!("CARGO_PKG_VERSION").into(),
        uptime_s: handle.uptime().as_secs(),
        time: Number(now().micros as f64 / 1e6),
        clock_offset_s: handle.clocks().offset_s().map(Number),
        early_until: handle.early_tip().map(|early| early.until_s),
        dev: handle.is_dev(),
        node: handle.node_id().into(),
        instance: handle.instance().into(),
        signed: addresses.is_some(),
        addresses,
        events: events::id(handle, standing.event),
    };
    Ok(answer::json(StatusCode::OK, &status))
}

fn hex(target: Target) -> HexHash {
    Hash(target.0.to_be_bytes()).into()
}

/// What the chain's id covers, so that the operator of a node with another id can say what differs;
/// and the coin, where a node pays one that no rule is about.
fn rules_text(rules: &Rules) -> String {
    let decisive = rules.json();
    match &rules.family {
        Family::Open(Open { issuance: Issuance { sender, amount }, .. }) => {
            let members = decisive.strip_suffix('}').unwrap_or_default();
            format!(r#"{members}, "coin": {{"sender": {sender}, "amount": {amount}}}}}"#)
        }
        Family::Sealed(_) => decisive,
    }
}

/// How many leading zero hex digits a target asks for, as a fraction between two whole numbers.
fn zeros(target: Target) -> Number {
    if let Some(zeros) = target.zeros() {
        return Number(zeros.into());
    }
    // The number of zeros isn't whole, so the target is below the largest number.
    let next = target.0 + 1;
    let shift = 192_u32.saturating_sub(next.leading_zeros());
    let bits = f64::from(shift) + ((next >> shift).as_u64() as f64).log2();
    let zeros = (256.0 - bits) / 4.0;
    Number((zeros * 1e6).round() / 1e6)
}

/// The work: what to search for the next block.
///
/// The answer is a 503 with the rule `early` and `Retry-After` while the tip's time is too far ahead of the
/// node's clock.
#[utoipa::path(
    get,
    path = "/api/v1/work",
    tag = "chain",
    operation_id = "work",
    params(ForWhom),
    responses((status = 200, description = "The work.", body = wire::Work), Errors)
)]
pub(super) async fn work(
    State(app): State<App>,
    Query(for_whom): Query<ForWhom>,
) -> Result<Response, ApiError> {
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
    let answer = wire::Work {
        id: work.id,
        index: work.index,
        prefix: String::from_utf8_lossy(&work.job.prefix).into(),
        suffix: String::from_utf8_lossy(&work.job.suffix).into(),
        target: hex(work.job.target),
        previous_hash: work.previous_hash.into(),
    };
    Ok(answer::json(StatusCode::OK, &answer))
}

/// Sends a proof for work.
///
/// A 409 has the rule `stale`, `proof` or `early`.
#[utoipa::path(
    post,
    path = "/api/v1/work",
    tag = "chain",
    operation_id = "submit_work",
    request_body(content = Solution),
    responses((status = 200, description = "The block that the proof makes.", body = BlockEntry), Errors)
)]
pub(super) async fn submit_work(State(app): State<App>, body: Json) -> Result<Response, ApiError> {
    let request = body.object_of(&["id", "proof"])?;
    let missing = |field: &str| {
        ApiError::unprocessable(format!(
            "the body has no \"{field}\"; it needs \"id\" and \"proof\""
        ))
    };
    let id = request.get("id").ok_or_else(|| missing("id"))?;
    let id = id.as_str().ok_or(NoWork::Id)?;
    let proof = request.get("proof").ok_or_else(|| missing("proof"))?;
    let proof = Proof::from_value(proof).map_err(ApiError::unprocessable)?;
    match app.handle.submit_work(&id, proof).await? {
        Ok(block) => Ok(answer::json(StatusCode::OK, &entry(&block)?)),
        Err(no_work) => {
            if let NoWork::Refused(Refusal::Malformed(_) | Refusal::Invalid(_)) = &no_work {
                let what = format_args!("a valid proof did not make a block: {no_work}");
                app.handle.tell(Notice::NoBlock, what);
            }
            Err(no_work.into())
        }
    }
}

fn entry(block: &Block) -> Result<BlockEntry, StoreError> {
    Ok(BlockEntry { index: block.index(), hash: block.hash().into(), block: raw(block.text())? })
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The index of the first block on the page; by default, the first block of the chain.
    from: Option<u64>,
    /// How many entries the page has at most: 10,000 by default, and no more than that. A page can be
    /// shorter.
    #[param(minimum = 1)]
    limit: Option<usize>,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct BlockPage {
    /// The index of the first block; by default, the first block of the chain.
    from: Option<u64>,
    /// How many entries there are at most: in a page 10,000 by default, and no more than that. A page can be
    /// shorter. A table has all by default.
    #[param(minimum = 1)]
    limit: Option<usize>,
    /// `json` for a page, `csv` or `ndjson` for a table of all; by default, what the header `Accept` says.
    #[param(pattern = "^(json|csv|ndjson)$")]
    format: Option<String>,
}

/// A page of blocks, or a table of all.
///
/// A table is of one chain, as it was when it was asked for, and is sent while it is read. `text/csv` has for each
/// block `index`, `hash`, `previous_hash`, `timestamp`, `proof`, `transactions` (how many) and `miner`;
/// `application/x-ndjson` has each as it stands in a page.
#[utoipa::path(
    get,
    path = "/api/v1/blocks",
    tag = "chain",
    operation_id = "blocks",
    params(BlockPage),
    responses(
        (status = 200, description = "The page, or the table.", content(
            (Blocks = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        )),
        Errors
    )
)]
pub(super) async fn blocks(
    State(app): State<App>,
    headers: HeaderMap,
    Query(BlockPage { from, limit: asked_limit, format }): Query<BlockPage>,
) -> Result<Response, ApiError> {
    let format = Format::of(format.as_deref(), &headers)?;
    if format != Format::Json {
        let rules = &app.handle.chain().rules;
        let table = table::Blocks {
            format,
            snapshot: app.handle.snapshot()?,
            shape: rules.shape(),
            mint: rules.mint().into(),
            next: from.unwrap_or(0).max(rules.genesis_index()),
            left: limit(asked_limit, usize::MAX, usize::MAX)?,
            are_first: true,
        };
        let sent = pieces::send(&app, &app.sending, table, format.media_type()).await?;
        return Ok(table::varied(sent));
    }
    let asked = Page { from, limit: asked_limit };
    let entry = |view: BlockView<'_>| {
        let (index, hash) = (view.index, view.hash().into());
        Ok(BlockEntry { index, hash, block: raw(view.text)? })
    };
    let ((blocks, next), permit) = page(app, asked, PAGE_BYTES, entry).await?;
    let page = answer::json(StatusCode::OK, &Blocks { blocks, next });
    Ok(table::varied(made_at(permit, page)))
}

/// A page of headers.
#[utoipa::path(
    get,
    path = "/api/v1/headers",
    tag = "chain",
    operation_id = "headers",
    params(Page),
    responses((status = 200, description = "The page.", body = Headers), Errors)
)]
pub(super) async fn headers(
    State(app): State<App>,
    Query(asked): Query<Page>,
) -> Result<Response, ApiError> {
    let entry = |view: BlockView<'_>| {
        Ok(HeaderEntry {
            index: view.index,
            hash: view.hash().into(),
            previous_hash: raw(view.previous_hash.text())?,
            header: view.header_text().map(|header| raw(&header)).transpose()?,
        })
    };
    let ((headers, next), permit) = page(app, asked, MAX_HEADER_SCAN_BYTES, entry).await?;
    Ok(made_at(permit, answer::json(StatusCode::OK, &Headers { headers, next })))
}

/// Returns blocks from an index on, each as `entry` writes it, until `limit` blocks or `max_bytes`
/// of them are read; and where the next page starts.
async fn page<T: Send + 'static>(
    app: App,
    asked: Page,
    max_bytes: usize,
    entry: fn(BlockView<'_>) -> Result<T, StoreError>,
) -> Result<((Vec<T>, Option<u64>), Permit), ApiError> {
    let rules = &app.handle.chain().rules;
    let (first, shape) = (rules.genesis_index(), rules.shape());
    let from = asked.from.unwrap_or(first).max(first);
    let limit = limit(asked.limit, MAX_PAGE_BLOCKS, MAX_PAGE_BLOCKS)?;
    let handle = app.handle.clone();
    let permit = permit(&app.paging).await?;
    let read = move || -> Result<_, StoreError> {
        let snapshot = handle.snapshot()?;
        let tip = snapshot.tip()?.block.index();
        let (mut next, mut bytes) = (from, 0);
        let mut entries = Vec::new();
        if from <= tip {
            for text in snapshot.texts(from)?.take(limit) {
                let text = text?;
                let view = BlockView::read(shape, &text)
                    .map_err(|error| StoreError::Damaged(format!("block {next}: {error}")))?;
                entries.push(entry(view)?);
                next += 1;
                bytes += text.len();
                if bytes >= max_bytes {
                    break;
                }
            }
        }
        Ok((entries, (next <= tip).then_some(next)))
    };
    let (page, permit) = permit.run_blocking(read).await;
    Ok((page?, permit))
}

/// A block of the best chain, or, by its hash, one of a branch beside it.
#[utoipa::path(
    get,
    path = "/api/v1/blocks/{id}",
    tag = "chain",
    operation_id = "block",
    params(("id" = String, Path, description = "Its index or its hash.")),
    responses((status = 200, description = "The block.", body = FoundBlock), Errors)
)]
pub(super) async fn block(
    State(app): State<App>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path(id) = id.map_err(not_text)?;
    let (hash, index) = (id.parse::<Hash>().ok(), id.parse::<u64>().ok());
    if hash.is_none() && index.is_none() {
        let id: String = id.chars().take(MAX_QUOTE).collect();
        return Err(ApiError::bad(format!(
            "a block must be named by its index, or by its hash of 64 lower-case hex digits, not by {id:?}"
        )));
    }
    let permit = permit(&app.reading_one).await?;
    let tip = app.handle.standing().tip.block.index();
    let shape = app.handle.chain().rules.shape();
    let read = move || -> Result<_, StoreError> {
        let snapshot = app.handle.snapshot()?;
        let index = match hash {
            Some(hash) => snapshot.index_of(&hash)?,
            None => index,
        };
        let linked = index.map_or(Ok(None), |index| snapshot.at(index))?;
        if let Some(ChainBlock { block, .. }) = linked {
            let BlockEntry { index, hash, block } = entry(&block)?;
            return Ok(Some(FoundBlock { index, hash, best: true, block }));
        }
        let Some(hash) = hash else { return Ok(None) };
        let Some(text) = snapshot.side_text(&hash)? else { return Ok(None) };
        let view = BlockView::read(shape, &text)
            .map_err(|error| StoreError::Damaged(format!("block {hash}: {error}")))?;
        let (index, block) = (view.index, raw(view.text)?);
        Ok(Some(FoundBlock { index, hash: hash.into(), best: false, block }))
    };
    let (found, permit) = permit.run_blocking(read).await;
    let found = found?.ok_or_else(|| {
        let beside = if hash.is_some() { ", or on a branch beside it" } else { "" };
        ApiError::NotFound(format!(
            "there is no block {id} on this node's best chain, which ends with block {tip}{beside}"
        ))
    })?;
    Ok(made_at(permit, answer::json(StatusCode::OK, &found)))
}

/// Sends a block.
///
/// A 422 names the `rule` that it breaks.
#[utoipa::path(
    post,
    path = "/api/v1/blocks",
    tag = "chain",
    operation_id = "submit_block",
    params(("blocksmith-listen" = Option<String>, Header, description = "The address at which the sender listens, if it is a node: then this node does not send the block back.")),
    request_body(content = Object, description = "The block."),
    responses((status = 200, description = "What the node did with it.", body = BlockVerdict), Errors)
)]
pub(super) async fn submit_block(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, ApiError> {
    let text = body.text().to_string();
    let shape = app.handle.chain().rules.shape();
    let block = apart(text.len(), move || Block::read(shape, &text)).await.map_err(|error| {
        log_malformed(&app.handle, &caller, &error);
        ApiError::unprocessable(error)
    })?;
    let from = listens(&headers);
    let hash = block.hash();
    let verdict = app.handle.submit_block_of(block.clone(), from, socket(&caller)).await?;
    let sender = Sender { caller: &caller, listens: listens(&headers), body: body.sent() };
    log_verdict(&app, sender, &block, &verdict).await;
    let verdict = match verdict {
        Verdict::NewTip => wire::Verdict::Accepted,
        Verdict::SideBranch => wire::Verdict::SideBranch,
        Verdict::Known => wire::Verdict::Known,
        Verdict::NoRoom => wire::Verdict::NoRoom,
        Verdict::Orphan => wire::Verdict::Orphan,
        Verdict::Early | Verdict::OnEarly(_) => wire::Verdict::Early,
        Verdict::Invalid(invalid) => return Err(invalid.into()),
    };
    Ok(answer::json(StatusCode::OK, &BlockVerdict { verdict, hash: hash.into() }))
}

/// Forgets a peer.
///
/// The node does not call it any more; it can register again. From other machines, only the operator can
/// do that.
#[utoipa::path(
    delete,
    path = "/api/v1/peers/{address}",
    tag = "peers",
    operation_id = "forget_peer",
    params(("address" = String, Path, description = "Its host and port.")),
    responses((status = 200, description = "The peer is forgotten.", body = ForgottenPeer), Errors),
    security((), ("token" = []))
)]
pub(super) async fn forget_peer(
    _: Operator,
    State(app): State<App>,
    address: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path(address) = address.map_err(not_text)?;
    let address = PeerAddress::listed(&address).map_err(ApiError::bad)?;
    match app.handle.forget(address.clone()).await? {
        Some(forgotten) => {
            let forgotten = forgotten.as_str().into();
            Ok(answer::json(StatusCode::OK, &ForgottenPeer { forgotten }))
        }
        None => Err(ApiError::NotFound(format!(
            "{address} is not a peer of this node; GET /api/v1/peers lists its peers"
        ))),
    }
}

/// Registers peers.
///
/// Peers that the operator registers stay, however many others register.
#[utoipa::path(
    post,
    path = "/api/v1/peers",
    tag = "peers",
    operation_id = "add_peers",
    request_body(content = AddPeers),
    responses((status = 201, description = "They are peers now.", body = PeersAdded), Errors),
    security((), ("token" = []))
)]
pub(super) async fn add_peers(
    operator: Result<Operator, ApiError>,
    State(app): State<App>,
    headers: HeaderMap,
    body: Json,
) -> Result<Response, ApiError> {
    let wanted = lecture::nodes(body.object_of(&["nodes"])?, PeerAddress::typed)?;
    let registration = match operator {
        Ok(Operator) => app.handle.choose(wanted.clone(), true).await?,
        // A caller that sends a token expects it to count.
        Err(fault) if headers.contains_key(AUTHORIZATION) => return Err(fault),
        Err(_) => app.handle.register(wanted.clone()).await?,
    };
    let is_new = |(address, registered): (&PeerAddress, &Registered)| {
        (*registered == Registered::New).then(|| address.as_str().to_string())
    };
    let new = wanted.iter().zip(&registration.each).filter_map(is_new);
    let lecture::Added { message, total_nodes, this_node } =
        lecture::added(&wanted, &registration)?;
    let (message, new) = (message.into(), new.collect());
    let added = PeersAdded { message, total_nodes, this_node, new };
    Ok(answer::json(StatusCode::CREATED, &added))
}

/// The peers, and the state of each.
#[utoipa::path(
    get,
    path = "/api/v1/peers",
    tag = "peers",
    operation_id = "peers",
    responses((status = 200, description = "The peers.", body = Peers), Errors)
)]
pub(super) async fn peers(State(app): State<App>) -> Result<Response, ApiError> {
    let reports = app.handle.peer_reports().await?;
    let now = now();
    let seconds = |micros: u64| Number(micros as f64 / 1e6);
    let peer = |PeerReport { address, chosen, health, since, asked_again }: PeerReport| {
        let (state, failures, reason) = match health {
            Health::New => (PeerState::New, 0, None),
            Health::Answers => (PeerState::Answers, 0, None),
            Health::Fails { times, why } => (PeerState::Fails, times.into(), Some(why)),
        };
        Peer {
            address: address.as_str().into(),
            chosen,
            state,
            for_s: seconds(now.micros.saturating_sub(since.micros)),
            failures,
            reason,
            asked_in_s: asked_again.map(|at| seconds(at.micros.saturating_sub(now.micros))),
        }
    };
    let peers = reports.into_iter().map(peer).collect();
    Ok(answer::json(StatusCode::OK, &Peers { peers }))
}
