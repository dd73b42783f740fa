//! Coins as people write them: a decimal number with at most eight digits after the point.
//!
//! Programs count in units, of which a coin has [`UNITS_PER_COIN`]. Amounts are read and written
//! exactly, without floating-point numbers.

use std::fmt;
use std::str::FromStr;

use blocksmith_consensus::payment::{MAX_INTEGER, UNITS_PER_COIN};

/// Digits after the point.
const DECIMALS: usize = 8;

/// The longest text that is read, in bytes: more than any amount has, leading zeros aside.
const MAX_TEXT_BYTES: usize = 40;

/// An amount of coins. One that is read has from 0 to [`MAX_INTEGER`] units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Coins(u64);

/// Why a text is no amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCoins {
    /// Something else than digits with perhaps a point between them.
    #[error("an amount is a decimal number of coins, like 12 or 0.5")]
    NotANumber,
    /// A comma, which some write before the fraction and others between thousands.
    #[error("an amount can't have a comma: write the fraction after a point, as in 0.5")]
    Comma,
    /// More digits than there are units.
    #[error("an amount has at most {DECIMALS} digits after the point")]
    TooFine,
    /// More than [`MAX_INTEGER`] units.
    #[error("an amount is at most {} coins", Coins(MAX_INTEGER))]
    TooLarge,
    /// Zero, where something has to be paid.
    #[error("an amount to pay must be more than 0; the smallest is {} coins", Coins(1))]
    Zero,
}

impl Coins {
    /// An amount of so many units, which may be any number: only amounts that are read have a
    /// bound.
    pub fn from_units(units: u64) -> Self {
        Self(units)
    }

    /// The number of units.
    pub fn units(self) -> u64 {
        self.0
    }

    /// Reads an amount that is to be paid.
    ///
    /// # Errors
    /// Fails if the text is no amount, or is zero.
    pub fn parse_positive(text: &str) -> Result<Self, BadCoins> {
        match text.parse()? {
            Self(0) => Err(BadCoins::Zero),
            coins => Ok(coins),
        }
    }
}

impl FromStr for Coins {
    type Err = BadCoins;

    fn from_str(text: &str) -> Result<Self, BadCoins> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(BadCoins::TooLarge);
        }
        if text.contains(',') {
            return Err(BadCoins::Comma);
        }
        let (whole, fraction) = match text.split_once('.') {
            Some((_, "")) => return Err(BadCoins::NotANumber),
            Some(parts) => parts,
            None => (text, ""),
        };
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) {
            return Err(BadCoins::NotANumber);
        }
        if fraction.len() > DECIMALS {
            return Err(BadCoins::TooFine);
        }
        // The digits of the number of units: up to 48, so 64 bits may be too few.
        let units: u64 =
            format!("{whole}{fraction:0<DECIMALS$}").parse().map_err(|_| BadCoins::TooLarge)?;
        if units > MAX_INTEGER { Err(BadCoins::TooLarge) } else { Ok(Self(units)) }
    }
}

/// Writes as few digits as read back as the same amount, and keeps to the formatter's width.
impl fmt::Display for Coins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / UNITS_PER_COIN, self.0 % UNITS_PER_COIN);
        if rest == 0 {
            return f.pad(&whole.to_string());
        }
        f.pad(format!("{whole}.{rest:0DECIMALS$}").trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly() {
        for (text, units) in [
            ("0", 0),
            ("0.0", 0),
            ("1", 100_000_000),
            ("0.1", 10_000_000),
            ("0.10", 10_000_000),
            ("0.00000001", 1),
            ("12.5", 1_250_000_000),
            ("007", 700_000_000),
            // As floats these two would be the same.
            ("90071992.54740991", MAX_INTEGER),
            ("90071992.54740990", MAX_INTEGER - 1),
            ("20999999.97690000", 2_099_999_997_690_000),
        ] {
            assert_eq!(text.parse(), Ok(Coins(units)), "{text}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_with_the_reason() {
        for (text, why) in [
            ("", BadCoins::NotANumber),
            (".", BadCoins::NotANumber),
            (".5", BadCoins::NotANumber),
            ("5.", BadCoins::NotANumber),
            ("+5", BadCoins::NotANumber),
            ("-5", BadCoins::NotANumber),
            ("1e3", BadCoins::NotANumber),
            ("0x10", BadCoins::NotANumber),
            ("1_000", BadCoins::NotANumber),
            ("1 000", BadCoins::NotANumber),
            (" 1", BadCoins::NotANumber),
            ("1.2.3", BadCoins::NotANumber),
            ("NaN", BadCoins::NotANumber),
            ("٣", BadCoins::NotANumber),
            ("0,5", BadCoins::Comma),
            ("1,000.5", BadCoins::Comma),
            ("0.000000001", BadCoins::TooFine),
            ("1.000000000", BadCoins::TooFine),
            ("90071992.54740992", BadCoins::TooLarge),
            ("184467440737.09551616", BadCoins::TooLarge),
            ("1000000000000000000000000000000000000000000000000", BadCoins::TooLarge),
        ] {
            assert_eq!(text.parse::<Coins>(), Err(why), "{text}");
        }
        assert_eq!(Coins::parse_positive("0.00000000"), Err(BadCoins::Zero));
        assert_eq!(Coins::parse_positive("0.00000001"), Ok(Coins(1)));
    }

    #[test]
    fn what_is_written_reads_back() {
        for (units, text) in [
            (0, "0"),
            (1, "0.00000001"),
            (10, "0.0000001"),
            (100_000_000, "1"),
            (1_000_000_000, "10"),
            (1_250_000_000, "12.5"),
            (100_000_001, "1.00000001"),
            (MAX_INTEGER, "90071992.54740991"),
        ] {
            assert_eq!(Coins(units).to_string(), text);
            assert_eq!(text.parse(), Ok(Coins(units)));
        }
        let mut units = 1;
        while units <= MAX_INTEGER {
            for near in [units - 1, units, units + 1] {
                assert_eq!(Coins(near).to_string().parse(), Ok(Coins(near)));
            }
            units *= 3;
        }
        assert_eq!(
            format!("{:>8}|{:<8}|", Coins(50_000_000), Coins(200_000_000)),
            "     0.5|2       |"
        );
        // Sums over many accounts are shown too.
        assert_eq!(Coins(u64::MAX).to_string(), "184467440737.09551615");
    }
}
