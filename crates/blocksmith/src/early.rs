//! What people are told when there is no work because the tip's time is ahead of this machine's
//! clock: from when on there is work, and the way out.

use std::time::Duration;

use blocksmith_consensus::Ancestry as _;
use blocksmith_node::{FutureTip, MAX_AHEAD_S};

use crate::calendar;
use crate::service::{Handle, StoreError, now};
use crate::text::counted;

/// How often to look at the clock, which may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A time for people, in seconds since 1970.
pub(crate) fn date(time_s: u64) -> String {
    calendar::date(time_s).strftime("%a, %d %b %Y %T GMT").to_string()
}

/// The text for a client that asks for work.
pub(crate) fn told(early: &FutureTip) -> String {
    format!(
        "{early}; it gives work from {} on, or as soon as its clock is set, if that is behind",
        date(early.until_s)
    )
}

/// Logs that there is no work because of the tip's time, and later that there is work again, each
/// once. Returns when the node stops.
pub(crate) async fn watch(handle: Handle) {
    let mut said = false;
    loop {
        let early = handle.early_tip();
        match early {
            Some(early) if !said => tracing::warn!("{}", told_at_home(&handle, &early)),
            None if said => {
                tracing::info!("the clock has reached the tip's time: there is work again")
            }
            _ => {}
        }
        said = early.is_some();
        tokio::select! {
            _ = handle.stopped() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// The text for the operator.
fn told_at_home(handle: &Handle, early: &FutureTip) -> String {
    let FutureTip { index, ahead_s, until_s } = early;
    let what = format!(
        "block {index} is the tip, and its time is {ahead_s} s ahead of this machine's clock: this node takes \
         no block on top of it, and gives no work, until {}",
        date(*until_s)
    );
    let leave_out = match blocks_in_time(handle) {
        // No block is left, or the store can't be read, of which other messages say more.
        Ok(0) | Err(_) => String::new(),
        Ok(kept) => format!(
            ", or go back to the first {}: stop the node, `blocksmith chain export`, `head -n {kept}`, and \
             `blocksmith chain import` into another --data-dir",
            counted(kept, "block")
        ),
    };
    format!("{what}. If this clock is behind, set it; if it is right, wait{leave_out}")
}

/// How many blocks of the best chain are not ahead of this machine's clock: times don't go back.
fn blocks_in_time(handle: &Handle) -> Result<u64, StoreError> {
    let chain = handle.snapshot()?;
    let first = handle.chain().rules.genesis_index();
    let latest_s = now().micros / 1_000_000 + MAX_AHEAD_S;
    let (mut from, mut to) = (first, chain.tip()?.block.index() + 1);
    while from < to {
        let middle = from.midpoint(to);
        let in_time =
            chain.at(middle)?.is_some_and(|linked| linked.block.view().timestamp_s() <= latest_s);
        if in_time {
            from = middle + 1;
        } else {
            to = middle;
        }
    }
    Ok(from - first)
}

/// Waits until there is work again; returns at once if there is.
pub(crate) async fn over(handle: &Handle) {
    while handle.early_tip().is_some() {
        tokio::select! {
            _ = handle.stopped() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn a_time_for_people_is_written_as_in_http() {
        for (time_s, said) in [
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(date(time_s), said);
        }
    }
}
