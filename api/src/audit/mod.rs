//! The audit log, to be read. It is written by [`shared::changes`] and never changed.

mod http;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use shared::audit;
use shared::id::EntryId;
use shared::{TenantTx, clock};
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::http::{Listed, Representation, Resource};
use crate::list::{Column, Kind, List, ListQuery};
pub use http::routes;

/// One change.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"action": "contact.updated", "before": {"company": null}, "after": {"company": "ACME Corp"},
    "actor": {"type": "user", "id": "01a2036c-0d4c-7400-87c8-25f570a5ef22"},
    "record": {"type": "contact", "id": "01a2036c-0d4c-7400-87c8-25f570a5ef21"}}))]
pub struct AuditEntry {
    /// Its id; that of the event (`occurrenceId`) that told of the change, if one did.
    #[schema(value_type = Uuid)]
    pub id: EntryId,
    /// Who made it.
    #[sqlx(flatten)]
    pub actor: AuditActor,
    /// What was done, such as `contact.updated`.
    pub action: String,
    /// What it was done to.
    #[sqlx(flatten)]
    pub record: AuditRecord,
    /// The record before; of an update, only what it changed.
    #[schema(required, value_type = Option<Object>)]
    pub before: Option<Json<Box<RawValue>>>,
    /// The record after; of an update, only what it changed.
    #[schema(required, value_type = Option<Object>)]
    pub after: Option<Json<Box<RawValue>>>,
    /// The request that made it.
    #[schema(required)]
    pub request_id: Option<String>,
    /// The IP address that the request came from.
    #[schema(required)]
    pub address: Option<String>,
    /// When it was made.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
}

/// Who made a change.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
pub struct AuditActor {
    /// `user`, `api_key`, or `system` for an operator and the product itself.
    #[serde(rename = "type")]
    #[sqlx(rename = "actor_type")]
    #[schema(pattern = "^(user|api_key|system)$")]
    pub kind: String,
    /// The user's or the key's id.
    #[sqlx(rename = "actor_id")]
    #[schema(required)]
    pub id: Option<Uuid>,
}

/// What a change was made to.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
pub struct AuditRecord {
    /// What it is, such as `contact`.
    #[serde(rename = "type")]
    #[sqlx(rename = "record_type")]
    pub kind: String,
    /// Its id.
    #[sqlx(rename = "record_id")]
    pub id: Uuid,
}

impl Representation for AuditEntry {}

impl Resource for EntryId {
    const NAME: &'static str = "Audit entry";
}

/// What lists of entries can be asked.
pub static LIST: List = List {
    columns: &[
        Column { name: "actorType", sql: "actor_type", kind: Kind::OneOf(audit::Actor::KINDS) },
        Column { name: "actorId", sql: "actor_id", kind: Kind::Id },
        Column { name: "recordId", sql: "record_id", kind: Kind::Id },
        Column { name: "action", sql: "action", kind: Kind::Exact },
        Column { name: "createdAt", sql: "created_at", kind: Kind::Time },
    ],
    sorts: &[("createdAt", "created_at")],
    default_sort: "-createdAt",
    search: None,
    expansions: &[],
};

/// One page of the tenant's audit log.
///
/// # Errors
/// The database's.
pub async fn list(tx: &mut TenantTx, query: &ListQuery) -> Result<Listed<AuditEntry>> {
    Ok(query.fetch(tx, &store::SOURCE).await?)
}

/// One entry.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(tx: &mut TenantTx, id: EntryId) -> Result<AuditEntry> {
    store::find(tx, id).await?.ok_or_else(EntryId::not_found)
}
