//! What parties have: accounts, all coins together, what a fee buys, and the faucet.
//!
//! A party is named in the path, or as `?party=`, which can name any party: the empty one, and those
//! that a path can't say, such as `..`.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use blocksmith_api::limits::{ACCOUNT_PAGE, MAX_ACCOUNT_PAGE};
use blocksmith_api::{
    self as wire, Account, AccountTransaction, AccountTransactions, AnyAccount, FaucetGift,
    FaucetRequest, Fees, Number, PartyAccount, Place, Role, Supply, WaitingTransaction,
};
use blocksmith_consensus::address::Address;
use blocksmith_consensus::json::Value;
use blocksmith_consensus::payment::{Emission, MAX_WIRE_BYTES};
use blocksmith_consensus::{Family, Sealed};
use blocksmith_node::mempool::FeeRate;
use blocksmith_wallet::typed;
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{self, made_at, raw};
use super::api_error::ApiError;
use super::body::Json;
use super::errors::Errors;
use super::payments::{place, waits};
use super::pieces;
use super::query::{Query, limit, not_text};
use super::table::{self, Format};
use super::{App, permit};
use crate::faucet::{self, NotGiven};
use crate::service::{
    AccountEntry, AccountPage, AsOf, Behind, Handle, Indexed, Miner, Roles, StoreError,
    TransactionLocation,
};

/// A page of transactions ends when this many bytes of blocks were read for it: each may be in a
/// block of its own.
const MAX_SCAN_BYTES: usize = 64 << 20;

/// The length of a payment, in bytes, if a client asks for its fee without saying it: that of a
/// payment without a memo.
const USUAL_BYTES: usize = 350;

/// About how many bytes a block's own fields and its coinbase take.
const BLOCK_OVERHEAD_BYTES: usize = 700;

/// Who is asked for: an address, or any name.
enum Party {
    Address(Address),
    Name(String),
}

/// The party of that name.
fn party(handle: &Handle, name: String) -> Result<Party, ApiError> {
    match sealed(handle) {
        Some(Sealed { hrp, .. }) => {
            typed::address(&name, *hrp).map(Party::Address).map_err(ApiError::unprocessable)
        }
        None => Ok(Party::Name(name)),
    }
}

fn no_index() -> ApiError {
    ApiError::unsigned("there are no accounts")
}

/// What the index found; it is there on every chain whose payments are not signed.
pub(super) fn indexed<T>(
    found: Option<Result<AsOf<T>, Behind>>,
) -> Result<(T, wire::Indexed), ApiError> {
    let found = found.ok_or_else(no_index)?;
    let AsOf { answer, indexed } = found.map_err(|behind| ApiError::busy(behind.to_string()))?;
    Ok((answer, as_of(indexed)))
}

/// The last block that an index includes, as the API has it.
pub(super) fn as_of(Indexed { index, hash }: Indexed) -> wire::Indexed {
    wire::Indexed { index, hash: hash.into() }
}

/// The rules of a chain that keeps accounts.
fn sealed(handle: &Handle) -> Option<&Sealed> {
    match &handle.chain().rules.family {
        Family::Sealed(sealed) => Some(sealed),
        Family::Open(_) => None,
    }
}

fn emission(handle: &Handle) -> Option<&Emission> {
    sealed(handle).map(|sealed| &sealed.emission)
}

/// The state of an account.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{party}",
    tag = "transactions",
    operation_id = "account",
    params(("party" = String, Path, description = "An address; where payments are not signed, any name.")),
    responses((status = 200, description = "The account.", body = AnyAccount), Errors)
)]
pub(super) async fn account(
    State(app): State<App>,
    party: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let Path(name) = party.map_err(not_text)?;
    account_of(&app, name).await
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Named {
    /// Required: an address; where payments are not signed, any name, also the empty one.
    #[param(required = true)]
    party: Option<String>,
}

/// The state of an account whose name a path can't say.
#[utoipa::path(
    get,
    path = "/api/v1/accounts",
    tag = "transactions",
    operation_id = "named_account",
    params(Named),
    responses((status = 200, description = "The account.", body = AnyAccount), Errors)
)]
pub(super) async fn named_account(
    State(app): State<App>,
    Query(Named { party }): Query<Named>,
) -> Result<Response, ApiError> {
    let name = party.ok_or_else(|| ApiError::bad("add ?party=NAME to say whose account"))?;
    account_of(&app, name).await
}

