//! What parties have: accounts, all coins together, what a fee buys, and the faucet.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use blocksmith_api::limits::{ACCOUNT_PAGE, MAX_ACCOUNT_PAGE};
use blocksmith_api::{
    Account, AccountTransaction, AccountTransactions, FaucetGift, FaucetRequest, Fees, Place,
    Supply,
};
use blocksmith_consensus::Spending;
use blocksmith_consensus::address::Address;
use blocksmith_consensus::json::Value;
use blocksmith_consensus::ledger::Accounts as _;
use blocksmith_consensus::payment::{Domain, Emission, MAX_WIRE_BYTES};
use blocksmith_node::Machine;
use blocksmith_node::mempool::FeeRate;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{self, made_at, raw};
use super::body::Json;
use super::fault::Fault;
use super::openapi::Errors;
use super::payments::Confirmed;
use super::query::{Query, limit};
use super::{App, aside, turn};
use crate::faucet::{self, NotGiven};
use crate::service::{Handle, Snapshot, Spot, StoreError};

/// A page of transactions ends when this many bytes of blocks were read for it: each may be in a
/// block of its own.
const MAX_SCAN_BYTES: usize = 64 << 20;

/// Bytes of a payment whose fee is asked for without saying how long it is: one without a memo.
const USUAL_BYTES: usize = 350;

/// What a block's own fields and its coin take, about.
const BLOCK_OVERHEAD_BYTES: usize = 700;

fn no_accounts() -> Fault {
    Fault::unsigned("no account is kept")
}

/// The address that a path names.
fn address(handle: &Handle, party: Result<Path<String>, PathRejection>) -> Result<Address, Fault> {
    let Path(party) = party.map_err(|error| Fault::bad(error.body_text()))?;
    let hrp = handle.domain().ok_or_else(no_accounts)?.hrp;
    Address::parse(&party, hrp)
        .map_err(|why| Fault::unprocessable(format!("this is no address of this chain: {why}")))
}

fn emission(handle: &Handle) -> Option<&Emission> {
    match &handle.chain().rules.spending {
        Spending::Signed { emission, .. } => Some(emission),
        Spending::Unsigned(_) => None,
    }
}

/// What a party has.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{party}",
    tag = "transactions",
    operation_id = "account",
    params(("party" = String, Path, description = "An address.")),
    responses((status = 200, description = "The account.", body = Account), Errors)
)]
pub(super) async fn account(
    State(app): State<App>,
    party: Result<Path<String>, PathRejection>,
) -> Result<Response, Fault> {
    let address = address(&app.handle, party)?;
    let handle = app.handle.clone();
    let look = move |machine: &Machine| {
        (machine.mempool().and_then(|mempool| mempool.next_nonce(&address)), handle.snapshot())
    };
    let (next, snapshot) = app.handle.look(look).await?;
    let (account, transactions) = aside(move || {
        let snapshot = snapshot?;
        Ok::<_, StoreError>((snapshot.account(&address)?, snapshot.activity(address.key())?))
    })
    .await?;
    let party = app.handle.domain().map(|domain| address.to_text(domain.hrp)).unwrap_or_default();
    let answer = Account {
        party,
        balance: account.balance,
        nonce: account.nonce,
        next_nonce: next.unwrap_or(account.nonce),
        transactions,
        uncounted: 0,
    };
    Ok(answer::json(StatusCode::OK, &answer))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// The most entries: 50 if it is left out, and never more than 1,000. A page may end earlier.
    #[param(minimum = 1)]
    limit: Option<usize>,
    /// What an earlier page gave as `next`.
    #[param(pattern = "^[0-9]+-[0-9]+$")]
    before: Option<String>,
}

/// As pages name the place of a transaction: `1042-3`.
fn cursor((index, position): Spot) -> String {
    format!("{index}-{position}")
}

fn parse_cursor(text: &str) -> Option<Spot> {
    let (index, position) = text.split_once('-')?;
    Some((index.parse().ok()?, position.parse().ok()?))
}

