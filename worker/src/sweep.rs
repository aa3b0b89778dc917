//! Removes what has had its time, and what deleted webhooks have left (requirement W-5), in steps that disturb nobody.

use chrono::{DateTime, TimeDelta, Utc};
use shared::{Db, SystemTx};

/// How long something may still come into the queue of a deleted webhook: a statement that saw it before lasts for half
/// a minute at most.
const LEAVING: TimeDelta = TimeDelta::minutes(10);

/// Rows that a step takes in one transaction …
pub(crate) const BATCH: i64 = 1000;
/// … and those of one webhook among them, at most: however much one has left, others' turn comes with it.
pub(crate) const SHARE: i64 = 500;
/// Steps of one round, at most: more than comes in 2 seconds.
const STEPS: usize = 20;

/// Repeats a step until it finds nothing more, or the round is over; says what all of them came to.
pub(crate) async fn repeat<F>(step: impl Fn() -> F) -> sqlx::Result<u64>
where
    F: Future<Output = sqlx::Result<u64>>,
{
    let mut all = 0;
    for _ in 0..STEPS {
        match step().await? {
            0 => break,
            some => all += some,
        }
    }
    Ok(all)
}

/// Fails deliveries that are pending for deleted webhooks and not under way, up to 20,000 and 10,000 of one webhook;
/// says how many. A webhook that nothing can come for any more is looked at no more.
///
/// # Errors
/// The database's.
pub async fn fail_deleted(db: &Db) -> sqlx::Result<u64> {
    repeat(|| fail_some_deleted(db)).await
}

async fn fail_some_deleted(db: &Db) -> sqlx::Result<u64> {
    let now = db.clock().now();
    let mut tx = db.system().await?;
    // In no order, so that no webhook is always behind the same others.
    let failed = sqlx::query_scalar!(
        r#"with deleted as (
               delete from webhook_queue where ctid = any (array(
                   select d.row from (select tenant_id, id from webhooks where deleted_at is not null and not emptied order by random()) w
                   cross join lateral (
                       select q.ctid as row from webhook_queue q
                       where q.tenant_id = w.tenant_id and q.webhook_id = w.id and (q.lease_id is null or q.next_retry <= $1)
                       limit $3 for update skip locked) d
                   limit $2))
               returning tenant_id, id
           ), failed as (
               update webhook_events e set status = 'failed', last_error = 'webhook_deleted'
               from deleted d where e.tenant_id = d.tenant_id and e.id = d.id
           )
           select count(*) as "failed!" from deleted"#,
        now,
        BATCH,
        SHARE,
    )
    .fetch_one(tx.conn())
    .await?
    .unsigned_abs();
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

/// Forgets answers that no repetition can ask for any more, up to 20,000; says how many.
///
/// # Errors
/// The database's.
pub async fn forget_answers(db: &Db) -> sqlx::Result<u64> {
    // All by one time, so that those that go by meanwhile are the next round's.
    let now = db.clock().now();
    repeat(|| forget_some_answers(db, now)).await
}

async fn forget_some_answers(db: &Db, now: DateTime<Utc>) -> sqlx::Result<u64> {
    let mut tx = db.system().await?;
    let forgotten = sqlx::query!(
        "delete from idempotency_keys
         where (tenant_id, principal, key) in (
             select tenant_id, principal, key from idempotency_keys where expires_at <= $1 limit $2)
           -- Asked again of a row that was waited for: a request with the same key may have renewed it.
           and expires_at <= $1",
        now,
        BATCH,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    tx.commit().await?;
    Ok(forgotten)
}
