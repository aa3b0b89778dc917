//! What of the tenant's events a webhook gets: a filter, the members that are sent, the order. The worker's relay does
//! it (worker/src/relay.sql); here it is read, checked and made into what the database evaluates.

mod filter;
mod members;
mod read;
mod schema;

use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;
use sqlx::types::Json;

use super::Webhook;
use crate::error::{Error, Result};
use crate::http::fields::{Change, Checked, Fields};
use crate::http::json::Value;
use crate::http::rules::{self, Rule};
pub use filter::Filter;

/// The most members that `fields` may name.
const MOST_FIELDS: usize = 100;

/// What `ordering` can be.
pub const ORDERINGS: &[&str] = &["none", "record"];

/// A filter as answers show it: its text, so that numbers keep their digits.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Written(Box<RawValue>);

impl Written {
    /// The text.
    pub(super) fn text(&self) -> &str {
        self.0.get()
    }
}

impl PartialEq for Written {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

/// A change of the selection; `Keep` and `None` change nothing.
#[derive(Debug, Default)]
pub struct SubscriptionPatch {
    /// Which events.
    pub filter: Change<Filter>,
    /// Which members of them.
    pub fields: Change<Vec<String>>,
    /// In what order.
    pub ordering: Option<String>,
}

impl SubscriptionPatch {
    /// Reads the members of a new webhook, all of which may be `null`.
    pub(super) fn read_new(fields: &mut Fields<'_>) -> Option<Self> {
        let ordering = fields.optional("ordering", rules::word(ORDERINGS));
        let clearable = Self::read_clearable(fields);
        Some(Self { ordering: ordering?, ..clearable? })
    }

    /// Reads the members of a change.
    pub(super) fn read_change(fields: &mut Fields<'_>) -> Option<Self> {
        let ordering = fields.replaced("ordering", rules::word(ORDERINGS));
        let clearable = Self::read_clearable(fields);
        Some(Self { ordering: ordering?, ..clearable? })
    }

    fn read_clearable(fields: &mut Fields<'_>) -> Option<Self> {
        let filter = fields.changed("filter", rules::rule(schema::reference, read::filter));
        let mask = fields.changed("fields", mask());
        Some(Self { filter: filter?, fields: mask?, ordering: None })
    }

    /// Changes what is shown of a webhook; what the relay is to evaluate from now on.
    ///
    /// # Errors
    /// None that a client could cause.
    pub(super) fn apply(self, webhook: &mut Webhook) -> Result<Change<String>> {
        let path = self.filter.clone().map(|filter| filter.path());
        let shown = self.filter.map(|filter| RawValue::from_string(filter.written()));
        let shown = shown.transpose().map_err(|error| Error::Internal(error.into()))?;
        shown.map(|text| Json(Written(text))).apply(&mut webhook.filter);
        self.fields.apply(&mut webhook.fields);
        webhook.ordering = self.ordering.unwrap_or_else(|| std::mem::take(&mut webhook.ordering));
        Ok(path)
    }
}

/// Names of members, each once.
fn mask() -> impl Rule<Vec<String>> {
    rules::list(0..=MOST_FIELDS, rules::rule(member_schema, member)).then(|names| {
        let mut once: Vec<String> = Vec::with_capacity(names.len());
        for name in names {
            if !once.contains(&name) {
                once.push(name);
            }
        }
        Ok(once)
    })
}

fn member_schema() -> serde_json::Value {
    json!({"type": "string", "enum": members::all()})
}

fn member(value: Value) -> Checked<String> {
    match value {
        Value::String(name) if members::is_known(&name) => Ok(name),
        _ => Err(members::UNKNOWN.into()),
    }
}
