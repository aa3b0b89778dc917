//! Looks callers up before their tenant is known, through the definer functions of migrations 0001, 0007 and 0014.

use chrono::{DateTime, Utc};
use shared::db::Origin;
use shared::id::{ApiKeyId, SessionId, TenantId, UserId};
use shared::{Db, TenantTx};
use sqlx::FromRow as _;
use uuid::Uuid;

use super::api_key::Prefix;

#[derive(sqlx::FromRow)]
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
pub(super) async fn find_api_key(db: &Db, prefix: Prefix) -> sqlx::Result<Vec<KeyRow>> {
    db.direct(async |conn| {
        sqlx::query_as!(
            KeyRow,
            r#"select tenant_id as "tenant_id!", id as "id!", hash as "hash!", scopes as "scopes!", expires_at,
                      secret_expires_at, allowed_ips, rate_limits as "rate_limits!"
               from find_api_key($1)"#,
            prefix.to_string(),
        )
        .fetch_all(conn)
        .await
    })
    .await
}

/// The same, in a transaction of this tenant that begins with it.
pub(super) async fn begin_with_api_key(
    (db, tenant, origin): (&Db, TenantId, Origin),
    prefix: Prefix,
) -> sqlx::Result<(TenantTx, Vec<KeyRow>)> {
    let question = format!("select * from find_api_key('{prefix}')");
    let (tx, rows) = db.tenant_asking(tenant, origin, &question).await?;
    let rows = rows.iter().map(KeyRow::from_row).collect::<sqlx::Result<_>>()?;
    Ok((tx, rows))
}

#[derive(sqlx::FromRow)]
pub(super) struct SessionRow {
    pub role: String,
    pub generation: i32,
    pub expires_at: DateTime<Utc>,
    pub rate_limits: serde_json::Value,
}

/// What a token names: a session of a user of a tenant.
type Named = (TenantId, UserId, SessionId);

/// A session that was not revoked, of an active user.
pub(super) async fn find_session(
    db: &Db,
    (tenant, user, session): Named,
) -> sqlx::Result<Option<SessionRow>> {
    db.direct(async |conn| {
        sqlx::query_as!(
            SessionRow,
            r#"select role as "role!", generation as "generation!", expires_at as "expires_at!",
                  rate_limits as "rate_limits!"
           from find_session($1, $2, $3)"#,
            tenant.0,
            user.0,
            session.0,
        )
        .fetch_optional(conn)
        .await
    })
    .await
}

/// The same, in a transaction of its tenant that begins with it.
pub(super) async fn begin_with_session(
    (db, origin): (&Db, Origin),
    (tenant, user, session): Named,
) -> sqlx::Result<(TenantTx, Option<SessionRow>)> {
    let question = format!("select * from find_session('{tenant}', '{user}', '{session}')");
    let (tx, rows) = db.tenant_asking(tenant, origin, &question).await?;
    let session = rows.first().map(SessionRow::from_row).transpose()?;
    Ok((tx, session))
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
    db.direct(async |conn| {
        sqlx::query_as!(
            UserRow,
            r#"select id as "id!: UserId", role as "role!", rate_limits as "rate_limits!"
           from find_user_by_email($1, $2)"#,
            tenant.0,
            email,
        )
        .fetch_optional(conn)
        .await
    })
    .await
}

/// The tenant and the session that a refresh token belongs to, used or not.
pub(super) async fn find_refresh_token(
    db: &Db,
    hash: &[u8],
) -> sqlx::Result<Option<(TenantId, SessionId)>> {
    let found = db.direct(async |conn| {
sqlx::query!(
        r#"select tenant_id as "tenant_id!", session_id as "session_id!" from find_refresh_token($1)"#,
        hash,
    ).fetch_optional(conn).await
}).await?;
    Ok(found.map(|row| (TenantId(row.tenant_id), SessionId(row.session_id))))
}

/// The demo tenant of this name.
pub(super) async fn find_demo_tenant(db: &Db, name: &str) -> sqlx::Result<Option<TenantId>> {
    let found = db
        .direct(async |conn| {
            sqlx::query_scalar!(r#"select id as "id!" from find_demo_tenant($1)"#, name)
                .fetch_optional(conn)
                .await
        })
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
