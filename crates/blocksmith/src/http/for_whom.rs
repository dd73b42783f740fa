//! The recipient that a miner searches for.

use serde::Deserialize;
use utoipa::IntoParams;

/// The query parameters of calls that ask for work.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ForWhom {
    /// Who gets the coins of the block: a name, or an address where payments are signed; by default, the
    /// node.
    recipient: Option<String>,
    /// The id of the work that the miner has: the answer waits up to 10 s for other work.
    pub(super) than: Option<String>,
}

impl ForWhom {
    pub(super) fn recipient(&self) -> Option<&str> {
        self.recipient.as_deref().filter(|recipient| !recipient.is_empty())
    }
}
