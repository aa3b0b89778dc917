//! Order per record. Of a webhook that asks for it, the deliveries of one record in the queue are a line: the first is
//! due or under way, the others wait without a due time. The queue itself makes the next one due when a row is removed,
//! by a trigger, so that no way out of it can be forgotten (docs/decisions/0021), and the relay that of its new rows.
//! Here is what comes beside: a webhook that wants order no longer; lines that nobody has advanced are found by
//! [`stuck`].

pub mod held;
pub mod stuck;

use shared::{Db, SystemTx};
use uuid::Uuid;

use crate::sweep::{BATCH, SHARE, repeat};

/// Makes the first of each of these lines due: a webhook and a record each. To be done after something was taken
/// from them, in the same transaction.
pub(crate) async fn advance(
    tx: &mut SystemTx,
    webhooks: &[Uuid],
    records: &[Uuid],
) -> sqlx::Result<u64> {
    if webhooks.is_empty() {
        return Ok(0);
    }
    let advanced =
        sqlx::query_scalar!(r#"select advance_lines($1, $2) as "advanced!""#, webhooks, records)
            .fetch_one(tx.conn())
            .await?;
    Ok(advanced.unsigned_abs())
}

/// Lets deliveries out of the lines of webhooks that want no order any more, up to 20,000 and 10,000 of one webhook;
/// says how many.
///
/// # Errors
/// The database's.
pub async fn dissolve(db: &Db) -> sqlx::Result<u64> {
    repeat(|| dissolve_some(db)).await
}

async fn dissolve_some(db: &Db) -> sqlx::Result<u64> {
    let mut tx = db.system().await?;
    let freed = sqlx::query!(
        r#"with recursive lined as (
               (select webhook_id, tenant_id from webhook_queue where record is not null order by webhook_id limit 1)
               union all
               select n.webhook_id, n.tenant_id from lined l cross join lateral (
                   select q.webhook_id, q.tenant_id from webhook_queue q
                   where q.record is not null and q.webhook_id > l.webhook_id order by q.webhook_id limit 1) n
           ), freed as (
               update webhook_queue q
               set record = null, sequence = null, next_retry = case q.next_retry when in_line() then moment_of(q.id) else q.next_retry end
               from (
                   select f.row, f.webhook_id, f.record
                   from (select w.id from lined l
                         join webhooks w on w.tenant_id = l.tenant_id and w.id = l.webhook_id and w.ordering = 'none'
                         order by random()) w
                   cross join lateral (
                       select f.ctid as row, f.webhook_id, f.record from webhook_queue f
                       where f.webhook_id = w.id and f.record is not null
                       limit $2 for update skip locked) f
                   limit $1) f
               where q.ctid = f.row
               returning f.webhook_id, f.record
           )
           select coalesce(array_agg(webhook_id), '{}') as "webhooks!", coalesce(array_agg(record), '{}') as "records!"
           from freed"#,
        BATCH,
        SHARE,
    )
    .fetch_one(tx.conn())
    .await?;
    advance(&mut tx, &freed.webhooks, &freed.records).await?;
    tx.commit_lazily().await?;
    Ok(freed.webhooks.len() as u64)
}

/// Sets the gauge of what waits in lines, of which 100,000 are counted.
pub(crate) async fn measure(db: &Db) -> sqlx::Result<()> {
    let waiting = db
        .direct(async |conn| {
            sqlx::query_scalar!(
                r#"select count(*)::integer as "waiting!" from (
                       select from webhook_queue where record is not null and next_retry = in_line() limit 100000) w"#
            )
            .fetch_one(conn)
            .await
        })
        .await?;
    metrics::gauge!("webhook_deliveries_in_line").set(f64::from(waiting));
    Ok(())
}
