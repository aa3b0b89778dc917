//! Finds lines that nobody has advanced (`record_order`): that of a remover which rolled back, for instance.

use shared::Db;
use uuid::Uuid;

use crate::record_order::advance;

/// A webhook and a record.
pub type Line = (Uuid, Uuid);

/// Lines that are looked at together, at most: about a second.
pub(crate) const LOOKED_AT: i64 = 100_000;

/// Advances the lines whose first delivery waits, which none should; says how many there were. One look at each of so
/// many lines behind `last`, which moves on: all of them may be more than one statement gets through in its time.
///
/// # Errors
/// The database's.
pub async fn mend(db: &Db, last: &mut Line, most: i64) -> sqlx::Result<u64> {
    let mut tx = db.system().await?;
    let stuck = sqlx::query!(
        r#"with recursive lines as (
               (select webhook_id, record, next_retry, 1::bigint as place from webhook_queue
                where record is not null and (webhook_id, record) > ($1, $2) order by webhook_id, record, sequence limit 1)
               union all
               select n.webhook_id, n.record, n.next_retry, l.place + 1 from lines l cross join lateral (
                   select q.webhook_id, q.record, q.next_retry from webhook_queue q
                   where q.record is not null and (q.webhook_id, q.record) > (l.webhook_id, l.record)
                   order by q.webhook_id, q.record, q.sequence limit 1) n
               where l.place < $3
           )
           select coalesce(array_agg(webhook_id) filter (where next_retry = in_line()), '{}') as "webhooks!",
                  coalesce(array_agg(record) filter (where next_retry = in_line()), '{}') as "records!",
                  (array_agg(webhook_id) filter (where place = $3))[1] as last_webhook,
                  (array_agg(record) filter (where place = $3))[1] as last_record
           from lines"#,
        last.0,
        last.1,
        most,
    )
    .fetch_one(tx.conn())
    .await?;
    let mended = advance(&mut tx, &stuck.webhooks, &stuck.records).await?;
    tx.commit_lazily().await?;
    // Behind the last of all it begins anew.
    *last = stuck.last_webhook.zip(stuck.last_record).unwrap_or_default();
    if mended > 0 {
        tracing::warn!(mended, "deliveries waited behind nothing; they go out now");
    }
    Ok(mended)
}
