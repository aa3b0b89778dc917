//! The rule of the tenant's own headers.

use std::collections::BTreeMap;

use serde_json::json;
use shared::webhook::headers;

use crate::error::{Details, Error, Result};
use crate::http::fields::{Change, Checked, Fault};
use crate::http::json::Value;
use crate::http::rules::{self, Rule};

/// What masked values begin with.
const MASK: char = '…';

/// An answer can be sent back as it is; but a mask says nothing of a value, so it cannot be mixed with new ones.
pub(super) fn new(
    change: Change<BTreeMap<String, String>>,
    shown: &BTreeMap<String, String>,
) -> Result<Change<BTreeMap<String, String>>> {
    let Change::Set(headers) = change else { return Ok(change) };
    if headers == *shown {
        return Ok(Change::Keep);
    }
    let masked = headers.iter().filter(|(_, value)| value.starts_with(MASK));
    let faults: Details = masked
        .map(|(name, _)| (format!("headers.{name}"), "Is masked; give the value again".to_owned()))
        .collect();
    if faults.is_empty() { Ok(Change::Set(headers)) } else { Err(Error::Invalid(faults)) }
}

/// Up to ten headers by name; every failing one is told by its place.
pub(super) fn rule() -> impl Rule<BTreeMap<String, String>> {
    rules::rule(schema_of_headers, checked_headers)
}

fn checked_headers(value: Value) -> Checked<BTreeMap<String, String>> {
    let members = match value {
        Value::Object(members) if members.len() <= headers::MOST => members,
        _ => return Err(format!("Must be an object of at most {} headers", headers::MOST).into()),
    };
    let (mut good, mut faults) = (BTreeMap::new(), Details::new());
    for (name, value) in members {
        let text = match value {
            Value::String(text) => text,
            _ => String::new(),
        };
        // A mask is looked at where it is known what is shown.
        let checked = if text.starts_with(MASK) { "masked" } else { &*text };
        let fault = match headers::check(&name, checked) {
            Err(fault) => fault.to_string(),
            Ok(kept) if good.contains_key(&kept) => "Is there twice".to_owned(),
            Ok(kept) => {
                good.insert(kept, text);
                continue;
            }
        };
        faults.insert(format!(".{name}"), fault);
    }
    if faults.is_empty() { Ok(good) } else { Err(Fault::inside(faults)) }
}

fn schema_of_headers() -> serde_json::Value {
    let any_case = |name: &str| -> String {
        let letter = |c: char| {
            if c.is_ascii_alphabetic() {
                format!("[{}{c}]", c.to_ascii_uppercase())
            } else {
                c.into()
            }
        };
        name.chars().map(letter).collect()
    };
    let names = headers::REFUSED.iter().map(|name| format!("{}$", any_case(name)));
    let refused = names.chain(headers::REFUSED_PREFIXES.iter().map(|prefix| any_case(prefix)));
    let refused = refused.collect::<Vec<_>>().join("|");
    let name = format!("^(?!{refused})[A-Za-z0-9_-]{{1,{}}}$", headers::LONGEST_NAME);
    let value = format!("^([!-~]([ -~]{{0,{}}}[!-~])?|….{{0,4}})$", headers::LONGEST_VALUE - 2);
    json!({"type": "object", "maxProperties": headers::MOST, "propertyNames": {"pattern": name},
        "additionalProperties": {"type": "string", "pattern": value}})
}

#[cfg(test)]
mod tests {
    use shared::webhook::headers::BadHeader;

    use super::*;

    #[test]
    fn every_failing_header_is_told_and_a_name_counts_in_any_case() {
        let text = |text: &str| Value::String(text.to_owned());
        let headers =
            [("Host", text("a")), ("X-A", text("b")), ("x-a", text("c")), ("x-b", Value::Null)];
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let faults: Details =
            checked_headers(Value::Object(headers)).unwrap_err().at("headers").collect();
        assert_eq!(faults["headers.Host"], BadHeader::Refused.to_string());
        assert_eq!(faults["headers.x-a"], "Is there twice");
        assert_eq!(faults["headers.x-b"], BadHeader::Value.to_string());
        assert_eq!(faults.len(), 3);
    }
}
