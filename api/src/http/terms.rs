//! How a caller wants a request done: the query parameters that every route of a kind understands, read from the
//! route's own entry in the table. A parameter that means nothing is an error (requirement F-10).

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::Request;
use http::{Extensions, Method, Uri};
use serde_json::value::RawValue;

use super::doc::{Doc, Outcome};
use super::envelope::Said;
use super::idempotency::IdempotencyKey;
use super::routes::Access;
use crate::error::{Details, Error, Result};

/// How a caller wants a request done.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// Everything is checked and nothing kept.
    pub dry_run: bool,
    /// A repetition gets the first answer.
    pub idempotency_key: Option<IdempotencyKey>,
}

/// What a route's query may hold.
#[derive(Debug)]
pub(super) struct QueryRules {
    /// Whether a change can be tried without being made.
    rehearses: bool,
    /// Whether the handler reads the query by itself, as lists do.
    list: bool,
    /// Whether the body is read piece by piece.
    streams: bool,
    /// The route's own parameters.
    parameters: BTreeSet<String>,
    /// The members that `fields` may name; none for routes that show no record.
    members: BTreeSet<String>,
}

impl QueryRules {
    pub(super) fn of(method: &Method, access: Access, doc: &Doc) -> Self {
        let reads = *method == Method::GET;
        let shown = match &doc.outcome {
            Outcome::Data(schema) | Outcome::Page(schema) if reads => schema.members(),
            _ => BTreeSet::new(),
        };
        Self {
            rehearses: access.rehearses(method),
            list: matches!(doc.outcome, Outcome::Page(_)),
            streams: !doc.streams.is_empty(),
            parameters: doc.query.iter().map(|parameter| parameter.name.clone()).collect(),
            members: shown,
        }
    }

    /// Whether a body of this route can be held in memory.
    pub(super) fn whole(&self) -> bool {
        !self.streams
    }

    /// Reads what is common: whether to try only, and which members to show. Where the handler reads parameters too, it
    /// is told what is wrong already, so that the answer names everything at once.
    ///
    /// # Errors
    /// [`Error::Invalid`] with every parameter that is wrong, or that nobody will read.
    pub(super) fn read(&self, request: &mut Request) -> Result<(bool, Option<Projection>)> {
        let (dry_run, fields, faults) = self.common(request.uri());
        if faults.is_empty() {
            return Ok((dry_run, fields));
        }
        if self.parameters.is_empty() && !self.list {
            return Err(Error::Invalid(faults));
        }
        request.extensions_mut().insert(QueryFaults(faults));
        Ok((dry_run, fields))
    }

    fn common(&self, uri: &Uri) -> (bool, Option<Projection>, Details) {
        let (mut faults, mut dry_run, mut fields) = (Details::new(), false, None);
        let query = uri.query().unwrap_or_default();
        let mut seen = BTreeSet::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let again = !seen.insert(name.clone());
            let fault = match &*name {
                _ if again && !self.list => Some("Is given twice".to_owned()),
                "dryRun" if self.rehearses => match &*value {
                    "true" => {
                        dry_run = true;
                        None
                    }
                    "false" => None,
                    _ => Some("Must be true or false".to_owned()),
                },
                "fields" if !self.members.is_empty() => match self.select(&value) {
                    Ok(named) => {
                        fields = Some(named);
                        None
                    }
                    Err(fault) => Some(fault),
                },
                other if self.list || self.parameters.contains(other) => None,
                _ => Some("Unknown parameter".to_owned()),
            };
            if let Some(fault) = fault {
                faults.insert(name.into_owned(), fault);
            }
        }
        (dry_run, fields, faults)
    }

    /// The members to show. What `expand` adds is no member and always shown.
    fn select(&self, value: &str) -> std::result::Result<Projection, String> {
        let named: BTreeSet<String> = value.split(',').map(|name| name.trim().to_owned()).collect();
        if !named.is_subset(&self.members) {
            let known: Vec<&str> = self.members.iter().map(String::as_str).collect();
            return Err(format!("Must name some of {}, divided by commas", known.join(", ")));
        }
        Ok(Projection(self.members.difference(&named).cloned().collect()))
    }
}

/// Query faults found so far, in the request's extensions: the handler adds its own and refuses with all.
#[derive(Clone, Debug, Default)]
pub(crate) struct QueryFaults(pub(crate) Details);

impl QueryFaults {
    /// What was found, if anything was.
    pub(crate) fn of(extensions: &Extensions) -> Details {
        extensions.get::<Self>().map(|faulted| faulted.0.clone()).unwrap_or_default()
    }
}

/// The members that are not shown.
#[derive(Debug)]
pub(super) struct Projection(BTreeSet<String>);

impl Projection {
    /// Leaves them out of an answer.
    pub(super) fn prune(&self, said: &mut Said) {
        let Said::Data(reply) = said else { return };
        let Some(data) = &reply.data else { return };
        let pruned = if data.starts_with('[') {
            serde_json::from_str::<Vec<Record>>(data).and_then(|list| {
                serde_json::to_string(&list.into_iter().map(|r| self.rest(r)).collect::<Vec<_>>())
            })
        } else {
            serde_json::from_str(data).and_then(|record| serde_json::to_string(&self.rest(record)))
        };
        // What is no record at all stays as it is.
        if let Ok(pruned) = pruned {
            reply.data = Some(pruned);
        }
    }

    fn rest(&self, mut record: Record) -> Record {
        record.retain(|name, _| !self.0.contains(name));
        record
    }
}

/// Members as they were written: numbers keep every digit.
type Record = BTreeMap<String, Box<RawValue>>;
