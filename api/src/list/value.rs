//! What filters compare with, read from text.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::column::Kind;
use crate::http::rules;

/// Values that one filter may name.
pub(crate) const MAX_VALUES: usize = 100;

/// One value of a filter, as the database compares it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    /// Lowered by the database, as the column is: two languages' rules would not always agree.
    Folded(String),
    Time(DateTime<Utc>),
    Whole(i64),
    Bool(bool),
    Id(Uuid),
    Null,
}

/// Values divided by commas.
pub(super) fn values(kind: Kind, text: &str) -> Result<Vec<Value>, String> {
    let (mut values, mut rest) = (Vec::new(), Some(text));
    while let Some(text) = rest {
        if values.len() == MAX_VALUES {
            return Err(format!("Must name at most {MAX_VALUES} values"));
        }
        let value;
        (value, rest) = first(text);
        values.push(Value::read(kind, &value)?);
    }
    Ok(values)
}

/// The first value and what is behind its comma. One between double quotes may hold commas, and a quote twice (RFC
/// 4180); white space around it is none of it.
fn first(text: &str) -> (Cow<'_, str>, Option<&str>) {
    if let Some(inside) = text.trim_start().strip_prefix('"') {
        let mut quotes = inside.match_indices('"').map(|(at, _)| at);
        while let Some(at) = quotes.next() {
            let behind = &inside[at + 1..];
            if behind.starts_with('"') {
                quotes.next();
                continue;
            }
            let behind = behind.trim_start();
            if behind.is_empty() || behind.starts_with(',') {
                return (inside[..at].replace("\"\"", "\"").into(), behind.strip_prefix(','));
            }
            break;
        }
    }
    match text.split_once(',') {
        Some((value, rest)) => (value.into(), Some(rest)),
        None => (text.into(), None),
    }
}

/// The hint for a `+` that was not escaped: in a query it is a space.
const PLUS: &str = "; a + is written %2B";

impl Value {
    /// White space around a value is cut off, as it was when the records were written.
    pub fn read(kind: Kind, text: &str) -> Result<Self, String> {
        if text.contains('\0') {
            return Err("Must not contain NUL characters".to_owned());
        }
        let text = text.trim();
        match kind {
            Kind::Folded => Ok(Self::Folded(text.to_owned())),
            Kind::Exact | Kind::Event => Ok(Self::Text(text.to_owned())),
            Kind::Phone => rules::e164(text)
                .map(Self::Text)
                // The + may have been there: in a query it is a space, and spaces at the ends are cut off.
                .ok_or_else(|| format!("Must start with + and the country code{PLUS}")),
            Kind::OneOf(words) if words.contains(&text) => Ok(Self::Text(text.to_owned())),
            Kind::OneOf(words) => Err(format!("Must be one of {}", words.join(", "))),
            Kind::Time => time(text).map(Self::Time).ok_or_else(|| {
                let hint = if text.contains(' ') { PLUS } else { "" };
                format!("Must be a time such as 2026-01-02T03:04:05Z, or a day{hint}")
            }),
            Kind::Integer => {
                text.parse().map(Self::Whole).map_err(|_| "Must be a whole number".to_owned())
            }
            Kind::Number(digits) => shifted(text, digits).map(Self::Whole).ok_or_else(|| {
                format!("Must be a number with at most {digits} digits behind the point")
            }),
            Kind::Bool => {
                text.parse().map(Self::Bool).map_err(|_| "Must be true or false".to_owned())
            }
            Kind::Id => Uuid::try_parse(text)
                .map(Self::Id)
                .map_err(|_| "Must be an id, which is a UUID".to_owned()),
        }
    }

    /// Reads a sort's value as the database wrote it: its text is what it is, in lower case already.
    pub fn read_sorted(kind: Kind, text: &str) -> Option<Self> {
        match kind {
            Kind::Time => Self::read(kind, text).ok(),
            Kind::Integer | Kind::Number(_) => text.parse().ok().map(Self::Whole),
            Kind::Bool => text.parse().ok().map(Self::Bool),
            Kind::Id => Uuid::try_parse(text).ok().map(Self::Id),
            Kind::Folded | Kind::Phone | Kind::OneOf(_) | Kind::Exact | Kind::Event => {
                Some(Self::Text(text.to_owned()))
            }
        }
    }
}

/// A time, or a day's first moment in UTC.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let is_day = text.len() == "2026-01-02".len();
    // The form is that of a time in either case: by itself, chrono takes a date of the year -9999 too.
    let text = if is_day { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Some(DateTime::parse_from_rfc3339(&text).ok()?.to_utc())
}

/// A decimal number without its point: `12.5` with two digits is 1250.
fn shifted(text: &str, digits: u32) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = usize::try_from(digits).ok()?;
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !plain(whole.strip_prefix('-').unwrap_or(whole)) || !plain(fraction) {
        return None;
    }
    let fraction = fraction.trim_end_matches('0');
    (fraction.len() <= digits).then(|| format!("{whole}{fraction:0<digits$}").parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_compared_without_its_point() {
        for (text, whole) in [
            ("12.5", Some(1250)),
            ("12", Some(1200)),
            ("-0.07", Some(-7)),
            ("1.000", Some(100)),
            ("92233720368547758.07", Some(i64::MAX)),
            ("92233720368547758.08", None),
            ("1.005", None),
            (".5", None),
            ("5.", None),
            ("1e3", None),
            ("--1", None),
            ("+1", None),
            ("", None),
            ("١", None),
        ] {
            assert_eq!(shifted(text, 2), whole, "{text:?}");
        }
        assert_eq!(shifted("3.5", 0), None);
    }

    #[test]
    fn values_are_divided_by_commas_but_not_within_quotes() {
        for (text, divided) in [
            ("a,b", &["a", "b"][..]),
            (r#""Acme, Inc.",Globex"#, &["Acme, Inc.", "Globex"]),
            (r#""say ""hi"", you","#, &[r#"say "hi", you"#, ""]),
            (r#""open, end"#, &[r#""open"#, "end"]),
            (r#" a , "b, c" , "d""#, &["a", "b, c", "d"]),
            (r#"a"b, c" "d,e"#, &[r#"a"b"#, r#"c" "d"#, "e"]),
            (r#""a"b,c"#, &[r#""a"b"#, "c"]),
            ("\"\"", &[""]),
            ("", &[""]),
        ] {
            let divided: Vec<_> = divided.iter().map(|text| Value::Text((*text).into())).collect();
            assert_eq!(values(Kind::Exact, text), Ok(divided), "{text}");
        }
        let most = |count| values(Kind::Exact, &vec!["a"; count].join(","));
        assert!(most(MAX_VALUES).is_ok() && most(MAX_VALUES + 1).is_err());
    }

    #[test]
    fn every_kind_says_what_it_wants() {
        for (kind, good, bad) in [
            (Kind::Integer, "-3", "3.5"),
            (Kind::Integer, "9223372036854775807", "9223372036854775808"),
            (Kind::Number(2), "3.25", "3.255"),
            (Kind::Bool, "false", "no"),
            (Kind::Id, "01a2036c-0d4c-7400-87c8-25f570a5ef21", "contact-123"),
            (Kind::Time, "2026-01-02T03:04:05+01:00", "2026-13-02T03:04:05Z"),
            (Kind::Time, "2026-01-02", "2026-1-0002"),
            (Kind::OneOf(&["new", "won"]), "won", "Won"),
        ] {
            assert!(Value::read(kind, good).is_ok(), "{kind:?} {good}");
            assert!(Value::read(kind, bad).is_err(), "{kind:?} {bad}");
        }
    }
}
