//! `/api/v1/dev`: what the operator of a dev chain can do to it, to see what comes of it.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use blocksmith_api::{
    BlockPlace, DevCut, DevCuts, DevMine, DevMined, DevMiner, DevMiners, DevReorg, DevReorged,
};
use blocksmith_consensus::Block;
use blocksmith_wallet::{dev, typed};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::App;
use super::answer;
use super::api_error::ApiError;
use super::body::Json;
use super::errors::Errors;
use super::operator::Operator;
use crate::dev_branch::{self, NotUndone};
use crate::dev_network::{Miner, Seat};
use crate::mining;
use crate::searching::all_cores;
use crate::text::escaped;

/// The most blocks that one call makes.
const MAX_BLOCKS: u64 = 1_000;

/// How long a call mines.
const MINING_TIME: Duration = Duration::from_secs(60);

/// Refuses the call on a chain whose coins are worth something.
fn check_dev(app: &App) -> Result<(), ApiError> {
    if app.handle.is_dev() {
        return Ok(());
    }
    Err(ApiError::Conflict(format!(
        "this works on dev chains alone, and this node runs {}; blocksmith dev --chain forge runs one",
        escaped(&app.handle.chain().rules.name)
    )))
}

/// The node's place among the nodes of a `blocksmith dev`.
fn seat(app: &App) -> Result<&Seat, ApiError> {
    check_dev(app)?;
    app.seat.as_ref().ok_or_else(|| {
        ApiError::Conflict(
            "this node is not one of the nodes of a blocksmith dev, which alone have such miners and can be \
             cut off from each other"
                .into(),
        )
    })
}

/// The body, which has these fields and looks like `like`.
fn read<T: DeserializeOwned>(body: &Json, fields: &[&str], like: &str) -> Result<T, ApiError> {
    body.object_of(fields)?;
    serde_json::from_str(body.text()).map_err(|why| {
        ApiError::unprocessable(format!("the body must be like {like}, and it is not: {why}"))
    })
}

/// The number, if it is one of 1 to [`MAX_BLOCKS`].
fn some(name: &str, number: u64) -> Result<u64, ApiError> {
    match number {
        1..=MAX_BLOCKS => Ok(number),
        _ => Err(ApiError::unprocessable(format!(
            "\"{name}\" must be from 1 to {MAX_BLOCKS}, not {number}"
        ))),
    }
}

fn place(block: &Block) -> BlockPlace {
    BlockPlace { index: block.index(), hash: block.hash().into() }
}

