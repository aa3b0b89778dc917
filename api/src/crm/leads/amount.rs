//! Money without its currency: a decimal number that no binary fraction ever touches (requirement L-8).

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_json::{Number, Value};

use crate::http::fields::Checked;

/// 0 to 9,999,999,999,999,999.99, in hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct Amount(Decimal);

/// Digits behind the point.
const DECIMALS: u32 = 2;

/// 10^18 - 1 hundredths: what `numeric(18, 2)` holds.
const MOST: i64 = 999_999_999_999_999_999;

/// The rule of a field that holds one. `1500`, `1500.00` and `1.5e3` are the same amount.
///
/// # Errors
/// Other types, more than two decimals, amounts below 0 or beyond the most.
#[expect(clippy::needless_pass_by_value, reason = "every rule takes the value")]
pub fn amount(value: Value) -> Checked<Amount> {
    let fault =
        || "Must be a number from 0 to 9999999999999999.99 with at most 2 decimals".to_owned();
    let Value::Number(number) = value else { return Err(fault()) };
    let text = number.as_str();
    let exact = if text.contains(['e', 'E']) {
        Decimal::from_scientific(text)
    } else {
        Decimal::from_str_exact(text)
    };
    let amount = exact.map_err(|_| fault())?.normalize();
    if amount.scale() <= DECIMALS
        && (Decimal::ZERO..=Decimal::new(MOST, DECIMALS)).contains(&amount)
    {
        Ok(Amount(amount))
    } else {
        Err(fault())
    }
}

/// As short as it goes: `1500.5`, not `1500.50`.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let number: Number =
            self.0.normalize().to_string().parse().map_err(serde::ser::Error::custom)?;
        number.serialize(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<String> {
        let read = amount(serde_json::from_str(json).unwrap()).ok()?;
        Some(serde_json::to_string(&read).unwrap())
    }

    #[test]
    fn every_digit_is_kept_and_none_is_added() {
        for (given, kept) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.01", "0.01"),
            ("0.1", "0.1"),
            ("1500.00", "1500"),
            ("1500.50", "1500.5"),
            ("1.5e3", "1500"),
            ("150E-2", "1.5"),
            ("9999999999999999.99", "9999999999999999.99"),
            ("9007199254740993.01", "9007199254740993.01"),
        ] {
            assert_eq!(read(given).as_deref(), Some(kept), "{given}");
        }
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for bad in [
            "-0.01",
            "-1",
            "0.001",
            "1.005",
            "10000000000000000",
            "9999999999999999.991",
            "1e16",
            "1e400",
            "1e-400",
            "1e999999999999",
            "0.00000000000000000000000000000000001",
            "123456789012345678901234567890123456789",
            "\"1\"",
            "true",
            "[]",
            "{}",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
