//! The list grammar, once for all resources: `page`, `pageSize`, `sort`, `q`, `field=…` and `field[gte]=…` over the
//! columns that a resource allows. A parameter that means nothing is an error, never ignored.

mod sql;

use chrono::{DateTime, Utc};

pub use sql::Source;

use crate::error::{Details, Error, Result};
use crate::http::rules;

/// The `pageSize` when none is given.
pub const DEFAULT_SIZE: i64 = 20;
/// The largest `pageSize`.
pub const MAX_SIZE: i64 = 100;
/// More parameters than any sensible request has.
const MAX_PARAMETERS: usize = 50;
/// The last record that a page may reach; see [`ListQuery::parse`].
const MAX_DEPTH: i64 = 100_000;

/// What a resource lets callers ask of its list.
pub struct List {
    /// What can be filtered by.
    pub columns: &'static [Column],
    /// What can be sorted by: the name, and the column.
    pub sorts: &'static [(&'static str, &'static str)],
    /// The sort when none is asked for, as the parameter would say it.
    pub default_sort: &'static str,
    /// The definer function that answers `q` (docs/decisions/0004).
    pub search: Option<&'static str>,
}

impl List {
    /// The names that `sort` accepts.
    #[must_use]
    pub fn sort_names(&self) -> Vec<&'static str> {
        self.sorts.iter().map(|(name, _)| *name).collect()
    }
}

/// A field that lists can be filtered by.
pub struct Column {
    /// The parameter.
    pub name: &'static str,
    /// The column.
    pub sql: &'static str,
    /// What its values are.
    pub kind: Kind,
}

/// What a filter's values are.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Text compared without regard to case; the column holds it in lower case.
    Folded,
    /// A telephone number, compared in E.164 form.
    Phone,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Text compared as it is.
    Exact,
    /// A time, RFC 3339.
    Time,
}

/// How a filter compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `field=` is equal.
    Is,
    /// `field[in]=` is any of a list divided by commas.
    In,
    /// `field[gt]=`.
    Above,
    /// `field[gte]=`.
    From,
    /// `field[lt]=`.
    Below,
    /// `field[lte]=`.
    UpTo,
}

impl Operator {
    const ALL: [(Operator, &'static str); 6] = [
        (Operator::Is, ""),
        (Operator::In, "[in]"),
        (Operator::Above, "[gt]"),
        (Operator::From, "[gte]"),
        (Operator::Below, "[lt]"),
        (Operator::UpTo, "[lte]"),
    ];

    /// The parameter's whole name.
    #[must_use]
    pub fn parameter(self, column: &str) -> String {
        let suffix = Self::ALL
            .iter()
            .find(|(operator, _)| *operator == self)
            .map_or("", |(_, suffix)| suffix);
        format!("{column}{suffix}")
    }

    /// A sentence for the documentation.
    #[must_use]
    pub fn describe(self, column: &str) -> String {
        match self {
            Self::Is => format!("`{column}` is this"),
            Self::In => format!("`{column}` is one of these, divided by commas"),
            Self::Above => format!("`{column}` is after this"),
            Self::From => format!("`{column}` is this or after"),
            Self::Below => format!("`{column}` is before this"),
            Self::UpTo => format!("`{column}` is this or before"),
        }
    }
}

impl Column {
    /// What can be asked of this column.
    #[must_use]
    pub fn operators(&self) -> &'static [Operator] {
        match self.kind {
            Kind::Time => {
                &[Operator::Is, Operator::Above, Operator::From, Operator::Below, Operator::UpTo]
            }
            _ => &[Operator::Is, Operator::In],
        }
    }

    fn value(&self, text: &str) -> std::result::Result<FilterValue, String> {
        if text.contains('\0') {
            return Err("Must not contain NUL characters".to_owned());
        }
        match self.kind {
            Kind::Folded => Ok(FilterValue::Folded(text.trim().to_owned())),
            Kind::Exact => Ok(FilterValue::Text(text.to_owned())),
            Kind::Phone => rules::e164(text.trim())
                .map(FilterValue::Text)
                .ok_or_else(|| "Must start with + and the country code".to_owned()),
            Kind::OneOf(words) if words.contains(&text) => Ok(FilterValue::Text(text.to_owned())),
            Kind::OneOf(words) => Err(format!("Must be one of {}", words.join(", "))),
            Kind::Time => DateTime::parse_from_rfc3339(text)
                .map(|time| FilterValue::Time(time.to_utc()))
                .map_err(|_| "Must be a time such as 2026-01-02T03:04:05Z".to_owned()),
        }
    }
}

enum FilterValue {
    Text(String),
    /// Lowered by the database, as the column is: two languages' rules would not always agree.
    Folded(String),
    Time(DateTime<Utc>),
}

struct Filter {
    column: &'static str,
    operator: Operator,
    values: Vec<FilterValue>,
}

