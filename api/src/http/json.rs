//! JSON as requests send it (RFC 8259), read strictly: member names are unique (RFC 7493, 2.3), nesting is bounded,
//! and a number keeps its text, because a binary float would lose digits of an amount.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::number::Number;
use crate::error::{Error, Result};

/// Lists and objects inside each other, the outermost included.
pub const MAX_DEPTH: usize = 16;

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
    value(whole, 0).map_err(|fault| Error::InvalidJson(fault.to_string()))
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

fn value(raw: &RawValue, depth: usize) -> std::result::Result<Value, Fault> {
    let text = raw.get();
    Ok(match text.as_bytes().first() {
        Some(b'{' | b'[') if depth == MAX_DEPTH => {
            return Err(Fault::new(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        Some(b'{') => Value::Object(object(text, depth)?),
        Some(b'[') => Value::Array(array(text, depth)?),
        Some(b'"') => Value::String(serde_json::from_str(text).map_err(lone_surrogate)?),
        Some(b't') => Value::Bool(true),
        Some(b'f') => Value::Bool(false),
        Some(b'n') => Value::Null,
        _ => Value::Number(Number::written(text)),
    })
}

fn array(text: &str, depth: usize) -> std::result::Result<Vec<Value>, Fault> {
    let items: Vec<&RawValue> = serde_json::from_str(text).map_err(lone_surrogate)?;
    let items = items.into_iter().enumerate();
    items
        .map(|(at, item)| value(item, depth + 1).map_err(|fault| fault.inside(&format!("[{at}]"))))
        .collect()
}

fn object(text: &str, depth: usize) -> std::result::Result<Members, Fault> {
    let entries: Entries<'_> = serde_json::from_str(text).map_err(lone_surrogate)?;
    let mut members = Members::new();
    for (name, raw) in entries.0 {
        let step = format!(".{name}");
        let value = value(raw, depth + 1).map_err(|fault| fault.inside(&step))?;
        if members.insert(name, value).is_some() {
            return Err(Fault::new("given twice").inside(&step));
        }
    }
    Ok(members)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: impl AsRef<[u8]>) -> String {
        match parse(text.as_ref()) {
            Err(Error::InvalidJson(fault)) => fault,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_kind_of_value_is_read_as_it_was_written() {
        let read = parse(
            r#" {"a":[null,true,false,-0,1.50E+3,"\u00e9\ud83d\ude00\u0000"],"":{}} "#.as_bytes(),
        );
        let number = |text| Value::Number(Number::written(text));
        let items = vec![
            Value::Null,
            Value::Bool(true),
            Value::Bool(false),
            number("-0"),
            number("1.50E+3"),
            Value::String("é😀\0".to_owned()),
        ];
        let members =
            [("a".to_owned(), Value::Array(items)), (String::new(), Value::Object(Members::new()))];
        assert_eq!(read.unwrap(), Value::Object(Members::from(members)));
    }

    #[test]
    fn a_name_given_twice_is_told_with_its_path_at_any_depth_and_however_it_is_written() {
        for (text, path) in [
            (r#"{"a":1,"a":1}"#, "a"),
            (r#"{"a":1,"b":2,"\u0061":3}"#, "a"),
            (r#"{"stages":[{},{"name":1,"name":2}]}"#, "stages[1].name"),
            (r#"[{"a":{"b":null,"b":null}}]"#, "[0].a.b"),
            (r#"{"":1,"":2}"#, ""),
        ] {
            let expected = if path.is_empty() {
                "given twice".to_owned()
            } else {
                format!("{path}: given twice")
            };
            assert_eq!(fault(text), expected);
        }
        assert!(parse(br#"{"a":{"a":{"a":1}},"A":1}"#).is_ok());
    }

    #[test]
    fn nesting_ends_at_its_limit_however_much_of_it_there_is() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(fault(nested(MAX_DEPTH + 1)).ends_with("nested deeper than 16 levels"));
        assert!(fault(nested(500_000)).ends_with("nested deeper than 16 levels"));
        assert!(fault("[".repeat(1_000_000)).starts_with("EOF while parsing"));
        assert!(fault(r#"{"a":"#.repeat(17) + "1" + &"}".repeat(17)).starts_with("a.a.a.a"));
    }

    #[test]
    fn what_is_no_text_of_the_grammar_is_refused() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            "{\"a\":1,}",
            "{a:1}",
            "{'a':1}",
            "[01]",
            "[1.]",
            "[.5]",
            "[+1]",
            "[1e]",
            "[0x1]",
            "[NaN]",
            "[Infinity]",
            "[nul]",
            "[\"\t\"]",
            "[\"\\x\"]",
            "[\"\\u12g4\"]",
            "\u{feff}{}",
            "{} {}",
            "{}//",
            "\0",
        ] {
            fault(text);
        }
        assert_eq!(fault(b"[\"\xff\"]"), "no UTF-8 after 2 bytes");
        // An overlong form of /, and a surrogate in UTF-8.
        for bytes in [&b"[\"\xc0\xaf\"]"[..], b"[\"\xed\xa0\x80\"]", b"[\"\xf0\x9f\"]"] {
            assert_eq!(fault(bytes), "no UTF-8 after 2 bytes");
        }
    }

    #[test]
    fn a_lone_surrogate_is_refused_in_values_and_names() {
        for text in [
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\udc00"}"#,
            r#"{"a":"\ud800\ud800"}"#,
            r#"{"a":"\ud83dx"}"#,
        ] {
            assert_eq!(fault(text), "a: a lone surrogate");
        }
        assert_eq!(fault(r#"{"\ud800":1}"#), "a lone surrogate");
        assert_eq!(fault(r#"[{"\udfff":1}]"#), "[0]: a lone surrogate");
    }
}