/// Mines blocks at once, on a dev chain.
///
/// They have what waits. Each block that comes early makes the next ones harder, as the chain's rules say:
/// a 503 says how many were mined in 60 seconds.
#[utoipa::path(
    post,
    path = "/api/v1/dev/mine",
    tag = "dev",
    operation_id = "dev_mine",
    request_body(content = DevMine),
    responses((status = 200, description = "The blocks.", body = DevMined), Errors),
    security((), ("token" = []))
)]
pub(super) async fn mine(
    _: Operator,
    State(app): State<App>,
    body: Json,
) -> Result<Response, ApiError> {
    check_dev(&app)?;
    let DevMine { blocks, to } = read(&body, &["blocks", "to"], r#"{"blocks": 3}"#)?;
    let blocks = some("blocks", blocks)?;
    let domain =
        app.handle.domain().ok_or_else(|| ApiError::unsigned("there are no dev accounts"))?;
    let to = match to {
        Some(to) => typed::address(&to, domain.hrp).map_err(|why| {
            ApiError::unprocessable(format!("\"to\" must be an address of this chain: {why}"))
        })?,
        None => dev::addresses().next().expect("there are ten"),
    };
    let to = to.to_text(domain.hrp);
    if let Some(seat) = &app.seat {
        seat.network.meddle();
    }
    let deadline = Instant::now() + MINING_TIME;
    let mut mined = Vec::new();
    while (mined.len() as u64) < blocks {
        let next = mining::next_block_now(&app.handle, Some(&to), all_cores());
        match timeout_at(deadline, next).await {
            Ok(block) => mined.push(place(&block?)),
            Err(_) => {
                return Err(ApiError::busy(format!(
                    "{} of {blocks} blocks were mined in {} s: the chain is ahead of its schedule, which \
                     makes its next blocks harder to find; ask for the others later",
                    mined.len(),
                    MINING_TIME.as_secs()
                )));
            }
        }
    }
    let tip = place(&app.handle.standing().tip.block);
    Ok(answer::json(StatusCode::OK, &DevMined { blocks: mined, tip }))
}

/// Undoes the last blocks, on a dev chain.
///
/// A branch of empty blocks that is longer by one takes their place, and their payments wait again.
#[utoipa::path(
    post,
    path = "/api/v1/dev/reorg",
    tag = "dev",
    operation_id = "dev_reorg",
    request_body(content = DevReorg),
    responses((status = 200, description = "The branch.", body = DevReorged), Errors),
    security((), ("token" = []))
)]
pub(super) async fn reorg(
    _: Operator,
    State(app): State<App>,
    body: Json,
) -> Result<Response, ApiError> {
    check_dev(&app)?;
    let DevReorg { depth } = read(&body, &["depth"], r#"{"depth": 3}"#)?;
    let depth = some("depth", depth)?;
    if let Some(seat) = &app.seat {
        seat.network.meddle();
    }
    let deadline = Instant::now() + MINING_TIME;
    let undone = timeout_at(deadline, dev_branch::undo(&app.handle, depth, all_cores())).await;
    let undone = undone.map_err(|_| {
        ApiError::busy(format!(
            "no branch of {depth} blocks was found in {} s; try again with a smaller depth",
            MINING_TIME.as_secs()
        ))
    })?;
    let undone = undone.map_err(|why| match why {
        NotUndone::TooDeep { .. } | NotUndone::Malformed(_) => ApiError::unprocessable(why),
        NotUndone::Unsigned => ApiError::Conflict(why.to_string()),
        NotUndone::Outrun => ApiError::busy(why.to_string()),
        NotUndone::Stopped(stopped) => stopped.into(),
        NotUndone::Store(error) => error.into(),
    })?;
    let tip = undone.joined.last().unwrap_or(&undone.fork);
    let reorged = DevReorged {
        fork: place(&undone.fork),
        left_count: undone.left,
        joined_count: undone.joined.len() as u64,
        tip: place(tip),
    };
    Ok(answer::json(StatusCode::OK, &reorged))
}

fn all_miners(seat: &Seat) -> DevMiners {
    let miners = seat.network.miners().borrow().clone();
    let miner = |(node, miner): (u64, Miner)| DevMiner {
        node,
        on: miner.on,
        tries_per_second: miner.tries_per_second.map(NonZeroU64::get),
    };
    DevMiners { miners: (1..).zip(miners).map(miner).collect() }
}

/// The miners of a dev network.
#[utoipa::path(
    get,
    path = "/api/v1/dev/miners",
    tag = "dev",
    operation_id = "dev_miners",
    responses((status = 200, description = "The miners.", body = DevMiners), Errors)
)]
pub(super) async fn miners(State(app): State<App>) -> Result<Response, ApiError> {
    Ok(answer::json(StatusCode::OK, &all_miners(seat(&app)?)))
}

/// The place of the node with this number.
fn place_of(seat: &Seat, number: u64) -> Result<usize, ApiError> {
    let nodes = seat.network.len();
    match usize::try_from(number) {
        Ok(number) if (1..=nodes).contains(&number) => Ok(number - 1),
        _ => Err(ApiError::unprocessable(format!(
            "this network has the nodes 1 to {nodes}, and no node {number}"
        ))),
    }
}