/// What one request asks of a list.
pub struct ListQuery {
    page: i64,
    size: i64,
    sort: &'static str,
    descending: bool,
    search: Option<(&'static str, String)>,
    filters: Vec<Filter>,
}

impl ListQuery {
    /// Reads a query string.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming every parameter that is unknown, repeated or wrong; and a page beyond record
    /// 100,000, which would have to be counted through.
    pub fn parse(list: &'static List, query: &str) -> Result<Self> {
        let mut parsed = Self {
            page: 1,
            size: DEFAULT_SIZE,
            sort: "",
            descending: false,
            search: None,
            filters: Vec::new(),
        };
        let mut faults = Details::new();
        let mut seen = Vec::new();
        let sorted = parsed.sort_by(list, list.default_sort);
        debug_assert!(sorted.is_ok(), "the default sort is one of the sorts");
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if seen.len() == MAX_PARAMETERS {
                return Err(Error::BadRequest("Too many query parameters".into()));
            }
            let read = if seen.contains(&name) {
                Err("Is given twice".to_owned())
            } else {
                parsed.read(list, &name, value.trim())
            };
            if let Err(fault) = read {
                faults.insert(name.clone().into_owned(), fault);
            }
            seen.push(name);
        }
        if faults.is_empty() && parsed.page.saturating_mul(parsed.size) > MAX_DEPTH {
            faults.insert(
                "page".into(),
                format!("Must not reach beyond record {MAX_DEPTH}; narrow the list instead"),
            );
        }
        if faults.is_empty() { Ok(parsed) } else { Err(Error::Invalid(faults)) }
    }

    fn read(
        &mut self,
        list: &'static List,
        name: &str,
        value: &str,
    ) -> std::result::Result<(), String> {
        match name {
            "page" => self.page = number(value, i64::MAX)?,
            "pageSize" => self.size = number(value, MAX_SIZE)?,
            "sort" => self.sort_by(list, value)?,
            "q" => self.search = Some(search(list, value)?),
            // The route's guard has read it.
            "fields" => {}
            _ => self.filters.push(filter(list, name, value)?),
        }
        Ok(())
    }

    fn sort_by(&mut self, list: &'static List, value: &str) -> std::result::Result<(), String> {
        let name = value.strip_prefix('-').unwrap_or(value);
        let (_, column) = list.sorts.iter().find(|(known, _)| *known == name).ok_or_else(|| {
            format!("Must be one of {}, with or without a leading -", list.sort_names().join(", "))
        })?;
        self.sort = column;
        self.descending = value.starts_with('-');
        Ok(())
    }
}

fn number(value: &str, most: i64) -> std::result::Result<i64, String> {
    match value.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ if most == i64::MAX => Err("Must be a whole number of at least 1".into()),
        _ => Err(format!("Must be a whole number from 1 to {most}")),
    }
}

fn search(list: &List, value: &str) -> std::result::Result<(&'static str, String), String> {
    let function = list.search.ok_or("Unknown parameter")?;
    if !(3..=100).contains(&value.chars().count()) || value.contains('\0') {
        return Err("Must be 3 to 100 characters".into());
    }
    Ok((function, value.to_owned()))
}

fn filter(list: &'static List, name: &str, value: &str) -> std::result::Result<Filter, String> {
    let (field, suffix) = match name.find('[') {
        Some(at) => name.split_at(at),
        None => (name, ""),
    };
    let column =
        list.columns.iter().find(|column| column.name == field).ok_or("Unknown parameter")?;
    let operator = Operator::ALL
        .iter()
        .find(|(operator, text)| *text == suffix && column.operators().contains(operator))
        .map(|(operator, _)| *operator)
        .ok_or("Unknown parameter")?;
    let texts: Vec<&str> =
        if operator == Operator::In { value.split(',').collect() } else { vec![value] };
    if texts.len() > 100 {
        return Err("Must name at most 100 values".into());
    }
    let values =
        texts.into_iter().map(|text| column.value(text)).collect::<std::result::Result<_, _>>()?;
    Ok(Filter { column: column.sql, operator, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    static LIST: List = List {
        columns: &[
            Column { name: "name", sql: "name_key", kind: Kind::Folded },
            Column { name: "createdAt", sql: "created_at", kind: Kind::Time },
        ],
        sorts: &[("createdAt", "created_at"), ("name", "name_key")],
        default_sort: "-createdAt",
        search: Some("search_contacts"),
    };

    fn faults(query: &str) -> Vec<String> {
        match ListQuery::parse(&LIST, query) {
            Err(Error::Invalid(details)) => details.into_keys().collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn every_wrong_parameter_is_named_at_once() {
        assert_eq!(
            faults(
                "page=0&pageSize=101&sort=age&q=ab&colour=red&createdAt[gte]=yesterday&name[gt]=a"
            ),
            ["colour", "createdAt[gte]", "name[gt]", "page", "pageSize", "q", "sort"]
        );
        assert_eq!(faults("page=1&page=2"), ["page"]);
        assert_eq!(faults("page=1001&pageSize=100"), ["page"]);
    }

    #[test]
    fn a_plain_request_gets_the_first_twenty_newest_first() {
        let query = ListQuery::parse(&LIST, "").unwrap();
        assert_eq!(
            (query.page, query.size, query.sort, query.descending),
            (1, 20, "created_at", true)
        );
    }
}
