//! JSON as requests send it (RFC 8259), read strictly: member names are unique (RFC 7493, 2.3), nesting is bounded,
//! and a number keeps its text, because a binary float would lose digits of an amount.

mod number;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, Result};
pub use number::Number;

/// Lists and objects inside each other, the outermost included.
pub const MAX_DEPTH: usize = 16;

/// Values in one text, those inside others counted: each takes up to forty times the memory of its text.
pub const MAX_VALUES: usize = 20_000;

/// Characters of a member's name that a fault shows: the rest of a longer one tells nobody anything.
const SHOWN: usize = 64;

/// The members of an object.
pub type Members = BTreeMap<String, Value>;

/// Any JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it was written.
    Number(Number),
    /// A string without its escapes.
    String(String),
    /// A list.
    Array(Vec<Value>),
    /// An object.
    Object(Members),
}

/// Reads one JSON text.
///
/// # Errors
/// [`Error::InvalidJson`] with the place: a line and column, or the path of the member.
pub fn parse(text: &[u8]) -> Result<Value> {
    let text = std::str::from_utf8(text).map_err(|error| {
        Error::InvalidJson(format!("no UTF-8 after {} bytes", error.valid_up_to()))
    })?;
    // Checks the grammar of the whole without recursion; what is left to find is found member by member.
    let whole =
        serde_json::from_str(text).map_err(|error| Error::InvalidJson(error.to_string()))?;
    let mut left = MAX_VALUES;
    value(whole, 0, &mut left).map_err(|fault| Error::InvalidJson(fault.to_string()))
}

/// What is wrong inside a text whose grammar is right.
struct Fault {
    path: String,
    what: String,
}

impl Fault {
    fn new(what: impl Into<String>) -> Self {
        Self { path: String::new(), what: what.into() }
    }

    /// The same, seen from one level further out.
    fn inside(self, step: &str) -> Self {
        Self { path: format!("{step}{}", self.path), what: self.what }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.trim_start_matches('.') {
            "" => f.write_str(&self.what),
            path => write!(f, "{path}: {}", self.what),
        }
    }
}

fn value(raw: &RawValue, depth: usize, left: &mut usize) -> std::result::Result<Value, Fault> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'{' | b'[') if depth == MAX_DEPTH => {
            return Err(Fault::new(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Some(b'{') => Value::Object(object(text, depth, left)?),
        Some(b'[') => Value::Array(array(text, depth, left)?),
        Some(b'"') => Value::String(serde_json::from_str(text).map_err(lone_surrogate)?),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ => Value::Number(Number::written(text)),
    })
}

fn array(text: &str, depth: usize, left: &mut usize) -> std::result::Result<Vec<Value>, Fault> {
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(lone_surrogate)?;
    spend(left, items.len())?;
    let items = items.into_iter().enumerate();
    items
        .map(|(at, item)| {
            value(item, depth + 1, left).map_err(|fault| fault.inside(&format!("[{at}]")))
        })
        .collect()
}

fn object(text: &str, depth: usize, left: &mut usize) -> std::result::Result<Members, Fault> {
    let entries: Entries<'_> = serde_json::from_str(text).map_err(lone_surrogate)?;
    spend(left, entries.0.len())?;
    let mut members = Members::new();
    for (name, raw) in entries.0 {
        let step = step(&name);
        let value = value(raw, depth + 1, left).map_err(|fault| fault.inside(&step))?;
        if members.insert(name, value).is_some() {
            return Err(Fault::new("given twice").inside(&step));
        }
    }
    Ok(members)
}

/// Takes so many values from those that are left.
fn spend(left: &mut usize, values: usize) -> std::result::Result<(), Fault> {
    let rest = left.checked_sub(values);
    *left = rest.ok_or_else(|| Fault::new(format!("more than {MAX_VALUES} values")))?;
    Ok(())
}

/// A member as a step of a path.
fn step(name: &str) -> String {
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!(".{}…", &name[..end]),
        None => format!(".{name}"),
    }
}

/// The one fault of a string that the grammar allows (RFC 8259, 8.2).
fn lone_surrogate(_: serde_json::Error) -> Fault {
    Fault::new("a lone surrogate")
}

/// The members of an object in their order, those given twice included.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        from.deserialize_map(Reader)
    }
}
