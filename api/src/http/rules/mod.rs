//! Rules that several resources' fields share. Each takes the JSON value and gives the clean one or says what is wrong.

mod nested;
mod number;
mod reach;
#[cfg(test)]
mod tests;

use std::str::FromStr;

use chrono::{DateTime, Datelike as _, Utc};
use uuid::Uuid;

use super::fields::Checked;
use super::json::Value;

pub use nested::{list, record};
pub use number::{decimal, integer};
pub use reach::{e164, email, phone, url};

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
