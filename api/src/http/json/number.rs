//! JSON numbers by their value, from their text: `5`, `5.0` and `50e-1` are the same number, and no digit is rounded.

/// More digits than this no field of ours holds: 10²⁸ fits a decimal of 96 bits.
const MAX_DIGITS: usize = 28;

/// A number as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Number(String);

impl Number {
    /// Keeps a text that is a number by JSON's grammar.
    pub(super) fn written(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// How many units of `10^-scale` it is; none when it is no whole number of them, or has more than 28 digits then.
    #[must_use]
    pub fn units(&self, scale: u32) -> Option<i128> {
        let (mantissa, exponent) = self.0.split_once(['e', 'E']).unwrap_or((&self.0, "0"));
        let (sign, mantissa) = mantissa.strip_prefix('-').map_or((1, mantissa), |rest| (-1, rest));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, fraction].concat();
        let significant = digits.trim_end_matches('0');
        if significant.is_empty() {
            return Some(0);
        }
        let dropped = i64::try_from(digits.len() - significant.len()).ok()?;
        let exponent: i64 = exponent.parse().ok()?;
        let zeros = exponent
            .checked_sub(i64::try_from(fraction.len()).ok()?)?
            .checked_add(dropped)?
            .checked_add(i64::from(scale))?;
        let zeros = u32::try_from(zeros).ok()?;
        let significant = significant.trim_start_matches('0');
        if significant.len().saturating_add(usize::try_from(zeros).ok()?) > MAX_DIGITS {
            return None;
        }
        significant
            .parse::<i128>()
            .ok()?
            .checked_mul(10_i128.checked_pow(zeros)?)
            .map(|units| sign * units)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str, scale: u32) -> Option<i128> {
        Number::written(text).units(scale)
    }

    #[test]
    fn a_number_is_what_it_is_worth_however_it_is_written() {
        for text in ["5", "5.0", "5.000", "5e0", "5E+0", "50e-1", "0.5e1", "0.0005e4", "500000e-5"]
        {
            assert_eq!(units(text, 0), Some(5), "{text}");
            assert_eq!(units(text, 2), Some(500), "{text}");
        }
        for text in [
            "0",
            "-0",
            "0.0",
            "0e9",
            "0E-9",
            "0e99999999999999999999999",
            "-0.0e-99999999999999999999",
        ] {
            assert_eq!(units(text, 0), Some(0), "{text}");
        }
        assert_eq!(units("-12.5", 1), Some(-125));
        assert_eq!(units("0.01", 2), Some(1));
    }

    #[test]
    fn no_digit_is_rounded_away() {
        assert_eq!(units("9999999999999999.99", 2), Some(999_999_999_999_999_999));
        assert_eq!(units("9007199254740993", 0), Some(9_007_199_254_740_993));
        for (text, scale) in [
            ("3.5", 0),
            ("0.001", 2),
            ("1e-1", 0),
            ("1e-400", 2),
            ("1.0000000000000000000000001", 2),
        ] {
            assert_eq!(units(text, scale), None, "{text}");
        }
    }

    #[test]
    fn size_costs_nothing() {
        assert_eq!(
            units("9999999999999999999999999999", 0),
            Some(9_999_999_999_999_999_999_999_999_999)
        );
        for text in [
            "10000000000000000000000000000",
            "1e28",
            "1e400",
            "-1e400",
            "1e99999999999999999999",
            "1e4294967296",
        ] {
            assert_eq!(units(text, 0), None, "{text}");
        }
        assert_eq!(units(&format!("0.{}1e100001", "0".repeat(100_000)), 0), Some(1));
        assert_eq!(units(&"9".repeat(1_000_000), 0), None);
    }
}
