//! What the parameters of a query may be: of lists for every column and operator, of any route for `expand`.

use serde_json::{Value, json};

use super::expand::Expansion;
use crate::event_log;
use crate::list::{Column, DEFAULT_SIZE, Kind, List, MAX_DEPTH, MAX_SIZE, MAX_VALUES, Operator};

/// Text without what no parameter may hold: NUL, and the sign for what is not UTF-8.
const TEXT: &str = r"^[^\x00�]*$";
/// The same for one of several values, which commas divide.
const ITEM: &str = r"^[^,\x00�]*$";
/// The same, 3 to 100 characters besides the white space around them.
const SEARCH: &str = r"^\s*[^\s\x00�][^\x00�]{1,98}[^\s\x00�]\s*$";

/// A parameter of a query.
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it does.
    pub what: String,
    /// What it may be, as JSON Schema; an array is written with commas.
    pub schema: Value,
}

impl Parameter {
    /// A parameter.
    #[must_use]
    pub fn new(name: impl Into<String>, what: impl Into<String>, schema: Value) -> Self {
        Self { name: name.into(), what: what.into(), schema }
    }
}

/// Everything that can be asked of a list.
pub(super) fn of_list(list: &List) -> Vec<Parameter> {
    let sorts =
        list.sort_names().into_iter().flat_map(|name| [name.to_owned(), format!("-{name}")]);
    let sorts: Vec<String> = sorts.collect();
    let mut all = vec![
        Parameter::new(
            "page",
            "The page, the first when it is absent; not beyond record 100,000, and not beside `cursor`",
            json!({"type": "integer", "minimum": 1, "maximum": MAX_DEPTH}),
        ),
        Parameter::new(
            "pageSize",
            "Records per page",
            json!({"type": "integer", "minimum": 1, "maximum": MAX_SIZE, "default": DEFAULT_SIZE}),
        ),
        Parameter::new(
            "cursor",
            "Goes on behind a page: its `nextCursor`, with the same filters and no `page`",
            json!({"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}),
        ),
        Parameter::new(
            "sort",
            format!(
                "What to sort by; a leading `-` turns it round. `{}` when it is absent",
                list.default_sort
            ),
            json!({"type": "string", "enum": sorts}),
        ),
        Parameter::new(
            "total",
            "`exact` counts to the end, `estimate` to 10,000, as when it is absent; not beside `cursor`",
            json!({"type": "string", "enum": ["estimate", "exact"]}),
        ),
        Parameter::new(
            "ids",
            "Records with one of these ids",
            several(&json!({"type": "string", "format": "uuid"})),
        ),
    ];
    if list.search.is_some() {
        all.push(Parameter::new(
            "q",
            "Records that contain this text of 3 to 100 characters, in any case",
            json!({"type": "string", "minLength": 3, "pattern": SEARCH}),
        ));
    }
    all.extend(expand(list.expansions));
    all.extend(list.columns.iter().flat_map(of_column));
    all
}

fn of_column(column: &Column) -> impl Iterator<Item = Parameter> + '_ {
    column.operators().iter().map(|operator| {
        let schema = match operator {
            _ if matches!(column.kind, Kind::Event) => {
                json!({"type": "array", "minItems": 1, "items": value(column.kind, ITEM)})
            }
            Operator::In => several(&value(column.kind, ITEM)),
            Operator::Is if matches!(column.kind, Kind::Id) => {
                json!({"anyOf": [value(column.kind, TEXT), {"type": "string", "enum": ["null"]}]})
            }
            _ => value(column.kind, TEXT),
        };
        Parameter::new(operator.parameter(column.name), operator.describe(column), schema)
    })
}

fn several(item: &Value) -> Value {
    json!({"type": "array", "minItems": 1, "maxItems": MAX_VALUES, "items": item})
}

fn value(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Folded | Kind::Exact => json!({"type": "string", "pattern": text}),
        Kind::Phone => json!({"type": "string", "pattern": r"^\+[^\x00�]*$"}),
        Kind::OneOf(words) => json!({"type": "string", "enum": words}),
        Kind::Event => {
            json!({"type": "string", "enum": event_log::patterns().collect::<Vec<_>>()})
        }
        Kind::Time => {
            json!({"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]})
        }
        Kind::Integer => json!({"type": "integer", "format": "int64"}),
        Kind::Number(digits) => {
            let most = i64::MAX / 10_i64.pow(digits);
            let pattern =
                format!(r"^-?[0-9]{{1,{}}}(\.[0-9]{{1,{digits}}})?$", digits_of(most) - 1);
            json!({"type": "string", "pattern": pattern})
        }
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Id => json!({"type": "string", "format": "uuid"}),
    }
}

fn digits_of(number: i64) -> usize {
    number.to_string().len()
}

/// The parameter that names records to add, where there are any.
pub(super) fn expand(expansions: &[Expansion]) -> Option<Parameter> {
    let beside =
        |one: &Expansion| format!("`{0}` adds `{0}Record` beside `{1}`", one.name, one.member);
    let all: Vec<_> = expansions.iter().map(beside).collect();
    let names: Vec<_> = expansions.iter().map(|expansion| expansion.name).collect();
    let what = format!("Records that are referred to, divided by commas: {}", all.join(", "));
    let schema =
        json!({"type": "array", "minItems": 1, "items": {"type": "string", "enum": names}});
    (!all.is_empty()).then(|| Parameter::new("expand", what, schema))
}
