//! The SQL of API keys. A secret goes in as prefix and hash and never comes out here.

use chrono::{DateTime, Utc};
use shared::TenantTx;
use shared::id::{ApiKeyId, TenantId, UserId};

use super::ApiKey;
use crate::list::Source;

/// What lists of API keys select from.
pub(super) static SOURCE: Source = Source {
    columns: "id, tenant_id, name, prefix, scopes, active, allowed_ips, expires_at, last_used_at, created_by, revoked_at, version, created_at, updated_at",
    table: "api_keys",
    condition: "revoked_at is null",
    inside: None,
};

pub(super) async fn insert(tx: &mut TenantTx, key: &ApiKey, hash: &[u8]) -> sqlx::Result<()> {
    sqlx::query!(
        "insert into api_keys (tenant_id, id, name, prefix, hash, scopes, active, allowed_ips, expires_at, created_by,
                               created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $11)",
        key.tenant_id.0,
        key.id.0,
        key.name,
        key.prefix,
        hash,
        &key.scopes,
        key.active,
        key.allowed_ips.as_deref(),
        key.expires_at,
        key.created_by.map(|user| user.0),
        key.created_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Finds a key, a revoked one too: the audit log names them.
pub(super) async fn find(tx: &mut TenantTx, id: ApiKeyId) -> sqlx::Result<Option<ApiKey>> {
    sqlx::query_as!(
        ApiKey,
        r#"select id as "id: ApiKeyId", tenant_id as "tenant_id: TenantId", name, prefix, scopes, active, allowed_ips,
                  expires_at, last_used_at, created_by as "created_by: UserId", revoked_at, version, created_at,
                  updated_at
           from api_keys where id = $1"#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await
}

/// Finds a key that is not revoked and keeps other writers off it until the transaction ends.
pub(super) async fn lock(tx: &mut TenantTx, id: ApiKeyId) -> sqlx::Result<Option<ApiKey>> {
    sqlx::query_as!(
        ApiKey,
        r#"select id as "id: ApiKeyId", tenant_id as "tenant_id: TenantId", name, prefix, scopes, active, allowed_ips,
                  expires_at, last_used_at, created_by as "created_by: UserId", revoked_at, version, created_at,
                  updated_at
           from api_keys where id = $1 and revoked_at is null for no key update"#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await
}

pub(super) async fn update(tx: &mut TenantTx, key: &ApiKey) -> sqlx::Result<()> {
    sqlx::query!(
        "update api_keys
         set name = $2, scopes = $3, active = $4, allowed_ips = $5, expires_at = $6, version = $7, updated_at = $8,
             revoked_at = $9
         where id = $1",
        key.id.0,
        key.name,
        &key.scopes,
        key.active,
        key.allowed_ips.as_deref(),
        key.expires_at,
        key.version,
        key.updated_at,
        key.revoked_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Gives a key another secret; the one it had works until `end`, and those before it no longer than that.
pub(super) async fn replace_secret(
    tx: &mut TenantTx,
    key: &ApiKey,
    hash: &[u8],
    end: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update replaced_api_key_secrets set expires_at = $2 where key_id = $1 and expires_at > $2",
        key.id.0,
        end,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "insert into replaced_api_key_secrets (tenant_id, key_id, prefix, hash, expires_at)
         select tenant_id, id, prefix, hash, $2 from api_keys where id = $1",
        key.id.0,
        end,
    )
    .execute(tx.conn())
    .await?;
    sqlx::query!(
        "update api_keys set prefix = $2, hash = $3, version = $4, updated_at = $5 where id = $1",
        key.id.0,
        key.prefix,
        hash,
        key.version,
        key.updated_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
