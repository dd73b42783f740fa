//! When the turn of a transaction comes that waits, in words.

use blocksmith_api::{WaitingTransaction, Waits, WhyLater};

use super::counted;

/// What a node says of a transaction that waits: `place 3 in line, for block 12`.
pub(super) fn told(waits: &Waits) -> String {
    let at = match waits.place {
        Some(place) => format!("place {place} in line, "),
        None => String::new(),
    };
    at + &without_place(waits)
}

/// As [`told`], without the place, which changes whenever something else comes or goes.
pub(super) fn without_place(waits: &Waits) -> String {
    let Waits { block, why, nonce, .. } = waits;
    let nonce = match nonce {
        Some(nonce) => format!("the payment with the nonce {nonce}"),
        None => "an earlier payment".into(),
    };
    let Some(block) = block else {
        return match why {
            Some(WhyLater::Nonce) => format!("held until {nonce} comes"),
            Some(WhyLater::Balance) => "held, and the sender has too little for it".into(),
            _ => "not in the next 100 blocks: others pay higher fees".into(),
        };
    };
    let why = match why {
        None => String::new(),
        Some(WhyLater::Nonce) => format!(", after {nonce}, whose fee is low"),
        Some(WhyLater::Full) => ", after what came earlier".into(),
        Some(_) => ", after payments with higher fees".into(),
    };
    format!("for block {block}{why}")
}

/// What waits of an account: how much, and in which blocks it will be.
pub(super) fn all_told(waiting: &[WaitingTransaction], what: &str) -> String {
    let blocks = || waiting.iter().filter_map(|waiting| waiting.waits.block);
    let verb = if waiting.len() == 1 { "waits" } else { "wait" };
    let mut told = format!("{} that {verb}", counted(waiting.len(), what));
    match (blocks().min(), blocks().max()) {
        (Some(first), Some(last)) if first == last => told += &format!(", for block {first}"),
        (Some(first), Some(last)) => told += &format!(", for blocks {first} to {last}"),
        _ => {}
    }
    let is_held = |waiting: &&WaitingTransaction| {
        matches!(waiting.waits.why, Some(WhyLater::Nonce | WhyLater::Balance))
            && waiting.waits.block.is_none()
    };
    match waiting.iter().filter(is_held).count() {
        0 => {}
        held => told += &format!("; {held} held until an earlier one comes"),
    }
    told
}
