//! The list grammar, once for all resources (docs/decisions/0011): pages and cursors, `sort`, `q`, `ids`, `expand`,
//! `field=…` and `field[gte]=…` over the columns that a resource allows. A parameter that means nothing is an error.

mod column;
mod cursor;
mod filter;
mod links;
mod operator;
mod query;
mod search;
mod sql;
mod total;
mod value;

pub use column::{Column, Kind};
pub use operator::Operator;
pub(crate) use query::MAX_DEPTH;
pub use query::{DEFAULT_SIZE, ListQuery, MAX_SIZE};
pub use sql::Source;
pub(crate) use value::MAX_VALUES;

use crate::http::expand::Expansion;

/// What a resource lets callers ask of its list.
pub struct List {
    /// What can be filtered by, besides `ids`.
    pub columns: &'static [Column],
    /// What can be sorted by: the name, which one of `columns` has too, and the column, which is never null in what is
    /// listed and has an index `(tenant_id, column, id)`.
    pub sorts: &'static [(&'static str, &'static str)],
    /// The sort when none is asked for, as the parameter would say it.
    pub default_sort: &'static str,
    /// What `q` looks into.
    pub search: Option<Search>,
    /// What `expand` can name.
    pub expansions: &'static [Expansion],
}

/// Where `q` is looked for (docs/decisions/0004).
pub struct Search {
    /// The definer function that finds the ids of rows like a pattern.
    pub function: &'static str,
    /// The column of lower-case text that it compares.
    pub column: &'static str,
}

impl List {
    /// The names that `sort` accepts.
    #[must_use]
    pub fn sort_names(&self) -> Vec<&'static str> {
        self.sorts.iter().map(|(name, _)| *name).collect()
    }
}

/// How a list is ordered.
#[derive(Clone, Copy)]
struct Sort {
    name: &'static str,
    column: &'static str,
    kind: Kind,
    descending: bool,
}

impl Sort {
    /// Reads `name` or `-name`.
    fn read(list: &'static List, text: &str) -> Result<Self, String> {
        let wanted = text.strip_prefix('-').unwrap_or(text);
        let find = |(name, _): &&(&str, &str)| *name == wanted;
        let (name, column) = list.sorts.iter().find(find).copied().ok_or_else(|| {
            format!("Must be one of {}, with or without a leading -", list.sort_names().join(", "))
        })?;
        let kind = list.columns.iter().find(|column| column.name == name);
        let kind = kind.map_or(Kind::Exact, |column| column.kind);
        Ok(Self { name, column, kind, descending: text.starts_with('-') })
    }

    /// As the parameter says it.
    fn text(&self) -> String {
        format!("{}{}", if self.descending { "-" } else { "" }, self.name)
    }
}
