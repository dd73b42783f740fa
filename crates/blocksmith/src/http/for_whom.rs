//! The recipient that a miner searches for.

use serde::Deserialize;
use utoipa::IntoParams;

/// The query parameters of calls that ask for work.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct ForWhom {
    /// Who gets the coin: a name, or an address where payments are signed. The node, if it is left
    /// out.
    recipient: Option<String>,
    /// The id of work that is known: the answer waits for other work, up to 10 s.
    pub(super) than: Option<String>,
}

impl ForWhom {
    pub(super) fn recipient(&self) -> Option<&str> {
        self.recipient.as_deref().filter(|recipient| !recipient.is_empty())
    }
}
