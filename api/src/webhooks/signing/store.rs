//! The SQL of signing keys, through the functions of migration 0015.

use shared::id::WebhookId;
use shared::webhook::keys::PublishedKey;
use shared::{Db, TenantTx};
use sqlx::types::Json;
use uuid::Uuid;

use super::Sealed;
use crate::webhooks::Webhook;

/// The sealed keys of the tenant's webhooks among these, each with its id.
pub(in crate::webhooks) async fn find_secrets(
    tx: &mut TenantTx,
    ids: &[Uuid],
) -> sqlx::Result<Vec<(Uuid, Vec<u8>)>> {
    let found = sqlx::query!(
        r#"select id as "id!", secret_enc as "secret_enc!" from find_webhook_secrets($1)"#,
        ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(found.into_iter().map(|row| (row.id, row.secret_enc)).collect())
}

pub(super) async fn replace(
    tx: &mut TenantTx,
    webhook: &Webhook,
    keys: &Sealed,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update webhooks set secret_enc = $2, public_keys = $3, secret_hint = $4, version = $5, updated_at = $6
         where id = $1",
        webhook.id.0,
        keys.sealed,
        keys.published,
        webhook.secret,
        webhook.version,
        webhook.updated_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The public keys of anybody's webhook; nothing for one that has none.
pub(super) async fn find_public_keys(
    db: &Db,
    id: WebhookId,
) -> sqlx::Result<Option<Vec<PublishedKey>>> {
    let found = db
        .direct(async |conn| {
            sqlx::query_scalar!(
                r#"select public_keys as "keys!: Json<Vec<PublishedKey>>" from find_webhook_public_keys($1)"#,
                id.0,
            )
            .fetch_optional(conn)
            .await
        })
        .await?;
    Ok(found.map(|keys| keys.0))
}