/// Sets miners of a dev network: each on or off, and how fast.
#[utoipa::path(
    post,
    path = "/api/v1/dev/miners",
    tag = "dev",
    operation_id = "set_dev_miners",
    request_body(content = DevMiners),
    responses((status = 200, description = "All miners.", body = DevMiners), Errors),
    security((), ("token" = []))
)]
pub(super) async fn set_miners(
    _: Operator,
    State(app): State<App>,
    body: Json,
) -> Result<Response, ApiError> {
    let seat = seat(&app)?;
    let like = r#"{"miners": [{"node": 1, "on": true, "tries_per_second": 1000}]}"#;
    let DevMiners { miners } = read(&body, &["miners"], like)?;
    let mut changes = Vec::new();
    for DevMiner { node, on, tries_per_second } in miners {
        let place = place_of(seat, node)?;
        if changes.iter().any(|(other, _)| *other == place) {
            return Err(ApiError::unprocessable(format!(
                "the miner of node {node} is there twice"
            )));
        }
        let speed = tries_per_second.map(|tries| {
            NonZeroU64::new(tries).ok_or_else(|| {
                ApiError::unprocessable(
                    "\"tries_per_second\" must be at least 1; \"on\": false stops a miner",
                )
            })
        });
        changes.push((place, Miner { on, tries_per_second: speed.transpose()? }));
    }
    seat.network.set_miners(&changes);
    Ok(answer::json(StatusCode::OK, &all_miners(seat)))
}

fn all_cuts(seat: &Seat) -> DevCuts {
    let cuts = seat.network.cuts();
    DevCuts { cuts: cuts.into_iter().map(|(a, b)| [a as u64 + 1, b as u64 + 1]).collect() }
}

/// Cuts nodes of a dev network off from each other.
///
/// No block, no payment and no question passes between nodes of different groups until they are healed.
#[utoipa::path(
    post,
    path = "/api/v1/dev/cut",
    tag = "dev",
    operation_id = "dev_cut",
    request_body(content = DevCut),
    responses((status = 200, description = "All cuts.", body = DevCuts), Errors),
    security((), ("token" = []))
)]
pub(super) async fn cut(
    _: Operator,
    State(app): State<App>,
    body: Json,
) -> Result<Response, ApiError> {
    let seat = seat(&app)?;
    let DevCut { groups } = read(&body, &["groups"], r#"{"groups": [[1, 2], [3]]}"#)?;
    let mut seen = BTreeSet::new();
    let mut places = Vec::new();
    for group in &groups {
        let mut of_group = Vec::new();
        for &number in group {
            let place = place_of(seat, number)?;
            if !seen.insert(place) {
                return Err(ApiError::unprocessable(format!("node {number} is there twice")));
            }
            of_group.push(place);
        }
        places.push(of_group);
    }
    if places.iter().filter(|group| !group.is_empty()).count() < 2 {
        return Err(ApiError::unprocessable(
            "a cut needs two groups or more, as in {\"groups\": [[1, 2], [3]]}",
        ));
    }
    seat.network.cut(&places);
    Ok(answer::json(StatusCode::OK, &all_cuts(seat)))
}

/// Heals all cuts of a dev network, and has its nodes ask one another for their chains.
#[utoipa::path(
    post,
    path = "/api/v1/dev/heal",
    tag = "dev",
    operation_id = "dev_heal",
    responses((status = 200, description = "All cuts: none.", body = DevCuts), Errors),
    security((), ("token" = []))
)]
pub(super) async fn heal(
    _: Operator,
    State(app): State<App>,
    body: Bytes,
) -> Result<Response, ApiError> {
    let seat = seat(&app)?;
    if !matches!(body.trim_ascii(), b"" | b"{}") {
        return Err(ApiError::bad("the call heals all cuts and takes no body"));
    }
    seat.network.heal().await;
    Ok(answer::json(StatusCode::OK, &all_cuts(seat)))
}
