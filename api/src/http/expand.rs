//! `expand=owner`: the record that an id refers to, beside the id, as `ownerRecord` (requirement C-10). One level,
//! one statement for each name, whatever the number of records.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;

use serde::Serialize;
use serde_json::value::RawValue;
use shared::TenantTx;
use shared::scope::Scope;
use uuid::Uuid;

use super::answer::{Listed, Representation};
use super::doc::SchemaOf;
use super::params::Params;
use crate::error::{Error, Result};

/// Records as JSON, by their ids.
pub type Records = HashMap<Uuid, Box<RawValue>>;

/// Records on their way.
pub type Loading<'t> = Pin<Box<dyn Future<Output = Result<Records>> + Send + 't>>;

/// A reference that `expand` can follow.
#[derive(Clone, Copy)]
pub struct Expansion {
    /// What it is called: `owner` becomes `ownerRecord`.
    pub name: &'static str,
    /// The member that holds the id.
    pub member: &'static str,
    /// What such records are.
    pub schema: SchemaOf,
    /// What the caller needs, to read such records by themselves.
    pub scope: Scope,
    /// Loads those of the records that are still there.
    pub load: for<'t> fn(&'t mut TenantTx, &'t [Uuid]) -> Loading<'t>,
}

/// The records as [`Expansion::load`] answers them.
///
/// # Errors
/// A record that does not serialise.
pub fn records<T: Serialize>(found: &[T], id: fn(&T) -> Uuid) -> Result<Records> {
    let json = |record| serde_json::value::to_raw_value(record);
    found
        .iter()
        .map(|record| Ok((id(record), json(record)?)))
        .collect::<serde_json::Result<_>>()
        .map_err(|error| Error::Internal(error.into()))
}

/// The expansions that one request asks for.
#[derive(Clone, Default)]
pub struct Expand(Vec<&'static Expansion>);

/// A record with those that it refers to.
#[derive(Serialize)]
pub struct Expanded<T> {
    #[serde(flatten)]
    record: T,
    #[serde(flatten)]
    referred: BTreeMap<String, Option<Box<RawValue>>>,
}

impl<T: Representation> Representation for Expanded<T> {
    fn version(&self) -> Option<i32> {
        self.record.version()
    }
}

impl Expand {
    /// Reads the parameters of a route that shows one record: `expand` and what every route takes.
    ///
    /// # Errors
    /// [`Error::Invalid`] for unknown parameters and names, [`Error::InsufficientScope`].
    pub fn parse(known: &'static [Expansion], params: &Params) -> Result<Self> {
        let mut expand = Self::default();
        let mut faults = params.faults.clone();
        for (name, value) in &params.pairs {
            let read = match name.as_str() {
                "fields" => continue,
                "expand" if !known.is_empty() => Self::read(known, value),
                _ => Err("Unknown parameter".to_owned()),
            };
            match read {
                Ok(read) => expand = read,
                Err(fault) => _ = faults.entry(name.clone()).or_insert(fault),
            }
        }
        if faults.is_empty() { expand.permitted(params) } else { Err(Error::Invalid(faults)) }
    }

    /// Names divided by commas.
    pub(crate) fn read(
        known: &'static [Expansion],
        value: &str,
    ) -> std::result::Result<Self, String> {
        let find = |name: &str| known.iter().find(|expansion| expansion.name == name.trim());
        let mut asked: Vec<_> =
            value.split(',').map(find).collect::<Option<_>>().ok_or_else(|| {
                let names: Vec<_> = known.iter().map(|expansion| expansion.name).collect();
                format!("Must be any of {}, divided by commas", names.join(", "))
            })?;
        asked.sort_unstable_by_key(|expansion| expansion.name);
        asked.dedup_by_key(|expansion| expansion.name);
        Ok(Self(asked))
    }

    /// The same, if the caller may read what it would see.
    pub(crate) fn permitted(self, params: &Params) -> Result<Self> {
        match self.0.iter().find(|expansion| !params.caller.holds(expansion.scope)) {
            Some(expansion) => Err(Error::InsufficientScope(expansion.scope)),
            None => Ok(self),
        }
    }

    /// The record with what it refers to; a failure passes through, for [`TenantTx::finish`] to see.
    ///
    /// # Errors
    /// The failure, or the database's.
    pub async fn record<T: Serialize>(
        &self,
        tx: &mut TenantTx,
        record: Result<T>,
    ) -> Result<Expanded<T>> {
        let mut expanded = self.expand(tx, vec![record?]).await?;
        expanded.pop().ok_or_else(|| Error::Internal("a record was lost".into()))
    }

    /// The page with what its records refer to; a failure passes through.
    ///
    /// # Errors
    /// The failure, or the database's.
    pub async fn page<T: Serialize>(
        &self,
        tx: &mut TenantTx,
        page: Result<Listed<T>>,
    ) -> Result<Listed<Expanded<T>>> {
        let Listed { items, pagination, link } = page?;
        Ok(Listed { items: self.expand(tx, items).await?, pagination, link })
    }

    async fn expand<T: Serialize>(
        &self,
        tx: &mut TenantTx,
        records: Vec<T>,
    ) -> Result<Vec<Expanded<T>>> {
        let mut all: Vec<_> = records
            .into_iter()
            .map(|record| Expanded { record, referred: BTreeMap::new() })
            .collect();
        if !self.0.is_empty() {
            tx.open().await?;
        }
        for expansion in &self.0 {
            let ids: Vec<Option<Uuid>> = all
                .iter()
                .map(|one| id_in(&one.record, expansion.member))
                .collect::<Result<_>>()?;
            let mut wanted: Vec<Uuid> = ids.iter().copied().flatten().collect();
            wanted.sort_unstable();
            wanted.dedup();
            let found = if wanted.is_empty() {
                Records::new()
            } else {
                (expansion.load)(tx, &wanted).await?
            };
            for (one, id) in all.iter_mut().zip(ids) {
                let record = id.and_then(|id| found.get(&id).cloned());
                one.referred.insert(format!("{}Record", expansion.name), record);
            }
        }
        Ok(all)
    }
}

/// The id in a member of a record's JSON.
fn id_in<T: Serialize>(record: &T, member: &str) -> Result<Option<Uuid>> {
    let json = serde_json::to_value(record).map_err(|error| Error::Internal(error.into()))?;
    Ok(json.get(member).and_then(|id| id.as_str()).and_then(|id| id.parse().ok()))
}
