//! What operators do across tenants, as `crm_owner`. Row-level security binds the owner too: each of these works on one
//! tenant at a time, in a [`TenantTx`] (migration 0022). No login of the product can come here.

pub mod erase;
pub mod reseal;
mod tables;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::FromRow;
use uuid::Uuid;

use super::{DatabaseUrl, Db, DbConfig, TenantTx, json};
use crate::clock;
use crate::id::TenantId;
pub use tables::{Counted, Table, count, export, tables, tenant_row};

impl DbConfig {
    /// As the owner, through a login that may act for it.
    #[must_use]
    pub fn owner(url: DatabaseUrl) -> Self {
        let settings = &[("role", "crm_owner")];
        Self { url, connections: 2, application: "liaison-admin", settings }
    }
}

/// What an operator sees of a tenant in a list.
#[derive(Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct TenantRow {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// The name under which demo login opens it.
    pub demo: Option<String>,
    /// How many days events, deliveries and attempts are kept.
    pub event_retention_days: i64,
    /// When it was created.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
}

/// Every tenant, the oldest first; those whose name holds a text, in any case, if one is given.
///
/// # Errors
/// The database's; a login that may not act as `crm_owner`.
pub async fn tenants(db: &Db, named: Option<&str>) -> sqlx::Result<Vec<TenantRow>> {
    db.direct(async |conn| {
        sqlx::query_as(
            "select id, name, demo, event_retention_days, created_at from tenants
             where $1::text is null or strpos(lower(name), lower($1)) > 0 order by created_at, id",
        )
        .bind(named)
        .fetch_all(conn)
        .await
    })
    .await
}

/// The name of a tenant; `None` when there is no such tenant.
///
/// # Errors
/// As for [`tenants`].
pub async fn name(tx: &mut TenantTx) -> sqlx::Result<Option<String>> {
    let tenant = tx.tenant();
    sqlx::query_scalar("select name from tenants where id = $1")
        .bind(tenant.0)
        .fetch_optional(tx.conn())
        .await
}

/// An entry of the operators' log.
#[derive(Debug, Serialize, FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Logged {
    /// When it was done.
    #[serde(serialize_with = "clock::serialize")]
    pub at: DateTime<Utc>,
    /// What was done, such as `tenant.erased`.
    pub action: String,
    /// The tenant.
    pub subject: Option<Uuid>,
    /// The database login that did it.
    pub login: String,
    /// Counts.
    pub detail: sqlx::types::Json<serde_json::Value>,
}

/// Keeps what was done to a tenant, with the transaction; it outlives the tenant.
///
/// # Errors
/// The database's.
pub async fn log(tx: &mut TenantTx, action: &str, detail: &impl Serialize) -> sqlx::Result<()> {
    let (tenant, now) = (tx.tenant(), tx.now());
    let detail = json(detail)?;
    sqlx::query(
        "insert into operator_log (at, action, subject, detail) values ($1, $2, $3, $4::text::json)",
    )
    .bind(now)
    .bind(action)
    .bind(tenant.0)
    .bind(detail)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The operators' log, the newest first; of one tenant, if one is given.
///
/// # Errors
/// As for [`tenants`].
pub async fn logged(db: &Db, subject: Option<TenantId>, most: i64) -> sqlx::Result<Vec<Logged>> {
    db.direct(async |conn| {
        sqlx::query_as(
            "select at, action, subject, login, detail from operator_log
             where $1::uuid is null or subject = $1 order by id desc limit $2",
        )
        .bind(subject.map(|tenant| tenant.0))
        .bind(most)
        .fetch_all(conn)
        .await
    })
    .await
}
