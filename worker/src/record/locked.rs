//! Outcomes whose rows somebody else holds, found without waiting: one row that a session keeps locked must not keep
//! the outcomes of all tenants from being written.

use std::collections::HashSet;

use shared::Db;
use uuid::Uuid;

use super::Entry;

/// Takes those out of `batch` whose delivery or place in the queue is locked, or gone.
///
/// # Errors
/// The database's; `batch` is as it was then.
pub(super) async fn take(db: &Db, batch: &mut Vec<Entry>) -> sqlx::Result<Vec<Entry>> {
    let tenants: Vec<Uuid> = batch.iter().map(|entry| entry.delivery.tenant.0).collect();
    let webhooks: Vec<Uuid> = batch.iter().map(|entry| entry.delivery.webhook.0).collect();
    let ids: Vec<Uuid> = batch.iter().map(|entry| entry.delivery.id.0).collect();
    // Its end without a commit lets go of what it has locked.
    let mut tx = db.system().await?;
    let deliveries = sqlx::query_scalar!(
        "select e.id from unnest($1::uuid[], $2::uuid[]) as o (tenant_id, id)
         join webhook_events e on e.tenant_id = o.tenant_id and e.id = o.id
         for no key update of e skip locked",
        &tenants,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    let queued = sqlx::query_scalar!(
        "select q.id from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as o (tenant_id, webhook_id, id)
         join webhook_queue q on q.tenant_id = o.tenant_id and q.webhook_id = o.webhook_id and q.id = o.id
         for update of q skip locked",
        &tenants,
        &webhooks,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    drop(tx);
    let (deliveries, queued): (HashSet<_>, HashSet<_>) =
        (deliveries.into_iter().collect(), queued.into_iter().collect());
    let is_locked = |entry: &mut Entry| {
        let id = entry.delivery.id.0;
        !deliveries.contains(&id) || !queued.contains(&id)
    };
    Ok(batch.extract_if(.., is_locked).collect())
}
