//! Records that were deleted: where to find those that can be brought back.

use std::borrow::Cow;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::json;
use shared::{TenantTx, clock};
use sqlx::FromRow;
use sqlx::postgres::PgRow;
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::http::{Listed, Representation};
use crate::list::{Column, Kind, List, ListQuery, Operator, Source};

/// How long a deleted record can be restored (requirement C-5).
pub(super) const RESTORABLE: TimeDelta = TimeDelta::days(30);

/// A record that was deleted, as it would come back: it changes with what it refers to.
#[derive(Serialize, FromRow)]
pub struct Deleted<T> {
    #[serde(flatten)]
    #[sqlx(flatten)]
    record: T,
    #[serde(rename = "deletedAt", serialize_with = "clock::serialize")]
    deleted_at: DateTime<Utc>,
}

impl<T: Representation> Representation for Deleted<T> {
    fn version(&self) -> Option<i32> {
        self.record.version()
    }
}

/// The record's schema with one member more.
impl<T: ToSchema> PartialSchema for Deleted<T> {
    fn schema() -> RefOr<Schema> {
        let mut schema = serde_json::to_value(T::schema()).unwrap_or_default();
        let when =
            json!({"type": "string", "format": "date-time", "description": "When it was deleted."});
        schema["properties"]["deletedAt"] = when;
        if let Some(required) = schema["required"].as_array_mut() {
            required.push("deletedAt".into());
        }
        // Whatever the library could not take back would be missing, which a test of the document sees.
        serde_json::from_value(schema).unwrap_or_else(|_| T::schema())
    }
}

impl<T: ToSchema> ToSchema for Deleted<T> {
    fn name() -> Cow<'static, str> {
        format!("Deleted{}", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
    }
}

/// What lists of deleted records can be asked.
pub static LIST: List = List {
    columns: &[Column { name: "deletedAt", sql: "deleted_at", kind: Kind::Time }],
    sorts: &[("deletedAt", "deleted_at")],
    default_sort: "-deletedAt",
    search: None,
    expansions: &[],
};

/// One page of those that [`RESTORABLE`] leaves, from a table that selects `deleted_at` too.
pub(super) async fn page<T>(
    tx: &mut TenantTx,
    query: ListQuery,
    live: &Source,
    condition: &'static str,
) -> sqlx::Result<Listed<Deleted<T>>>
where
    T: for<'r> FromRow<'r, PgRow>,
{
    let query = query.only("deleted_at", Operator::From, tx.now() - RESTORABLE);
    query
        .fetch(tx, &Source { columns: live.columns, table: live.table, condition, inside: None })
        .await
}