/// The transactions of a party, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{party}/transactions",
    tag = "transactions",
    operation_id = "account_transactions",
    params(("party" = String, Path, description = "An address."), Page),
    responses((status = 200, description = "The page.", body = AccountTransactions), Errors)
)]
pub(super) async fn transactions(
    State(app): State<App>,
    party: Result<Path<String>, PathRejection>,
    Query(asked): Query<Page>,
) -> Result<Response, Fault> {
    let address = address(&app.handle, party)?;
    let limit = limit(asked.limit, ACCOUNT_PAGE, MAX_ACCOUNT_PAGE)?;
    let before = match asked.before {
        None => None,
        Some(before) => Some(parse_cursor(&before).ok_or_else(|| {
            Fault::bad("before is what an earlier page gave as next, like 1042-3")
        })?),
    };
    let turn = turn(&app.searching_back).await?;
    let handle = app.handle.clone();
    // At one moment, so that nothing waits and is confirmed at once, or neither.
    let look = move |machine: &Machine| {
        let waits = machine.mempool().map(|mempool| mempool.of_sender(&address));
        let texts = waits.unwrap_or_default().iter();
        let texts = texts.map(|waiting| waiting.payment.text().to_string());
        (texts.collect::<Vec<_>>(), handle.snapshot())
    };
    let (queued, snapshot) = app.handle.look(look).await?;
    let (domain, snapshot) = (*app.handle.domain().ok_or_else(no_accounts)?, snapshot?);
    let queued = match before {
        None => Some(queued.iter().map(|text| raw(text)).collect::<Result<_, _>>()?),
        Some(_) => None,
    };
    let read = move || page(snapshot, domain, &address, before, limit, MAX_SCAN_BYTES);
    let (read, turn) = turn.aside(read).await;
    let (transactions, next) = read?;
    let page = AccountTransactions { queued, transactions, next: next.map(cursor) };
    Ok(made_at(turn, answer::json(StatusCode::OK, &page)))
}

fn page(
    snapshot: Snapshot,
    domain: Domain,
    address: &Address,
    before: Option<Spot>,
    limit: usize,
    most_bytes: usize,
) -> Result<(Vec<AccountTransaction>, Option<Spot>), StoreError> {
    let mut confirmed = Confirmed::of(snapshot, domain)?;
    let spots = confirmed.snapshot().history(address.key(), before, limit)?;
    let mut next = spots.last().copied().filter(|_| spots.len() == limit);
    let mut entries = Vec::with_capacity(spots.len());
    for spot in spots {
        let (id, transaction) = confirmed.transaction(spot)?;
        let Place { block, hash, position, confirmations } = confirmed.place(spot)?;
        let id = id.into();
        entries.push(AccountTransaction { block, hash, position, confirmations, id, transaction });
        if confirmed.read_bytes() >= most_bytes {
            next = Some(spot);
            break;
        }
    }
    Ok((entries, next))
}

/// All coins: those of the first block, those mined until now, those that there will ever be.
#[utoipa::path(
    get,
    path = "/api/v1/supply",
    tag = "transactions",
    operation_id = "supply",
    responses((status = 200, description = "The coins.", body = Supply), Errors)
)]
pub(super) async fn supply(State(app): State<App>) -> Result<Response, Fault> {
    let emission = emission(&app.handle)
        .ok_or_else(|| Fault::unsigned("no rule says how many coins there are"))?;
    let index = app.handle.standing().tip.block.index();
    let (allotted, mined) = (u128::from(app.handle.allotted()), emission.mined(index));
    let halving = emission.halving.get();
    // The block with index 2 is the first that is mined.
    let next_halving = (index.saturating_sub(1) / halving + 1).saturating_mul(halving) + 2;
    let supply = Supply {
        allotted,
        mined,
        circulating: allotted + mined,
        cap: allotted + emission.total(),
        subsidy: emission.subsidy(index + 1),
        next_halving,
    };
    Ok(answer::json(StatusCode::OK, &supply))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Length {
    /// The length of the payment as canonical JSON; that of one without a memo if it is left out.
    bytes: Option<usize>,
}

/// The least fees that would do if nothing else came.
#[utoipa::path(
    get,
    path = "/api/v1/fees",
    tag = "transactions",
    operation_id = "fees",
    params(Length),
    responses((status = 200, description = "The fees.", body = Fees), Errors)
)]
pub(super) async fn fees(
    State(app): State<App>,
    Query(Length { bytes }): Query<Length>,
) -> Result<Response, Fault> {
    emission(&app.handle).ok_or_else(|| Fault::unsigned("none pays a fee"))?;
    let bytes = bytes.unwrap_or(USUAL_BYTES).min(MAX_WIRE_BYTES);
    let room = app.handle.chain().rules.max_block_bytes.saturating_sub(BLOCK_OVERHEAD_BYTES);
    let estimate =
        app.handle.look(move |machine| machine.mempool().map(|all| all.estimate(room))).await?;
    let fee = |rate: Option<FeeRate>| rate.map_or(0, |rate| rate.fee_above(bytes));
    let fees = Fees {
        bytes: bytes as u64,
        next_block: fee(estimate.and_then(|estimate| estimate.next)),
        three_blocks: fee(estimate.and_then(|estimate| estimate.next_three)),
    };
    Ok(answer::json(StatusCode::OK, &fees))
}

