//! Records that are erased for good: the request empties the record, the worker its history
//! (worker/src/erasures, docs/decisions/0022).

mod http;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::id::{ErasureId, TenantId};
use shared::{TenantTx, clock};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::error::Result;
use crate::http::doc;
use crate::http::{Listed, Representation, Resource};
use crate::list::{Column, Kind, List, ListQuery};
pub use http::routes;

const PATH: &str = "/api/v1/erasures";

/// How far an erasure is.
const STATUSES: &[&str] = &["running", "completed"];

/// An erasure of a record and its history.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"recordType": "contact", "status": "completed", "events": 3, "deliveries": 6, "attempts": 6,
    "auditEntries": 3, "activities": 1, "importRows": 0, "answers": 1}))]
pub struct Erasure {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: ErasureId,
    /// The tenant it belongs to.
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    /// What was erased: `contact`.
    pub record_type: String,
    /// The record, which is empty already.
    pub record_id: Uuid,
    /// `running` while the history is erased.
    #[schema(schema_with = status_schema)]
    pub status: String,
    /// Events of the log whose data is erased so far.
    pub events: i32,
    /// Deliveries whose body is.
    pub deliveries: i32,
    /// Attempts of which what the receiver said is.
    pub attempts: i32,
    /// Entries of the audit log whose contents are.
    pub audit_entries: i32,
    /// Activities whose subject and body are.
    pub activities: i32,
    /// Rows of imports.
    pub import_rows: i32,
    /// Answers kept for a repetition.
    pub answers: i32,
    /// When it was asked for.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When nothing was left.
    #[serde(serialize_with = "clock::serialize_option")]
    pub finished_at: Option<DateTime<Utc>>,
}

fn status_schema() -> utoipa::openapi::Object {
    doc::words("`running` while the history is erased.", STATUSES)
}

impl Representation for Erasure {}

impl Resource for ErasureId {
    const NAME: &'static str = "Erasure";
}

/// What lists of erasures can be asked.
pub static LIST: List = List {
    columns: &[
        Column { name: "status", sql: "status", kind: Kind::OneOf(STATUSES) },
        Column { name: "recordId", sql: "record_id", kind: Kind::Id },
        Column { name: "createdAt", sql: "created_at", kind: Kind::Time },
    ],
    sorts: &[("createdAt", "created_at")],
    default_sort: "-createdAt",
    search: None,
    expansions: &[],
};

/// The path of an erasure.
#[must_use]
pub fn location(id: ErasureId) -> String {
    format!("{PATH}/{id}")
}

/// One page of the tenant's erasures.
///
/// # Errors
/// The database's.
pub async fn list(tx: &mut TenantTx, query: &ListQuery) -> Result<Listed<Erasure>> {
    Ok(query.fetch(tx, &store::SOURCE).await?)
}

/// The erasure.
///
/// # Errors
/// [`Error::NotFound`](crate::error::Error::NotFound).
pub async fn show(tx: &mut TenantTx, id: ErasureId) -> Result<Erasure> {
    store::find(tx, id).await?.ok_or_else(ErasureId::not_found)
}

/// The erasure of a record, if it was erased.
///
/// # Errors
/// The database's.
pub async fn of(tx: &mut TenantTx, record: Uuid) -> Result<Option<Erasure>> {
    Ok(store::find_of(tx, record).await?)
}

/// Has the worker erase the history of a record that is empty now. `sought` is what failed rows of imports are searched
/// for, in lower case; it is kept until they have been.
///
/// # Errors
/// The database's.
pub async fn start(
    tx: &mut TenantTx,
    (record_type, record_id): (&str, Uuid),
    sought: &[String],
) -> Result<Erasure> {
    let now = tx.now();
    let erasure = Erasure {
        id: ErasureId::fresh(now),
        tenant_id: tx.tenant(),
        record_type: record_type.to_owned(),
        record_id,
        status: "running".to_owned(),
        events: 0,
        deliveries: 0,
        attempts: 0,
        audit_entries: 0,
        activities: 0,
        import_rows: 0,
        answers: 0,
        created_at: now,
        finished_at: None,
    };
    store::insert(tx, &erasure, sought).await?;
    tx.wake();
    Ok(erasure)
}