async fn account_of(app: &App, name: String) -> Result<Response, ApiError> {
    let address = match party(&app.handle, name)? {
        Party::Address(address) => address,
        Party::Name(party) => {
            let (found, indexed) = indexed(app.handle.party(party.clone()).await?)?;
            let waiting = app.handle.party_waiting(party.clone()).await?;
            let account = PartyAccount {
                party,
                balance: found.balance,
                sent: found.sent,
                received: found.received,
                mined: found.mined,
                uncounted: found.uncounted,
                transactions: found.transactions,
                blocks: found.blocks,
                last_block: found.last_block,
                outgoing: waiting_list(&waiting.outgoing)?,
                incoming: waiting_list(&waiting.incoming)?,
                indexed,
            };
            return Ok(answer::json(StatusCode::OK, &AnyAccount::Party(account)));
        }
    };
    let account = app.handle.account(address).await?;
    let party = sealed(&app.handle).map(|sealed| address.to_text(sealed.hrp)).unwrap_or_default();
    let answer = Account {
        party,
        balance: account.balance,
        nonce: account.nonce,
        next_nonce: account.next_nonce,
        transactions: account.transactions,
        // Every amount on such a chain is a number.
        uncounted: 0,
        outgoing: waiting_list(&account.outgoing)?,
        incoming: waiting_list(&account.incoming)?,
    };
    Ok(answer::json(StatusCode::OK, &answer))
}

/// Transactions that wait, as the API has them.
fn waiting_list(
    waiting: &[crate::service::WaitingTransaction],
) -> Result<Vec<WaitingTransaction>, ApiError> {
    let waiting = waiting.iter().map(|one| {
        let waits = waits(&one.waits);
        Ok(WaitingTransaction { id: one.id.into(), waits, transaction: raw(&one.text)? })
    });
    waiting.collect()
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// How many entries there are at most: in a page 50 by default, and no more than 1,000. A page can be
    /// shorter. A table has all by default.
    #[param(minimum = 1)]
    limit: Option<usize>,
    /// The value of `next` in an earlier page.
    #[param(pattern = "^[0-9]+-[0-9]+$")]
    before: Option<String>,
    /// `json` for a page, `csv` or `ndjson` for a table of all; by default, what the header `Accept` says.
    #[param(pattern = "^(json|csv|ndjson)$")]
    format: Option<String>,
}

/// The place of a transaction as pages name it: `1042-3`.
fn cursor((index, position): TransactionLocation) -> String {
    format!("{index}-{position}")
}

fn parse_cursor(text: &str) -> Option<TransactionLocation> {
    let (index, position) = text.split_once('-')?;
    Some((index.parse().ok()?, position.parse().ok()?))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct NamedPage {
    /// Required: an address; where payments are not signed, any name, also the empty one.
    #[param(required = true)]
    party: Option<String>,
    /// How many entries there are at most: in a page 50 by default, and no more than 1,000. A page can be
    /// shorter. A table has all by default.
    #[param(minimum = 1)]
    limit: Option<usize>,
    /// The value of `next` in an earlier page.
    #[param(pattern = "^[0-9]+-[0-9]+$")]
    before: Option<String>,
    /// `json` for a page, `csv` or `ndjson` for a table of all; by default, what the header `Accept` says.
    #[param(pattern = "^(json|csv|ndjson)$")]
    format: Option<String>,
}

/// The transactions of an account, the newest first: a page, or a table of all.
///
/// A table is of one chain, as it was when it was asked for, and is sent while it is read. `text/csv` has for each
/// transaction its place, `id`, `timestamp`, `roles`, `sender`, `recipient`, `amount`, `fee`, `nonce` and `memo`;
/// `application/x-ndjson` has each as it stands in a page.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/{party}/transactions",
    tag = "transactions",
    operation_id = "account_transactions",
    params(("party" = String, Path, description = "An address; where payments are not signed, any name."), Page),
    responses(
        (status = 200, description = "The page, or the table.", content(
            (AccountTransactions = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        )),
        Errors
    )
)]
pub(super) async fn transactions(
    State(app): State<App>,
    party: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    Query(asked): Query<Page>,
) -> Result<Response, ApiError> {
    let Path(name) = party.map_err(not_text)?;
    transactions_of(app, name, asked, &headers).await
}

