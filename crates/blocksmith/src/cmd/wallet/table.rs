//! Amounts and addresses in columns, on a terminal of any width.

use console::Term;

/// The first and last characters of an address that are shown where a whole one has no room.
const SHOWN_CHARS: [usize; 2] = [11, 5];

/// How many columns the standard output has; `None` if it is not a terminal, where lines have any
/// length.
pub(in crate::cmd) fn columns() -> Option<usize> {
    let terminal = Some(Term::stdout()).filter(Term::is_term)?;
    let columns = terminal.size_checked().map_or(0, |(_, columns)| usize::from(columns));
    // A terminal that does not know its size is taken to be as wide as most.
    Some(if columns == 0 { 80 } else { columns })
}

/// Amounts in one width, with their decimal points below each other.
pub(in crate::cmd) fn aligned<'a>(amounts: impl Iterator<Item = &'a str> + Clone) -> Vec<String> {
    let parts = amounts.map(|amount| amount.split_at(amount.find('.').unwrap_or(amount.len())));
    let whole = parts.clone().map(|(whole, _)| whole.len()).max().unwrap_or(0);
    let fraction = parts.clone().map(|(_, fraction)| fraction.len()).max().unwrap_or(0);
    parts.map(|(left, right)| format!("{left:>whole$}{right:<fraction$}")).collect()
}

/// The start and the end of an address: `forge1qpzry…8m2kx`.
pub(super) fn shortened(address: &str) -> String {
    let [start, end] = SHOWN_CHARS;
    match (address.get(..start), address.len().checked_sub(end)) {
        (Some(first), Some(last)) if last > start => format!("{first}…{}", &address[last..]),
        _ => address.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_below_each_other() {
        let amounts = ["+20", "-0.00000001", "12.5", "-1.001"];
        assert_eq!(
            aligned(amounts.into_iter()),
            ["+20         ", " -0.00000001", " 12.5       ", " -1.001     "]
        );
        assert_eq!(aligned(["7", "10"].into_iter()), [" 7", "10"]);
        assert_eq!(aligned(std::iter::empty()), [""; 0]);
    }

    #[test]
    fn a_short_address_shows_both_ends() {
        let address = format!("forge1{}{}", "q".repeat(53), "8m2kx");
        assert_eq!(shortened(&address), "forge1qqqqq…8m2kx");
        assert_eq!(shortened("0"), "0");
    }
}
