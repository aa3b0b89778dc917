//! Rules that several resources' fields share. Each checks a JSON value and tells the schema of those that pass.

mod nested;
mod number;
mod reach;
mod rule;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, Datelike as _, Utc};
use serde_json::json;
use uuid::Uuid;

use super::fields::Checked;
use super::json::Value;

pub use nested::{list, record};
pub use number::{decimal, integer};
pub use reach::{email, phone, url};
pub use rule::{Rule, rule};
pub use shared::contacts::e164;

/// A character that is no control character stands between others of its kind, as `line` has it.
const LINE: &str = r"^[^\x00-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x1F\x7F-\x9F]*$";

/// The same with tabs and line ends, as `text` has it.
const TEXT: &str = r"^[^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*[^\s\x00-\x1F\x7F-\x9F][^\x00-\x08\x0B\x0C\x0E-\x1F\x7F-\x9F]*$";

/// Characters that show nothing, or turn the text around. Joiners are not among them: Persian and Hindi need them.
const UNSEEN: &[RangeInclusive<char>] = &[
    '\u{AD}'..='\u{AD}',
    '\u{61C}'..='\u{61C}',
    '\u{115F}'..='\u{1160}',
    '\u{180E}'..='\u{180E}',
    '\u{200B}'..='\u{200B}',
    '\u{200E}'..='\u{200F}',
    '\u{2028}'..='\u{202E}',
    '\u{2060}'..='\u{206F}',
    '\u{3164}'..='\u{3164}',
    '\u{FEFF}'..='\u{FEFF}',
    '\u{FFA0}'..='\u{FFA0}',
];

/// The same and control characters, inside the brackets of a pattern.
const NOT_IN_LABEL: &str = r"\x00-\x1F\x7F-\x9F\u00AD\u061C\u115F\u1160\u180E\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0";

/// Any string that PostgreSQL can hold: without NUL characters.
pub fn string() -> impl Rule<String> {
    rule(|| json!({"type": "string", "pattern": r"^[^\x00]*$"}), plain)
}

/// A string of a form that its check knows and its schema tells.
pub fn string_of<T>(
    schema: impl Fn() -> serde_json::Value,
    check: impl Fn(String) -> Checked<T>,
) -> impl Rule<T> {
    rule(schema, move |value| check(plain(value)?))
}

fn plain(value: Value) -> Checked<String> {
    match value {
        Value::String(text) if text.contains('\0') => Err("Must not contain NUL characters".into()),
        Value::String(text) => Ok(text),
        _ => Err("Must be a string".into()),
    }
}

/// One line of `1` to `most` characters after trimming (requirement C-7: Unicode scalar values, not bytes).
pub fn line(most: usize) -> impl Rule<String> {
    let schema =
        move || json!({"type": "string", "minLength": 1, "maxLength": most, "pattern": LINE});
    string_of(schema, move |text| trimmed(&text, most, char::is_control))
}

/// The same for what somebody is to recognise another by: nothing in it is invisible or turns the text around.
pub fn label(most: usize) -> impl Rule<String> {
    let pattern =
        || format!("^[^{NOT_IN_LABEL}]*[^\\s\\u200C\\u200D{NOT_IN_LABEL}][^{NOT_IN_LABEL}]*$");
    let schema =
        move || json!({"type": "string", "minLength": 1, "maxLength": most, "pattern": pattern()});
    let forbidden = |c: char| c.is_control() || UNSEEN.iter().any(|unseen| unseen.contains(&c));
    string_of(schema, move |text| {
        let shown = |c: char| !c.is_whitespace() && !matches!(c, '\u{200C}' | '\u{200D}');
        let text = if text.chars().any(shown) { text } else { String::new() };
        trimmed(&text, most, forbidden)
    })
}

/// Lines of `1` to `most` characters together after trimming, with tabs and line ends of any kind.
pub fn text(most: usize) -> impl Rule<String> {
    let schema =
        move || json!({"type": "string", "minLength": 1, "maxLength": most, "pattern": TEXT});
    let forbidden = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    string_of(schema, move |text| trimmed(&text, most, forbidden))
}

fn trimmed(text: &str, most: usize, forbidden: impl Fn(char) -> bool) -> Checked<String> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > most {
        Err(format!("Must be 1 to {most} characters").into())
    } else if text.chars().any(forbidden) {
        Err("Must not contain control characters".into())
    } else {
        Ok(text.to_owned())
    }
}

/// `true` or `false`; not the words as strings.
pub fn boolean() -> impl Rule<bool> {
    rule(
        || json!({"type": "boolean"}),
        |value| match value {
            Value::Bool(value) => Ok(value),
            _ => Err("Must be true or false".into()),
        },
    )
}

/// An id as answers write it: a UUID of 36 characters, in none of its other notations.
pub fn id<T: FromStr>() -> impl Rule<T> {
    let schema = || json!({"type": "string", "format": "uuid"});
    string_of(schema, |text| {
        let usual = text.len() == uuid::fmt::Hyphenated::LENGTH && Uuid::parse_str(&text).is_ok();
        let id = if usual { text.parse().ok() } else { None };
        id.ok_or_else(|| "Must be a UUID".into())
    })
}

/// One of some words, by its name: `one_of(Role::ALL, Role::as_str)`.
pub fn one_of<T: Copy>(all: &'static [T], name: fn(T) -> &'static str) -> impl Rule<T> {
    let words = move || all.iter().map(|item| name(*item)).collect::<Vec<_>>();
    let schema = move || json!({"type": "string", "enum": words()});
    rule(schema, move |value| {
        let known = match &value {
            Value::String(text) => all.iter().copied().find(|item| name(*item) == text),
            _ => None,
        };
        known.ok_or_else(|| format!("Must be one of {}", words().join(", ")).into())
    })
}

/// One of some words, which stays a word.
pub fn word(all: &'static [&'static str]) -> impl Rule<String> {
    one_of(all, |word| word).then(|word| Ok(word.to_owned()))
}

/// A moment in RFC 3339 form with its offset, of the years 1 to 9999, to the millisecond that answers show.
pub fn time() -> impl Rule<DateTime<Utc>> {
    let schema = || json!({"type": "string", "format": "date-time"});
    string_of(schema, |text| {
        let moment = DateTime::parse_from_rfc3339(&text).ok();
        let moment =
            moment.and_then(|moment| DateTime::from_timestamp_millis(moment.timestamp_millis()));
        let moment = moment.filter(|moment| (1..=9999).contains(&moment.year()));
        moment.ok_or_else(|| "Must be a time such as 2025-11-02T10:00:00Z".into())
    })
}
