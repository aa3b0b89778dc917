//! The SQL of what a caller sees of itself.

use shared::TenantTx;
use shared::id::{ApiKeyId, TenantId};

use super::{OwnKey, OwnTenant};

pub(super) async fn tenant(tx: &mut TenantTx) -> sqlx::Result<OwnTenant> {
    let tenant = tx.tenant();
    sqlx::query_as!(
        OwnTenant,
        r#"select id as "id: TenantId", name from tenants where id = $1"#,
        tenant.0
    )
    .fetch_one(tx.conn())
    .await
}

/// Never the hash: a caller that has the key needs none.
pub(super) async fn key(tx: &mut TenantTx, id: ApiKeyId) -> sqlx::Result<OwnKey> {
    sqlx::query_as!(
        OwnKey,
        r#"select id as "id: ApiKeyId", name, prefix, expires_at from api_keys where id = $1"#,
        id.0
    )
    .fetch_one(tx.conn())
    .await
}
