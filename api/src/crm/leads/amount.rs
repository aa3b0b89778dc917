//! Money without its currency: a decimal number that no binary fraction ever touches (requirement L-8).

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::http::rules::{self, Rule};

/// From 0 to 9,999,999,999,999,999.99, in hundredths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
pub struct Amount(Decimal);

/// Digits behind the point.
const DECIMALS: u32 = 2;

/// 10^18 - 1 hundredths: what `numeric(18, 2)` holds.
const MOST: i64 = 999_999_999_999_999_999;

/// The rule of a field that holds one. `1500`, `1500.00` and `1.5e3` are the same amount.
pub fn amount() -> impl Rule<Amount> {
    rules::decimal(DECIMALS, Decimal::new(MOST, DECIMALS)).then(|exact| Ok(Amount(exact)))
}

/// As short as it goes: `1500.5`, not `1500.50`.
impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let digits = self.0.normalize().to_string();
        RawValue::from_string(digits).map_err(serde::ser::Error::custom)?.serialize(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::json;

    fn read(text: &str) -> Option<String> {
        let read = amount().check(json::parse(text.as_bytes()).unwrap()).ok()?;
        Some(serde_json::to_string(&read).unwrap())
    }

    #[test]
    fn every_digit_is_kept_and_none_is_added() {
        for (given, kept) in [
            ("0", "0"),
            ("-0", "0"),
            ("0.01", "0.01"),
            ("1500.00", "1500"),
            ("1500.50", "1500.5"),
            ("1.5e3", "1500"),
            ("9999999999999999.99", "9999999999999999.99"),
            ("9007199254740993.01", "9007199254740993.01"),
        ] {
            assert_eq!(read(given).as_deref(), Some(kept), "{given}");
        }
        for bad in ["-0.01", "0.001", "10000000000000000", "1e400", "\"1\"", "true"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
