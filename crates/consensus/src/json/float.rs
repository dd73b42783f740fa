//! Floats as CPython's `repr` writes them.

use alloc::string::String;

use super::{JsonError, JsonErrorKind};

/// With this many digits before the point a float still may have a fraction.
pub(super) const MAX_WHOLE_DIGITS: usize = 16;

/// Longest text of a float: sign, 17 digits, point, and an exponent with sign and three digits.
const MAX_TEXT: usize = 24;

const POWERS_OF_TEN: [u64; 16] = {
    let mut powers = [1; 16];
    let mut n = 1;
    while n < 16 {
        powers[n] = powers[n - 1] * 10;
        n += 1;
    }
    powers
};

/// True if `whole` and the digits of `fraction`, without an exponent, are certain to be the text
/// that CPython writes for this float; false if it takes a closer look.
///
/// A decimal reads as the float nearest to it, and all decimals that read as the same float lie
/// within one spacing of floats. Where the last decimal place is worth more than that spacing, no
/// two decimals with so many places read the same: this one is the only one, and the shortest if it
/// does not end in a zero. CPython leaves out the exponent from 1e-4 up to 1e16.
#[inline(always)]
pub(super) fn is_shortest(whole: u64, fraction: &[u8]) -> bool {
    let Some(&place) = POWERS_OF_TEN.get(fraction.len()) else { return false };
    let ends_well = fraction == b"0" || fraction.last() != Some(&b'0');
    let small = whole == 0 && fraction.starts_with(b"0000");
    // Floats below 2^(n + 1) are at most 2^(n - 52) apart.
    let n = (whole + 1).ilog2();
    ends_well && !small && n < 52 && place < 1 << (52 - n)
}

/// The canonical text of a float.
pub(super) struct Text {
    bytes: [u8; MAX_TEXT],
    len: usize,
}

