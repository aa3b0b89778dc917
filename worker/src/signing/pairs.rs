//! Gives webhooks that have none an ed25519 pair: those from before migration 0015, and those that an api from before
//! it still creates while a deployment is under way.

use std::time::Duration;

use shared::Db;
use shared::db::step::{ROUND, in_time};
use shared::id::{TenantId, WebhookId};
use shared::seal::Keyring;
use shared::webhook::Owner;
use shared::webhook::ed25519::KeyPair;
use shared::webhook::keys::{KeysError, SigningKeys};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Webhooks looked at in one step.
const BATCH: i64 = 100;

/// How often webhooks without a pair are looked for.
const PAUSE: Duration = Duration::from_mins(1);

struct Row {
    tenant_id: Uuid,
    id: Uuid,
    secret_enc: Vec<u8>,
}

/// Gives pairs now and then, until `stop`.
pub async fn keep_giving_pairs(db: Db, keyring: Keyring, stop: CancellationToken) {
    let mut tick = tokio::time::interval(PAUSE);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        if let Err(error) = in_time(ROUND, give_pairs(&db, &keyring)).await {
            tracing::warn!(%error, "webhooks wait for their key pairs");
        }
    }
}

/// Gives a pair to every webhook without one; says how many got one. Whose keys do not open is passed by: a
/// rotation helps it.
///
/// # Errors
/// The database's.
pub async fn give_pairs(db: &Db, keyring: &Keyring) -> sqlx::Result<u64> {
    let (mut given, mut after) = (0, (Uuid::nil(), Uuid::nil()));
    loop {
        let rows = without(db, after).await?;
        let Some(last) = rows.last() else { return Ok(given) };
        after = (last.tenant_id, last.id);
        for row in &rows {
            match renewed(db, keyring, row) {
                Ok((keys, sealed)) => given += store(db, row, &keys, &sealed).await?,
                Err(error) => tracing::warn!(webhook_id = %row.id, %error, "no key pair is given"),
            }
        }
    }
}

async fn without(db: &Db, (tenant, webhook): (Uuid, Uuid)) -> sqlx::Result<Vec<Row>> {
    let mut tx = db.system().await?;
    let rows = sqlx::query_as!(
        Row,
        "select tenant_id, id, secret_enc from webhooks
         where public_keys is null and deleted_at is null and (tenant_id, id) > ($1, $2)
         order by tenant_id, id limit $3",
        tenant,
        webhook,
        BATCH,
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(rows)
}

fn renewed(
    db: &Db,
    keyring: &Keyring,
    row: &Row,
) -> Result<(serde_json::Value, Vec<u8>), KeysError> {
    let owner = Owner(TenantId(row.tenant_id), WebhookId(row.id));
    let mut keys = SigningKeys::open(keyring, &row.secret_enc, owner)?;
    if keys.current.pair.is_none() {
        keys.current.pair = Some(KeyPair::generate()?);
    }
    let published = serde_json::to_value(keys.published(db.clock().now()));
    Ok((published.map_err(|_| KeysError::Form)?, keys.seal(keyring, owner)?))
}

/// Unless somebody else was quicker.
async fn store(
    db: &Db,
    row: &Row,
    published: &serde_json::Value,
    sealed: &[u8],
) -> sqlx::Result<u64> {
    let mut tx = db.system().await?;
    let stored = sqlx::query!(
        "update webhooks set secret_enc = $4, public_keys = $5
         where tenant_id = $1 and id = $2 and secret_enc = $3",
        row.tenant_id,
        row.id,
        row.secret_enc,
        sealed,
        published,
    )
    .execute(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(stored.rows_affected())
}
