//! What one request asks of a list, read from its parameters.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::TenantTx;
use uuid::Uuid;

use super::column::Kind;
use super::cursor::{Signer, digest};
use super::filter::Filter;
use super::links::Links;
use super::operator::Operator;
use super::value::{Value, values};
use super::{List, Search, Sort};
use crate::error::{Details, Error, Result};
use crate::http::Listed;
use crate::http::expand::{Expand, Expanded};
use crate::http::params::Params;

/// The `pageSize` when none is given.
pub const DEFAULT_SIZE: i64 = 20;
/// The largest `pageSize`.
pub const MAX_SIZE: i64 = 100;
/// The last record that a page may reach: its predecessors are read past, those of a cursor are not.
pub(crate) const MAX_DEPTH: i64 = 100_000;

/// Parameters that choose no records: a cursor does not mind them.
const NOT_FILTERS: [&str; 7] = ["page", "pageSize", "sort", "cursor", "total", "fields", "expand"];

type Checked<T> = std::result::Result<T, String>;

/// Where a page begins.
pub(super) enum Start {
    /// At this page, from 1.
    Page(i64),
    /// Behind the record with this value of what is sorted by, and this id.
    After(Value, Uuid),
}

/// What one request asks of a list.
pub struct ListQuery {
    pub(super) start: Start,
    pub(super) size: i64,
    pub(super) sort: Sort,
    pub(super) exact: bool,
    pub(super) search: Option<(&'static Search, String)>,
    pub(super) filters: Vec<Filter>,
    pub(super) digest: String,
    pub(super) signer: Signer,
    pub(super) links: Links,
    expand: Expand,
}

impl ListQuery {
    /// Reads the parameters of a list.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming every parameter that is unknown, repeated or wrong, a cursor that is not of this
    /// list, sort and filters, and a page beyond record 100,000; [`Error::InsufficientScope`] for an expansion.
    pub fn parse(list: &'static List, params: &Params) -> Result<Self> {
        let mut asked = Asked { size: DEFAULT_SIZE, ..Asked::default() };
        let mut faults = params.faults.clone();
        for (name, value) in &params.pairs {
            if let Err(fault) = asked.read(list, name, value) {
                faults.entry(name.clone()).or_insert(fault);
            }
        }
        asked.agree(&mut faults);
        let signer = Signer {
            pepper: params.app.config.pepper.clone(),
            tenant: params.caller.tenant,
            path: params.path.clone(),
        };
        let digest = digest(&params.pairs, &NOT_FILTERS);
        let start = asked.start(list, &signer, &digest);
        let start = start.map_err(|fault| _ = faults.entry("cursor".into()).or_insert(fault));
        let default = Sort::read(list, list.default_sort);
        let default = default.map_err(|fault| Error::Internal(fault.into()))?;
        match start {
            Ok((start, sort)) if faults.is_empty() => Ok(Self {
                start,
                size: asked.size,
                sort: sort.unwrap_or(default),
                exact: asked.exact == Some(true),
                search: asked.search,
                filters: asked.filters,
                digest,
                signer,
                links: Links::new(&params.path, &params.pairs),
                expand: asked.expand.permitted(params)?,
            }),
            _ => Err(Error::Invalid(faults)),
        }
    }

    /// Leaves out other records than those whose column compares so with this time, whatever the caller asks for.
    #[must_use]
    pub fn only(mut self, column: &'static str, operator: Operator, time: DateTime<Utc>) -> Self {
        self.filters.push(Filter { column, operator, values: vec![Value::Time(time)] });
        self
    }