impl Text {
    /// Reads a number in JSON's form, which starts at `at`, and writes it anew.
    pub(super) fn of(number: &[u8], at: usize) -> Result<Self, JsonError> {
        match read(number) {
            Some(float) if float.is_finite() => Ok(Self::write(float)),
            _ => Err(JsonError { at, kind: JsonErrorKind::NotFinite }),
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    fn write(float: f64) -> Self {
        let mut buffer = zmij::Buffer::new();
        let shortest = Decimal::parse(buffer.format_finite(float.abs()).as_bytes());
        let mut text = Self { bytes: [0; MAX_TEXT], len: 0 };
        if float.is_sign_negative() {
            text.push(b"-");
        }
        let digits = shortest.digits();
        let point = shortest.point;
        let split = usize::try_from(point).unwrap_or(0);
        if digits.is_empty() {
            text.push(b"0.0");
        } else if !(-3..=16).contains(&point) {
            text.push(&digits[..1]);
            if digits.len() > 1 {
                text.push(b".");
                text.push(&digits[1..]);
            }
            text.exponent(point - 1);
        } else if point <= 0 {
            text.push(b"0.");
            text.zeros(point.unsigned_abs() as usize);
            text.push(digits);
        } else if split < digits.len() {
            text.push(&digits[..split]);
            text.push(b".");
            text.push(&digits[split..]);
        } else {
            text.push(digits);
            text.zeros(split - digits.len());
            text.push(b".0");
        }
        text
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(room) = self.bytes.get_mut(self.len..self.len + bytes.len()) {
            room.copy_from_slice(bytes);
            self.len += bytes.len();
        }
    }

    fn zeros(&mut self, count: usize) {
        for _ in 0..count {
            self.push(b"0");
        }
    }

    fn exponent(&mut self, exponent: i32) {
        self.push(if exponent < 0 { b"e-" } else { b"e+" });
        let size = exponent.unsigned_abs();
        let digits = [size / 100, size / 10 % 10, size % 10].map(|digit| b'0' + digit as u8);
        self.push(if size < 100 { &digits[1..] } else { &digits });
    }
}

/// `0.d1 d2 d3 … × 10^point`, d1 and the last digit not zero; no digits at all for zero.
struct Decimal {
    digits: [u8; 17],
    len: usize,
    point: i32,
}

impl Decimal {
    /// Takes in a positive float's text, with at most 17 digits from the first that counts to the
    /// last that does, in whatever notation.
    fn parse(text: &[u8]) -> Self {
        let mut decimal = Self { digits: [0; 17], len: 0, point: 0 };
        let mut seen_point = false;
        let mut zeros = 0;
        let mut bytes = text.iter();
        for &byte in bytes.by_ref() {
            match byte {
                b'.' => seen_point = true,
                b'0' if decimal.len == 0 => decimal.point -= i32::from(seen_point),
                b'0'..=b'9' => {
                    decimal.point += i32::from(!seen_point);
                    if byte == b'0' {
                        zeros += 1;
                        continue;
                    }
                    decimal.len += zeros;
                    zeros = 0;
                    if let Some(slot) = decimal.digits.get_mut(decimal.len) {
                        *slot = byte - b'0';
                    }
                    decimal.len += 1;
                }
                _ => break,
            }
        }
        decimal.digits.iter_mut().for_each(|digit| *digit += b'0');
        decimal.len = decimal.len.min(decimal.digits.len());
        let exponent = core::str::from_utf8(bytes.as_slice()).ok().and_then(|e| e.parse().ok());
        decimal.point += exponent.unwrap_or(0);
        decimal
    }

    fn digits(&self) -> &[u8] {
        &self.digits[..self.len]
    }
}

/// Exponents of up to this many digits are left to `core`, which stops counting at 65536. Numbers
/// with more zeros than that exist.
const MAX_PLAIN_EXPONENT_DIGITS: usize = 4;

fn read(number: &[u8]) -> Option<f64> {
    let text = core::str::from_utf8(number).ok()?;
    let Some(e) = text.rfind(['e', 'E']) else { return text.parse().ok() };
    let (mantissa, exponent) = (&text[..e], &text[e + 1..]);
    if exponent.len() <= MAX_PLAIN_EXPONENT_DIGITS {
        return text.parse().ok();
    }
    let size = exponent
        .bytes()
        .filter(u8::is_ascii_digit)
        .fold(0_i64, |size, digit| size.saturating_mul(10).saturating_add((digit - b'0').into()));
    let exponent = if exponent.starts_with('-') { -size } else { size };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(mantissa) => (-1.0, mantissa),
        None => (1.0, mantissa),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let leading = whole.bytes().chain(fraction.bytes()).take_while(|&digit| digit == b'0').count();
    if leading == whole.len() + fraction.len() {
        return Some(0.0 * sign);
    }
    let point = exponent.saturating_add(whole.len() as i64).saturating_sub(leading as i64);
    match point {
        ..-400 => Some(0.0 * sign),
        401.. => Some(f64::INFINITY * sign),
        _ => {
            let whole_left = whole.get(leading..).unwrap_or_default();
            let fraction_left = fraction.get(leading.saturating_sub(whole.len())..)?;
            let moved: String = alloc::format!("0.{whole_left}{fraction_left}e{point}");
            moved.parse().ok().map(|float: f64| float * sign)
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn repr(number: &str) -> Result<String, JsonError> {
        let text = Text::of(number.as_bytes(), 0)?;
        Ok(String::from_utf8_lossy(text.as_bytes()).to_string())
    }

    #[test]
    fn floats_read_as_cpython_prints_them() {
        for (number, expected) in [
            ("1E2", "100.0"),
            ("1.10", "1.1"),
            ("-0.0", "-0.0"),
            ("0e7", "0.0"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("1e16", "1e+16"),
            ("1e15", "1000000000000000.0"),
            ("9999999999999998.0", "9999999999999998.0"),
            ("9007199254740993.0", "9007199254740992.0"),
            ("1.5e300", "1.5e+300"),
            ("-2.2250738585072014e-308", "-2.2250738585072014e-308"),
            ("5e-324", "5e-324"),
            ("2e-324", "0.0"),
            ("1.7976931348623157e308", "1.7976931348623157e+308"),
            ("123456789012345678", "1.2345678901234568e+17"),
            ("1e-99999999999999999999", "0.0"),
            ("-1e-99999999999999999999", "-0.0"),
        ] {
            assert_eq!(repr(number).as_deref(), Ok(expected), "{number}");
        }
    }

    #[test]
    fn floats_beyond_the_largest_are_refused() {
        for number in ["1e309", "-1e400", "1e99999999999999999999", "1.7976931348623159e308"] {
            assert_eq!(repr(number).map_err(|e| e.kind), Err(JsonErrorKind::NotFinite), "{number}");
        }
    }

    #[test]
    fn exponents_that_undo_very_many_zeros_count_in_full() {
        let zeros = "0".repeat(700_000);
        assert_eq!(repr(&alloc::format!("0.{zeros}1e700001")).as_deref(), Ok("1.0"));
        assert_eq!(repr(&alloc::format!("-25{zeros}e-700001")).as_deref(), Ok("-2.5"));
        assert_eq!(repr(&alloc::format!("0.{zeros}e700001")).as_deref(), Ok("0.0"));
    }

    #[test]
    fn a_text_held_for_shortest_is() {
        // Every whole number around a power of two, where the spacing of floats changes.
        for exponent in 0..53 {
            for whole in (1_u64 << exponent).saturating_sub(2)..(1 << exponent) + 2 {
                for places in 1..17 {
                    for last in 1..10 {
                        for filler in ["0", "9", "4"] {
                            let fraction = alloc::format!("{}{last}", filler.repeat(places - 1));
                            if is_shortest(whole, fraction.as_bytes()) {
                                let number = alloc::format!("{whole}.{fraction}");
                                assert_eq!(repr(&number).as_deref(), Ok(&*number));
                            }
                        }
                    }
                }
            }
        }
    }
}
