//! `GET /api/v1/branches`: the blocks beside the best chain.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use blocksmith_api as wire;
use blocksmith_consensus::{Hash, U256};

use super::answer::{self, made_at};
use super::api_error::ApiError;
use super::errors::Errors;
use super::events::wire_block_id;
use super::{App, permit};
use crate::service::{BlockSource, SideBranch, SideBranches};

/// The side branches: blocks that the node keeps, and that are not on the best chain.
///
/// They can still win, if blocks join them.
#[utoipa::path(
    get,
    path = "/api/v1/branches",
    tag = "chain",
    operation_id = "branches",
    responses((status = 200, description = "The branches.", body = wire::Branches), Errors)
)]
pub(super) async fn branches(State(app): State<App>) -> Result<Response, ApiError> {
    let permit = permit(&app.searching_back).await?;
    let SideBranches { listed, count, tip, work } = app.handle.side_branches().await?;
    let branch = |SideBranch { branch, from, miner }: SideBranch| {
        let less = work.saturating_sub(branch.work);
        wire::Branch {
            fork: branch.fork.as_ref().map(wire_block_id),
            tip: wire_block_id(&branch.tip),
            length: branch.length(),
            work: hex(branch.work),
            less_work: hex(less),
            lost: if less > 0 { wire::WhyLost::LessWork } else { wire::WhyLost::CameLater },
            from: from.map(source),
            miner,
        }
    };
    let branches = wire::Branches {
        tip: wire_block_id(&tip),
        work: hex(work),
        count: count as u64,
        branches: listed.into_iter().map(branch).collect(),
    };
    Ok(made_at(permit, answer::json(StatusCode::OK, &branches)))
}

fn hex(work: U256) -> wire::HexHash {
    Hash(work.to_be_bytes()).into()
}

fn source(source: BlockSource) -> wire::BlockSource {
    let (how, peer, address) = match source {
        BlockSource::Here => (wire::BlockCame::Mined, None, None),
        BlockSource::Sent { by, listens } => (wire::BlockCame::Sent, listens, by),
        BlockSource::Asked(peer) => (wire::BlockCame::Asked, Some(peer), None),
    };
    let peer = peer.map(|peer| peer.as_str().into());
    wire::BlockSource { how, peer, address: address.map(|address| address.to_string()) }
}
