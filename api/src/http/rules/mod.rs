//! Rules that several resources' fields share. Each takes the JSON value and gives the clean one or says what is wrong.

use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, Utc};
use rust_decimal::Decimal;
pub use shared::contacts::e164;
use shared::webhook::target::TargetPolicy;
use url::Url;
use uuid::Uuid;
use validator::ValidateEmail as _;

use super::fields::{Checked, Fault, Fields, Input};
use super::json::Value;
use crate::error::{Details, Error};

#[cfg(test)]
mod tests;

/// The longest address of a page, in characters.
const LONGEST_URL: usize = 2_048;

/// Any string that PostgreSQL can hold.
///
/// # Errors
/// Another type, or a NUL character.
pub fn string(value: Value) -> Checked<String> {
    match value {
        Value::String(text) if text.contains('\0') => Err("Must not contain NUL characters".into()),
        Value::String(text) => Ok(text),
        _ => Err("Must be a string".into()),
    }
}

/// One line of `1` to `most` characters after trimming (requirement C-7: Unicode scalar values, not bytes).
pub fn line(most: usize) -> impl Fn(Value) -> Checked<String> {
    move |value| trimmed(value, most, char::is_control)
}

/// Lines of `1` to `most` characters together after trimming, with tabs and line ends of any kind.
pub fn text(most: usize) -> impl Fn(Value) -> Checked<String> {
    move |value| trimmed(value, most, |c| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))
}

fn trimmed(value: Value, most: usize, forbidden: impl Fn(char) -> bool) -> Checked<String> {
    let text = string(value)?;
    let text = text.trim();
    if text.is_empty() || text.chars().count() > most {
        Err(format!("Must be 1 to {most} characters").into())
    } else if text.chars().any(forbidden) {
        Err("Must not contain control characters".into())
    } else {
        Ok(text.to_owned())
    }
}

/// An address by the HTML5 rule, at most 254 characters (requirement C-8).
///
/// # Errors
/// Anything else.
pub fn email(value: Value) -> Checked<String> {
    let text = string(value)?;
    let text = text.trim();
    if text.len() <= 254 && text.validate_email() {
        Ok(text.to_owned())
    } else {
        Err("Invalid email format".into())
    }
}

/// A telephone number by its shape, not by any numbering plan: the document's own `+1234567890` belongs to none
/// (decision 1). An optional `+`, then 7 to 15 digits, with spaces, dots, dashes and brackets between them.
///
/// # Errors
/// Anything else.
pub fn phone(value: Value) -> Checked<String> {
    let text = string(value)?;
    let text = text.trim();
    let rest = text.strip_prefix('+').unwrap_or(text);
    let digits = rest.chars().filter(char::is_ascii_digit).count();
    let shaped = rest.chars().all(|c| c.is_ascii_digit() || " ().-".contains(c));
    if shaped && (7..=15).contains(&digits) && text.len() <= 40 {
        Ok(text.to_owned())
    } else {
        Err("Invalid phone format".into())
    }
}

/// `true` or `false`.
///
/// # Errors
/// Anything else, the words as strings included.
#[expect(clippy::needless_pass_by_value, reason = "every rule takes the value")]
pub fn boolean(value: Value) -> Checked<bool> {
    match value {
        Value::Bool(value) => Ok(value),
        _ => Err("Must be true or false".into()),
    }
}

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

