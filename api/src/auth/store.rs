//! Looks callers up before their tenant is known, through the two definer functions of migration 0001.

use chrono::{DateTime, Utc};
use shared::Db;
use shared::db::Origin;
use shared::id::{ApiKeyId, TenantId, UserId};
use uuid::Uuid;

pub(super) struct KeyRow {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub hash: Vec<u8>,
    pub scopes: Vec<String>,
    pub expires_at: Option<DateTime<Utc>>,
    pub rate_limits: serde_json::Value,
    pub secret_expires_at: Option<DateTime<Utc>>,
    pub allowed_ips: Option<Vec<String>>,
}

/// The live keys with a secret of this prefix: one, or none.
pub(super) async fn find_api_key(db: &Db, prefix: &str) -> sqlx::Result<Vec<KeyRow>> {
    sqlx::query_as!(
        KeyRow,
        r#"select tenant_id as "tenant_id!", id as "id!", hash as "hash!", scopes as "scopes!", expires_at,
                  secret_expires_at, allowed_ips, rate_limits as "rate_limits!"
           from find_api_key($1)"#,
        prefix,
    )
    .fetch_all(db.direct())
    .await
}

pub(super) struct UserRow {
    pub role: String,
    pub rate_limits: serde_json::Value,
}

/// An active user.
pub(super) async fn find_user(
    db: &Db,
    tenant: TenantId,
    user: UserId,
) -> sqlx::Result<Option<UserRow>> {
    sqlx::query_as!(
        UserRow,
        r#"select role as "role!", rate_limits as "rate_limits!" from find_user($1, $2)"#,
        tenant.0,
        user.0,
    )
    .fetch_optional(db.direct())
    .await
}

/// Writes when keys of a tenant were used, unless another process has written it since `then`.
pub(super) async fn used(
    db: &Db,
    tenant: TenantId,
    keys: &[ApiKeyId],
    now: DateTime<Utc>,
    then: DateTime<Utc>,
) -> sqlx::Result<()> {
    let keys: Vec<Uuid> = keys.iter().map(|key| key.0).collect();
    let mut tx = db.tenant(tenant, Origin::default()).await?;
    let written = sqlx::query!(
        "update api_keys set last_used_at = $2
         where id = any($1) and (last_used_at is null or last_used_at <= $3)",
        &keys,
        now,
        then,
    )
    .execute(tx.conn())
    .await;
    tx.finish(written).await?;
    Ok(())
}
