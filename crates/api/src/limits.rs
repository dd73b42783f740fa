//! The limits that a client has to know. A request beyond one of them is refused or cut, as its call
//! says.

use std::time::Duration;

/// The most blocks or headers in a page.
pub const MAX_PAGE_BLOCKS: usize = 10_000;

/// A page of blocks ends with the block that brings it to this many bytes.
pub const PAGE_BYTES: usize = 4 << 20;

/// The most payments in one `POST transactions`, and the most transactions in a page of those that
/// wait.
pub const MAX_PAYMENTS: usize = 1_000;

/// The most transactions in a page of an account.
pub const MAX_ACCOUNT_PAGE: usize = 1_000;

/// The transactions in a page of an account, unless the call says how many.
pub const ACCOUNT_PAGE: usize = 50;

/// The longest text of a search, in characters.
pub const MAX_SEARCH_CHARS: usize = 1_000;

/// The most points of a history, and how many it has unless the call says so.
pub const MAX_POINTS: u64 = 500;

/// How long `GET work?than=` waits for other work.
pub const NEWS_TIME: Duration = Duration::from_secs(10);