/// Gives some coins to whoever asks, on a dev network.
///
/// A 503 until the next block if it has given too often.
#[utoipa::path(
    post,
    path = "/api/v1/faucet",
    tag = "transactions",
    operation_id = "faucet",
    request_body(content = FaucetRequest),
    responses((status = 201, description = "The payment waits.", body = FaucetGift), Errors)
)]
pub(super) async fn faucet(State(app): State<App>, body: Json) -> Result<Response, Fault> {
    let recipient = body.object_of(&["recipient"])?.get("recipient").and_then(Value::as_str);
    let recipient = recipient.ok_or_else(|| Fault::unprocessable("there is no \"recipient\""))?;
    let given = faucet::give(&app.handle, &recipient).await;
    let (id, amount) = given.map_err(|not_given| match not_given {
        NotGiven::NoFaucet => Fault::NotFound(not_given.to_string()),
        NotGiven::Recipient(_) => Fault::unprocessable(not_given),
        NotGiven::Stopped(stopped) => stopped.into(),
        NotGiven::Store(error) => error.into(),
        NotGiven::NotPaid(_) | NotGiven::Empty => Fault::busy(not_given.to_string()),
    })?;
    Ok(answer::json(StatusCode::CREATED, &FaucetGift { id: id.into(), amount }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use blocksmith_consensus::{Difficulty, Genesis, Proof, Rules, Target};

    use super::*;
    use crate::chain::{Chain, Dialect};
    use crate::service::{Options, start};

    #[tokio::test]
    async fn a_page_ends_when_enough_was_read_for_it_and_none_is_left_out() {
        let (forge, target) = (Rules::forge(), Target::from_zeros(0));
        let hrp = forge.domain().expect("signed").hrp;
        let miner = blocksmith_wallet::dev::addresses().next().expect("a dev account");
        let genesis = Genesis::sealed(1_700_000_000, target, hrp, &[(miner, 1)]).expect("a block");
        let rules = Rules { genesis, difficulty: Difficulty::Fixed(target), ..forge };
        let options = Options {
            node_id: Some(miner.to_text(hrp)),
            keep_peers: false,
            ..Options::new(Chain { rules, dialect: Dialect::Notes })
        };
        let (handle, _orders) = start(options).expect("a store in memory");
        for _ in 0..9 {
            let work = handle.work(None).await.expect("it runs").expect("work");
            let mined = handle.submit_work(&work.id, Proof::from(1)).await.expect("it runs");
            mined.expect("each number is a proof");
        }
        let block_bytes = handle.standing().tip.block.text().len();
        for (most_bytes, each) in [(0, 1), (block_bytes * 5 / 2, 3), (usize::MAX, 4)] {
            let (mut seen, mut sizes, mut before) = (BTreeSet::new(), Vec::new(), None);
            loop {
                let snapshot = handle.snapshot().expect("read");
                let domain = *handle.domain().expect("signed");
                let (entries, next) =
                    page(snapshot, domain, &miner, before, 4, most_bytes).expect("read");
                sizes.push(entries.len());
                seen.extend(entries.iter().map(|entry| (entry.block, entry.position)));
                let Some(next) = next else { break };
                before = parse_cursor(&cursor(next));
                assert!(before == Some(next) && sizes.len() < 20, "{next:?}");
            }
            assert_eq!((seen.len(), sizes[0]), (10, each), "{sizes:?}");
            assert_eq!(sizes.iter().sum::<usize>(), 10, "{sizes:?}");
        }
    }
}