/// The transactions of an account whose name a path can't say, the newest first.
#[utoipa::path(
    get,
    path = "/api/v1/accounts/transactions",
    tag = "transactions",
    operation_id = "named_account_transactions",
    params(NamedPage),
    responses(
        (status = 200, description = "The page, or the table.", content(
            (AccountTransactions = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        )),
        Errors
    )
)]
pub(super) async fn named_transactions(
    State(app): State<App>,
    headers: HeaderMap,
    Query(NamedPage { party, limit, before, format }): Query<NamedPage>,
) -> Result<Response, ApiError> {
    let name = party.ok_or_else(|| {
        ApiError::bad(
            "add ?party=NAME to say whose transactions; the account with the name transactions is \
             /api/v1/accounts?party=transactions",
        )
    })?;
    transactions_of(app, name, Page { limit, before, format }, &headers).await
}

async fn transactions_of(
    app: App,
    name: String,
    asked: Page,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let format = Format::of(asked.format.as_deref(), headers)?;
    let party = party(&app.handle, name)?;
    let before = match asked.before {
        None => None,
        Some(before) => Some(parse_cursor(&before).ok_or_else(|| {
            ApiError::bad("before must be the value of next in an earlier page, as in 1042-3")
        })?),
    };
    if format != Format::Json {
        let left = limit(asked.limit, usize::MAX, usize::MAX)?;
        let history = match party {
            Party::Address(address) => app.handle.history(address, before)?,
            Party::Name(name) => Some(indexed(app.handle.party_history(name, before).await?)?.0),
        };
        let history = history.ok_or_else(no_index)?;
        let table = table::Transactions { format, history, left, are_first: true };
        let sent = pieces::send(&app, &app.searching_back, table, format.media_type()).await?;
        return Ok(table::varied(sent));
    }
    let limit = limit(asked.limit, ACCOUNT_PAGE, MAX_ACCOUNT_PAGE)?;
    let permit = permit(&app.searching_back).await?;
    let page = match party {
        Party::Address(address) => {
            let AccountPage { pending, incoming, entries, next } =
                app.handle.account_page(address, before, limit, MAX_SCAN_BYTES).await?;
            let on_first_page = |texts: &[String]| match before {
                None => texts.iter().map(|text| raw(text)).collect::<Result<_, _>>().map(Some),
                Some(_) => Ok(None),
            };
            let (queued, incoming) = (on_first_page(&pending)?, on_first_page(&incoming)?);
            let transactions = listed(&entries)?;
            let next = next.map(cursor);
            AccountTransactions { queued, incoming, transactions, next, indexed: None }
        }
        Party::Name(name) => {
            let page = app.handle.party_page(name, before, limit, MAX_SCAN_BYTES).await?;
            let (page, indexed) = indexed(page)?;
            AccountTransactions {
                queued: None,
                incoming: None,
                transactions: listed(&page.entries)?,
                next: page.next.map(cursor),
                indexed: Some(indexed),
            }
        }
    };
    Ok(table::varied(made_at(permit, answer::json(StatusCode::OK, &page))))
}

pub(super) fn listed(entries: &[AccountEntry]) -> Result<Vec<AccountTransaction>, StoreError> {
    let entry = |entry: &AccountEntry| -> Result<_, StoreError> {
        let Place { block, hash, position, confirmations } = place(&entry.location);
        Ok(AccountTransaction {
            block,
            hash,
            position,
            confirmations,
            id: entry.id.into(),
            timestamp: entry.timestamp_s.map(Number),
            roles: entry.roles.map(roles),
            transaction: raw(&entry.text)?,
        })
    };
    entries.iter().map(entry).collect()
}

