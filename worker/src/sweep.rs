//! Removes what has had its time, and ends the deliveries of webhooks that were deleted (requirement W-5), in steps
//! that disturb nobody.

use chrono::{DateTime, TimeDelta, Utc};
use shared::{Db, SystemTx};

/// How long something may still come into the queue of a deleted webhook: a statement that saw it before lasts for half a
/// minute at most.
const LEAVING: TimeDelta = TimeDelta::minutes(10);

/// Fails up to 1,000 deliveries that are pending for deleted webhooks and not under way; says how many. A webhook that
/// nothing can come for any more is looked at no more.
///
/// # Errors
/// The database's.
pub async fn fail_deleted(db: &Db) -> sqlx::Result<u64> {
    let now = db.clock().now();
    let mut tx = db.system().await?;
    let failed = sqlx::query!(
        "with deleted as (
             delete from webhook_queue where ctid = any (array(
                 select d.row from webhooks w cross join lateral (
                     select q.ctid as row from webhook_queue q
                     where q.tenant_id = w.tenant_id and q.webhook_id = w.id and (q.lease_id is null or q.next_retry <= $1)
                     for update skip locked) d
                 where w.deleted_at is not null and not w.emptied
                 limit 1000))
             returning tenant_id, id
         )
         update webhook_events e set status = 'failed', last_error = 'webhook_deleted'
         from deleted d where e.tenant_id = d.tenant_id and e.id = d.id",
        now,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    if failed == 0 {
        empty(&mut tx, now).await?;
    }
    tx.commit().await?;
    metrics::counter!("webhook_deliveries_total", "outcome" => "failed").increment(failed);
    Ok(failed)
}

/// Notes of up to 1,000 deleted webhooks that they are empty, and forgets their health.
async fn empty(tx: &mut SystemTx, now: DateTime<Utc>) -> sqlx::Result<()> {
    sqlx::query!(
        "with empty as (
             update webhooks set emptied = true where ctid = any (array(
                 select w.ctid from webhooks w
                 where w.deleted_at is not null and not w.emptied and w.deleted_at <= $1
                   and not exists (select from webhook_queue q where q.tenant_id = w.tenant_id and q.webhook_id = w.id)
                 limit 1000 for no key update skip locked))
             returning tenant_id, id
         )
         delete from webhook_health h using empty e where h.tenant_id = e.tenant_id and h.webhook_id = e.id",
        now - LEAVING,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Answers forgotten in one transaction.
const ANSWERS: u64 = 1000;

/// Transactions of them in one round: more than come in 2 seconds.
const ROUNDS: usize = 20;

/// Forgets answers that no repetition can ask for any more, up to 20,000; says how many.
///
/// # Errors
/// The database's.
pub async fn forget_answers(db: &Db) -> sqlx::Result<u64> {
    let mut forgotten = 0;
    for _ in 0..ROUNDS {
        let some = forget_some_answers(db).await?;
        forgotten += some;
        if some < ANSWERS {
            break;
        }
    }
    Ok(forgotten)
}

async fn forget_some_answers(db: &Db) -> sqlx::Result<u64> {
    let now = db.clock().now();
    let mut tx = db.system().await?;
    let forgotten = sqlx::query!(
        "delete from idempotency_keys
         where (tenant_id, principal, key) in (
             select tenant_id, principal, key from idempotency_keys where expires_at <= $1 limit $2)
           -- Asked again of a row that was waited for: a request with the same key may have renewed it.
           and expires_at <= $1",
        now,
        ANSWERS.cast_signed(),
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(forgotten)
}