/// The address of a web page: `http` or `https` with a host, kept as it was typed (requirement CO-8).
///
/// # Errors
/// Anything else, `example.com` without its scheme included.
pub fn url(value: Value) -> Checked<String> {
    let text = string(value)?;
    let text = text.trim();
    let parsed = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    let Some(parsed) = parsed.filter(Url::has_host) else {
        let hint = format!("https://{text}");
        let bare = !text.contains(':') && text.contains('.') && Url::parse(&hint).is_ok();
        return Err(if bare {
            format!("Must begin with http:// or https://, such as {hint}").into()
        } else {
            "Must be an http or https address with a host".into()
        });
    };
    // The parser forgives what other readers of the text would not: missing and turned slashes, white space.
    let rest = text.get(parsed.scheme().len()..).unwrap_or_default();
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '\\';
    let host_first = rest.strip_prefix("://").is_some_and(|host| !host.starts_with('/'));
    if !host_first || !text.chars().all(plain) {
        return Err("Must be an http or https address with a host".into());
    }
    if text.chars().count() > LONGEST_URL {
        return Err(format!("Must be at most {LONGEST_URL} characters").into());
    }
    Ok(text.to_owned())
}

/// An id as answers write it: a UUID of 36 characters.
///
/// # Errors
/// Anything else, the UUID's other notations included.
pub fn id<T: FromStr>(value: Value) -> Checked<T> {
    let text = string(value)?;
    let usual = text.len() == uuid::fmt::Hyphenated::LENGTH && Uuid::parse_str(&text).is_ok();
    let id = if usual { text.parse().ok() } else { None };
    id.ok_or_else(|| "Must be a UUID".into())
}

/// One of some words, by its name: `one_of(Role::ALL, Role::as_str)`.
pub fn one_of<T: Copy>(
    all: &'static [T],
    name: fn(T) -> &'static str,
) -> impl Fn(Value) -> Checked<T> {
    move |value| {
        let known = match &value {
            Value::String(text) => all.iter().copied().find(|item| name(*item) == text),
            _ => None,
        };
        known.ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|item| name(*item)).collect();
            format!("Must be one of {}", names.join(", ")).into()
        })
    }
}

/// A moment in RFC 3339 form, of the years 1 to 9999, to the millisecond that answers show.
///
/// # Errors
/// Anything else, a time without an offset included.
pub fn time(value: Value) -> Checked<DateTime<Utc>> {
    let text = string(value)?;
    let moment = DateTime::parse_from_rfc3339(&text).ok();
    let moment =
        moment.and_then(|moment| DateTime::from_timestamp_millis(moment.timestamp_millis()));
    let moment = moment.filter(|moment| (1..=9999).contains(&moment.year()));
    moment.ok_or_else(|| "Must be a time such as 2025-11-02T10:00:00Z".into())
}

/// A list of so many items, each by a rule; every failing one is told by its place.
pub fn list<T>(
    length: RangeInclusive<usize>,
    rule: impl Fn(Value) -> Checked<T>,
) -> impl Fn(Value) -> Checked<Vec<T>> {
    move |value| {
        let items = match value {
            Value::Array(items) if length.contains(&items.len()) => items,
            _ => return Err(wanted(&length)),
        };
        let (mut good, mut faults) = (Vec::with_capacity(items.len()), Details::new());
        for (at, item) in items.into_iter().enumerate() {
            match rule(item) {
                Ok(item) => good.push(item),
                Err(fault) => faults.extend(fault.at(&format!("[{at}]"))),
            }
        }
        if faults.is_empty() { Ok(good) } else { Err(Fault::inside(faults)) }
    }
}

fn wanted(length: &RangeInclusive<usize>) -> Fault {
    match (length.start(), length.end()) {
        (0, most) => format!("Must be a list of at most {most}").into(),
        (least, most) => format!("Must be a list of {least} to {most}").into(),
    }
}

/// An object with fields of its own; every failing one is told by its path.
pub fn record<T: Input>(targets: &TargetPolicy) -> impl Fn(Value) -> Checked<T> {
    move |value| {
        let Value::Object(members) = value else { return Err("Must be an object".into()) };
        Fields::new(members, targets).read().map_err(|error| match error {
            Error::Invalid(faults) => Fault::inside(
                faults.into_iter().map(|(path, fault)| (format!(".{path}"), fault)).collect(),
            ),
            other => other.to_string().into(),
        })
    }
}
