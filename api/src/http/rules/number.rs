//! Numbers, exact: what is too fine or too large is refused, never rounded.

use std::ops::RangeInclusive;

use rust_decimal::Decimal;
use serde_json::json;

use super::{Rule, rule};
use crate::http::json::Value;

/// A whole number of this range; `5.0` is one, as JSON Schema has it.
pub fn integer(range: RangeInclusive<i64>) -> impl Rule<i64> {
    let (least, most) = (*range.start(), *range.end());
    let schema = move || json!({"type": "integer", "minimum": least, "maximum": most});
    rule(schema, move |value| {
        let whole = units(&value, 0).and_then(|units| i64::try_from(units).ok());
        whole
            .filter(|whole| range.contains(whole))
            .ok_or_else(|| format!("Must be a whole number from {least} to {most}").into())
    })
}

/// An exact number from 0 to `most` with at most `scale` decimal places. Its schema says nothing of them: to who
/// divides in binary fractions, as most validators do, 19.99 is no multiple of 0.01.
pub fn decimal(scale: u32, most: Decimal) -> impl Rule<Decimal> {
    let schema = move || {
        // In binary fractions the most itself cannot be said; what follows it, a whole number, can.
        let beyond: Option<f64> = (most + Decimal::new(1, scale)).to_string().parse().ok();
        json!({"type": "number", "minimum": 0, "exclusiveMaximum": beyond})
    };
    rule(schema, move |value| {
        let exact = units(&value, scale)
            .and_then(|units| Decimal::try_from_i128_with_scale(units, scale).ok());
        exact.filter(|exact| (Decimal::ZERO..=most).contains(exact)).ok_or_else(|| {
            format!("Must be a number from 0 to {most} with at most {scale} decimal places").into()
        })
    })
}

fn units(value: &Value, scale: u32) -> Option<i128> {
    match value {
        Value::Number(number) => number.units(scale),
        _ => None,
    }
}
