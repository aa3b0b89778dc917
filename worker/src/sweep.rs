//! Removes what has had its time, and ends the deliveries of webhooks that were deleted (requirement W-5), in steps
//! that disturb nobody.

use shared::Db;

/// Fails up to 1,000 deliveries that are pending for deleted webhooks and not under way; says how many.
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
                 where w.deleted_at is not null
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
    tx.commit().await?;
    metrics::counter!("webhook_deliveries_total", "outcome" => "failed").increment(failed);
    Ok(failed)
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
