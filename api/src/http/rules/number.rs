//! Numbers, exact: what is too fine or too large is refused, never rounded.

use std::ops::RangeInclusive;

use rust_decimal::Decimal;

use crate::http::fields::Checked;
use crate::http::json::Value;

/// A whole number of this range; `5.0` is one, as JSON Schema has it.
pub fn integer(range: RangeInclusive<i64>) -> impl Fn(Value) -> Checked<i64> {
    move |value| {
        let whole = units(&value, 0).and_then(|units| i64::try_from(units).ok());
        whole.filter(|whole| range.contains(whole)).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            format!("Must be a whole number from {least} to {most}").into()
        })
    }
}

/// An exact number from 0 to `most` with at most `scale` decimal places.
pub fn decimal(scale: u32, most: Decimal) -> impl Fn(Value) -> Checked<Decimal> {
    move |value| {
        let exact = units(&value, scale)
            .and_then(|units| Decimal::try_from_i128_with_scale(units, scale).ok());
        exact.filter(|exact| (Decimal::ZERO..=most).contains(exact)).ok_or_else(|| {
            format!("Must be a number from 0 to {most} with at most {scale} decimal places").into()
        })
    }
}

fn units(value: &Value, scale: u32) -> Option<i128> {
    match value {
        Value::Number(number) => number.units(scale),
        _ => None,
    }
}
