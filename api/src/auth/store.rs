//! Looks callers up before their tenant is known, through the definer functions of migrations 0001, 0007 and 0014.

use chrono::{DateTime, Utc};
use shared::db::Origin;
use shared::id::{ApiKeyId, SessionId, TenantId, UserId};
use shared::{Db, ask};
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
    ask!(db, |conn| sqlx::query_as!(
        KeyRow,
        r#"select tenant_id as "tenant_id!", id as "id!", hash as "hash!", scopes as "scopes!", expires_at,
                  secret_expires_at, allowed_ips, rate_limits as "rate_limits!"
           from find_api_key($1)"#,
        prefix,
    )
    .fetch_all(conn))
    .await
}

pub(super) struct SessionRow {
    pub role: String,
    pub generation: i32,
    pub expires_at: DateTime<Utc>,
    pub rate_limits: serde_json::Value,
}

/// A session that was not revoked, of an active user.
pub(super) async fn find_session(
    db: &Db,
    tenant: TenantId,
    user: UserId,
    session: SessionId,
) -> sqlx::Result<Option<SessionRow>> {
    ask!(db, |conn| sqlx::query_as!(
        SessionRow,
        r#"select role as "role!", generation as "generation!", expires_at as "expires_at!",
                  rate_limits as "rate_limits!"
           from find_session($1, $2, $3)"#,
        tenant.0,
        user.0,
        session.0,
    )
    .fetch_optional(conn))
    .await
}

pub(super) struct UserRow {
    pub id: UserId,
    pub role: String,
    pub rate_limits: serde_json::Value,
}

/// The active user of this address, in any case of its letters.
pub(super) async fn find_user_by_email(
    db: &Db,
    tenant: TenantId,
    email: &str,
) -> sqlx::Result<Option<UserRow>> {
    ask!(db, |conn| sqlx::query_as!(
        UserRow,
        r#"select id as "id!: UserId", role as "role!", rate_limits as "rate_limits!"
           from find_user_by_email($1, $2)"#,
        tenant.0,
        email,
    )
    .fetch_optional(conn))
    .await
}

/// The tenant and the session that a refresh token belongs to, used or not.
pub(super) async fn find_refresh_token(
    db: &Db,
    hash: &[u8],
) -> sqlx::Result<Option<(TenantId, SessionId)>> {
    let found = ask!(db, |conn| sqlx::query!(
        r#"select tenant_id as "tenant_id!", session_id as "session_id!" from find_refresh_token($1)"#,
        hash,
    )
    .fetch_optional(conn))
    .await?;
    Ok(found.map(|row| (TenantId(row.tenant_id), SessionId(row.session_id))))
}

/// The demo tenant of this name.
pub(super) async fn find_demo_tenant(db: &Db, name: &str) -> sqlx::Result<Option<TenantId>> {
    let found = ask!(db, |conn| sqlx::query_scalar!(
        r#"select id as "id!" from find_demo_tenant($1)"#,
        name
    )
    .fetch_optional(conn))
    .await?;
    Ok(found.map(TenantId))
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
