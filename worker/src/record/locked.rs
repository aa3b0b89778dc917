//! Outcomes whose rows somebody else holds, found without waiting: one row that a session keeps locked must not keep
//! the outcomes of all tenants from being written.

use std::collections::HashSet;

use shared::Db;
use uuid::Uuid;

use super::Entry;

/// Takes those out of `batch` whose delivery or place in the queue is locked, or whose webhook, its health, or the
/// replay that had them sent again. What is gone is not waited for.
///
/// # Errors
/// The database's; `batch` is as it was then.
pub(super) async fn take(db: &Db, batch: &mut Vec<Entry>) -> sqlx::Result<Vec<Entry>> {
    let tenants: Vec<Uuid> = batch.iter().map(|entry| entry.delivery.tenant.0).collect();
    let webhooks: Vec<Uuid> = batch.iter().map(|entry| entry.delivery.webhook.0).collect();
    let ids: Vec<Uuid> = batch.iter().map(|entry| entry.delivery.id.0).collect();
    // Its end without a commit lets go of what it has locked.
    let mut tx = db.system().await?;
    let locked = sqlx::query_scalar!(
        r#"with asked as materialized (
               select o.*, q.id is not null as queued, q.replay_id
               from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as o (tenant_id, webhook_id, id)
               left join webhook_queue q
                    on q.tenant_id = o.tenant_id and q.webhook_id = o.webhook_id and q.id = o.id
           ), delivery as materialized (
               select e.id from asked o join webhook_events e on e.tenant_id = o.tenant_id and e.id = o.id
               for no key update of e skip locked
           ), place as materialized (
               select q.id from asked o
               join webhook_queue q on q.tenant_id = o.tenant_id and q.webhook_id = o.webhook_id and q.id = o.id
               for update of q skip locked
           ), webhook as materialized (
               select w.id from (select distinct tenant_id, webhook_id from asked) o
               join webhooks w on w.tenant_id = o.tenant_id and w.id = o.webhook_id
               for no key update of w skip locked
           ), health as materialized (
               select h.webhook_id from (select distinct tenant_id, webhook_id from asked) o
               join webhook_health h on h.tenant_id = o.tenant_id and h.webhook_id = o.webhook_id
               for no key update of h skip locked
           ), replay as materialized (
               select r.id from (select distinct tenant_id, replay_id from asked) o
               join webhook_replays r on r.tenant_id = o.tenant_id and r.id = o.replay_id
               for no key update of r skip locked
           )
           select o.id as "id!" from asked o
           where o.queued and o.id not in (select id from place)
              or o.id not in (select id from delivery)
                 and exists (select from webhook_events e where e.tenant_id = o.tenant_id and e.id = o.id)
              or o.webhook_id not in (select id from webhook)
                 and exists (select from webhooks w where w.tenant_id = o.tenant_id and w.id = o.webhook_id)
              or o.webhook_id not in (select webhook_id from health)
                 and exists (select from webhook_health h
                             where h.tenant_id = o.tenant_id and h.webhook_id = o.webhook_id)
              or o.replay_id not in (select id from replay)
                 and exists (select from webhook_replays r where r.tenant_id = o.tenant_id and r.id = o.replay_id)"#,
        &tenants,
        &webhooks,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    drop(tx);
    let locked: HashSet<_> = locked.into_iter().collect();
    Ok(batch.extract_if(.., |entry| locked.contains(&entry.delivery.id.0)).collect())
}
