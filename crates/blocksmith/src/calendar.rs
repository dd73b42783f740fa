//! The date of a time, in UTC.

use jiff::SignedDuration;
use jiff::civil::DateTime;

const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

/// The date so many seconds after 1970, or the last one of the year 9999 if it is later.
pub(crate) fn date(seconds: u64) -> DateTime {
    EPOCH.saturating_add(SignedDuration::from_secs(seconds.try_into().unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (951_868_800, "2000-03-01T00:00:00"),
            (1_562_874_886, "2019-07-11T19:54:46"),
            (4_107_542_400, "2100-03-01T00:00:00"),
            (253_402_300_799, "9999-12-31T23:59:59"),
        ] {
            assert_eq!(date(seconds).to_string(), expected);
        }
        for beyond in [253_402_300_800, u64::MAX] {
            assert!(date(beyond).to_string().starts_with("9999-12-31T23:59:59"), "{beyond}");
        }
    }
}