    /// The page with the records that `expand` names; a failure passes through, for [`TenantTx::finish`] to see.
    ///
    /// # Errors
    /// The failure, or the database's.
    pub async fn expand<T: Serialize>(
        &self,
        tx: &mut TenantTx,
        page: Result<Listed<T>>,
    ) -> Result<Listed<Expanded<T>>> {
        self.expand.page(tx, page).await
    }
}

/// The parameters, each for itself.
#[derive(Default)]
struct Asked {
    page: Option<i64>,
    size: i64,
    sort: Option<Sort>,
    cursor: Option<String>,
    exact: Option<bool>,
    search: Option<(&'static Search, String)>,
    filters: Vec<Filter>,
    expand: Expand,
}

impl Asked {
    fn read(&mut self, list: &'static List, name: &str, value: &str) -> Checked<()> {
        match name {
            "page" => self.page = Some(number(value, i64::MAX)?),
            "pageSize" => self.size = number(value, MAX_SIZE)?,
            "sort" => self.sort = Some(Sort::read(list, value)?),
            "cursor" => self.cursor = Some(value.to_owned()),
            "total" => self.exact = Some(exact(value)?),
            "q" => self.search = Some(search(list, value)?),
            "ids" => self.filters.push(Filter {
                column: "id",
                operator: Operator::In,
                values: values(Kind::Id, value)?,
            }),
            "expand" if !list.expansions.is_empty() => {
                self.expand = Expand::read(list.expansions, value)?;
            }
            "fields" => {}
            _ => self.filters.push(Filter::read(list.columns, name, value)?),
        }
        Ok(())
    }

    /// Notes what cannot be asked together.
    fn agree(&self, faults: &mut Details) {
        let mut refuse = |name: &str, fault: String| {
            faults.entry(name.to_owned()).or_insert(fault);
        };
        if self.cursor.is_some() && self.page.is_some() {
            refuse("cursor", "Cannot be given with page".to_owned());
        }
        if self.cursor.is_some() && self.exact.is_some() {
            refuse("total", "Cannot be given with cursor, which counts nothing".to_owned());
        }
        if self.search.is_some() && self.exact == Some(true) {
            refuse("total", "Cannot be exact with q".to_owned());
        }
        if self.page.unwrap_or(1).saturating_mul(self.size) > MAX_DEPTH {
            refuse("page", format!("Must not reach beyond record {MAX_DEPTH}; go on with cursor"));
        }
    }

    /// Where the page begins, and the sort if one is asked for. The fault is the cursor's.
    fn start(
        &self,
        list: &'static List,
        signer: &Signer,
        digest: &str,
    ) -> Checked<(Start, Option<Sort>)> {
        let Some(text) = &self.cursor else {
            return Ok((Start::Page(self.page.unwrap_or(1)), self.sort));
        };
        let stranger = || "Is not a cursor of this list".to_owned();
        let cursor = signer.open(text).ok_or_else(stranger)?;
        let sort = Sort::read(list, &cursor.sort).map_err(|_| stranger())?;
        if self.sort.is_some_and(|asked| asked.text() != cursor.sort) {
            return Err(format!("Belongs to the sort {}", cursor.sort));
        }
        if cursor.filters != digest {
            return Err("Belongs to other filters; give the same with each page".to_owned());
        }
        let value = Value::read_sorted(sort.kind, &cursor.value).ok_or_else(stranger)?;
        Ok((Start::After(value, cursor.id), Some(sort)))
    }
}

fn number(value: &str, most: i64) -> Checked<i64> {
    match value.parse() {
        Ok(number) if (1..=most).contains(&number) => Ok(number),
        _ if most == i64::MAX => Err("Must be a whole number of at least 1".into()),
        _ => Err(format!("Must be a whole number from 1 to {most}")),
    }
}

fn exact(value: &str) -> Checked<bool> {
    match value {
        "exact" => Ok(true),
        "estimate" => Ok(false),
        _ => Err("Must be exact or estimate".into()),
    }
}

fn search(list: &'static List, value: &str) -> Checked<(&'static Search, String)> {
    let search = list.search.as_ref().ok_or("Unknown parameter")?;
    if !(3..=100).contains(&value.chars().count()) || value.contains('\0') {
        return Err("Must be 3 to 100 characters".into());
    }
    Ok((search, value.to_owned()))
}