fn roles(roles: Roles) -> Vec<Role> {
    let Roles { sent, received, mined, uncounted } = roles;
    let all = [
        (sent, Role::Sent),
        (received, Role::Received),
        (mined, Role::Mined),
        (uncounted, Role::Uncounted),
    ];
    all.into_iter().filter(|(has, _)| *has).map(|(_, role)| role).collect()
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Ranks {
    /// How many miners are listed at most: 50 by default, and no more than 1,000.
    #[param(minimum = 1)]
    limit: Option<usize>,
}

/// The miners with the most coins, on any chain.
///
/// Fewer are listed if names of thousands of characters make the node read 64 MiB of blocks for them.
#[utoipa::path(
    get,
    path = "/api/v1/leaderboard",
    tag = "transactions",
    operation_id = "leaderboard",
    params(Ranks),
    responses((status = 200, description = "The miners.", body = wire::Leaderboard), Errors)
)]
pub(super) async fn leaderboard(
    State(app): State<App>,
    Query(Ranks { limit: asked }): Query<Ranks>,
) -> Result<Response, ApiError> {
    let limit = limit(asked, ACCOUNT_PAGE, MAX_ACCOUNT_PAGE)?;
    let permit = permit(&app.searching_back).await?;
    let (found, indexed) = indexed(Some(app.handle.leaderboard(limit).await?))?;
    let miner = |(rank, Miner { party, coins, blocks, last_block })| {
        let share = Number(blocks as f64 / found.blocks.max(1) as f64);
        wire::Miner { rank, party, coins, blocks, share, last_block }
    };
    let miners = (1..).zip(found.miners).map(miner).collect();
    let leaderboard = wire::Leaderboard { blocks: found.blocks, miners, indexed };
    Ok(made_at(permit, answer::json(StatusCode::OK, &leaderboard)))
}

/// The supply: the coins of the genesis block, the coins mined so far, and the most that there will ever be.
#[utoipa::path(
    get,
    path = "/api/v1/supply",
    tag = "transactions",
    operation_id = "supply",
    responses((status = 200, description = "The supply.", body = Supply), Errors)
)]
pub(super) async fn supply(State(app): State<App>) -> Result<Response, ApiError> {
    let emission = emission(&app.handle)
        .ok_or_else(|| ApiError::unsigned("no rule sets how many coins there are"))?;
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
    /// The length of the payment as canonical JSON, in bytes; by default, of a payment without a memo.
    bytes: Option<usize>,
}

/// The lowest fees that are enough if no other payment comes.
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
) -> Result<Response, ApiError> {
    emission(&app.handle).ok_or_else(|| ApiError::unsigned("there are no fees"))?;
    let bytes = bytes.unwrap_or(USUAL_BYTES).min(MAX_WIRE_BYTES);
    let room = app.handle.chain().rules.max_block_bytes().saturating_sub(BLOCK_OVERHEAD_BYTES);
    let estimate = app.handle.fee_estimate(room).await?;
    let fee = |rate: Option<FeeRate>| rate.map_or(0, |rate| rate.fee_above(bytes));
    let fees = Fees {
        bytes: bytes as u64,
        next_block: fee(estimate.and_then(|estimate| estimate.next)),
        three_blocks: fee(estimate.and_then(|estimate| estimate.next_three)),
    };
    Ok(answer::json(StatusCode::OK, &fees))
}

/// Gives some coins to an address, on a dev network.
///
/// The answer is a 503 while the next block has no room for more gifts, or the faucet is empty.
#[utoipa::path(
    post,
    path = "/api/v1/faucet",
    tag = "transactions",
    operation_id = "faucet",
    request_body(content = FaucetRequest),
    responses((status = 201, description = "The payment waits for a block.", body = FaucetGift), Errors)
)]
pub(super) async fn faucet(State(app): State<App>, body: Json) -> Result<Response, ApiError> {
    let recipient = body.object_of(&["recipient"])?.get("recipient").and_then(Value::as_str);
    let recipient = recipient
        .ok_or_else(|| ApiError::unprocessable("the body must have a \"recipient\", an address"))?;
    if let Some(seat) = &app.seat
        && seat.is_cut_from(0)
    {
        return Err(ApiError::busy(
            "all faucets of this network pay from node 1, and this node is cut off from it; ask node 1, or \
             heal the network",
        ));
    }
    let given = faucet::give(&app.handle, &recipient).await;
    let (id, amount) = given.map_err(|not_given| match not_given {
        NotGiven::NoFaucet => ApiError::NotFound(not_given.to_string()),
        NotGiven::Recipient(_) => ApiError::unprocessable(not_given),
        NotGiven::Stopped(stopped) => stopped.into(),
        NotGiven::Store(error) => error.into(),
        NotGiven::NotPaid(_) | NotGiven::Empty { .. } => ApiError::busy(not_given.to_string()),
    })?;
    Ok(answer::json(StatusCode::CREATED, &FaucetGift { id: id.into(), amount }))
}
