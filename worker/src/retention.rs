//! Keeps the event log within its time: partitions ahead of their days, those behind everyone's retention dropped whole,
//! and of tenants that keep less, rows in small batches (docs/decisions/0016-event-log.md). What is still pending ends
//! as `failed` first, and the log says from which number on it is whole.

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use shared::Db;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::queue::wait;

/// How often all of it is done.
const PERIOD: Duration = Duration::from_hours(1);
/// How soon again when something was in the way.
const AGAIN: Duration = Duration::from_mins(1);
/// Days that have partitions before they come.
const AHEAD: u64 = 3;
/// Rows removed in one transaction.
const BATCH: u64 = 1000;
/// Without tenants there is nothing to keep.
const LONGEST_WITHOUT_TENANTS: i64 = 90;

/// A tenant and the day that its log begins with.
struct Kept {
    tenant: Uuid,
    since: NaiveDate,
}

/// Keeps it until `stop`.
pub(crate) async fn run(db: Db, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let next = match keep(&db).await {
            Ok(true) => PERIOD,
            Ok(false) => AGAIN,
            Err(error) => {
                tracing::warn!(%error, "the event log could not be kept; trying again");
                AGAIN
            }
        };
        wait(next, std::future::pending(), &stop).await;
    }
}

/// Does all of it once; says whether nothing was in the way. Partitions are made and dropped without making anybody
/// wait for longer than 50 ms, so a transaction that stays open is in the way.
///
/// # Errors
/// The database's.
pub async fn keep(db: &Db) -> sqlx::Result<bool> {
    let today = db.clock().now().date_naive();
    let mut done = true;
    for day in (0..=AHEAD).filter_map(|ahead| today.checked_add_days(Days::new(ahead))) {
        done &= sqlx::query_scalar!(r#"select open_event_day($1) as "open!""#, day)
            .fetch_one(db.direct())
            .await?;
    }
    let kept = retentions(db, today).await?;
    for tenant in &kept {
        while expire(db, tenant).await? == BATCH {}
        forget(db, tenant).await?;
    }
    let longest = today - TimeDelta::days(LONGEST_WITHOUT_TENANTS);
    let everyone = kept.iter().map(|tenant| tenant.since).min().unwrap_or(longest);
    let days = open_days(db).await?;
    for day in days.iter().filter(|day| **day < everyone) {
        done &= drop_day(db, *day).await?;
    }
    for tenant in kept.iter().filter(|tenant| tenant.since > everyone) {
        remove(db, Some(tenant.tenant), tenant.since).await?;
    }
    // What has no day's partition.
    let first = days.iter().min().copied().unwrap_or(everyone);
    remove(db, None, first.min(everyone)).await?;
    Ok(done)
}

async fn retentions(db: &Db, today: NaiveDate) -> sqlx::Result<Vec<Kept>> {
    let rows =
        sqlx::query!(r#"select tenant_id as "tenant!", days as "days!" from event_retentions()"#)
            .fetch_all(db.direct())
            .await?;
    let since = |days| today - TimeDelta::days(days);
    Ok(rows.into_iter().map(|row| Kept { tenant: row.tenant, since: since(row.days) }).collect())
}

/// The days that have partitions.
async fn open_days(db: &Db) -> sqlx::Result<Vec<NaiveDate>> {
    sqlx::query_scalar!(
        r#"select to_date(right(c.relname, 8), 'YYYYMMDD') as "day!" from pg_inherits i join pg_class c on c.oid = i.inhrelid
           where i.inhparent = 'events'::regclass and c.relname ~ '_[0-9]{8}$'"#
    )
    .fetch_all(db.direct())
    .await
}

/// Fails up to [`BATCH`] deliveries that are not under way, whose rows are about to go; those of webhooks that are
/// off a day before, so that it can be seen.
async fn expire(db: &Db, kept: &Kept) -> sqlx::Result<u64> {
    let now = db.clock().now();
    let expired = sqlx::query!(
        "with expired as (
             delete from webhook_queue where ctid = any (array(
                 select q.ctid from webhook_queue q join webhooks w on w.tenant_id = q.tenant_id and w.id = q.webhook_id
                 where q.tenant_id = $1 and q.id < first_id($3) and (q.id < first_id($2) or not w.active)
                   and (q.lease_id is null or q.next_retry <= $4)
                 limit $5 for update of q skip locked))
             returning tenant_id, id
         )
         update webhook_events e set status = 'failed', last_error = 'expired'
         from expired x where e.tenant_id = x.tenant_id and e.id = x.id",
        kept.tenant,
        start(kept.since),
        start(kept.since) + TimeDelta::days(1),
        now,
        i64::try_from(BATCH).unwrap_or(i64::MAX),
    )
    .execute(db.direct())
    .await?
    .rows_affected();
    if expired > 0 {
        tracing::warn!(tenant_id = %kept.tenant, expired, "deliveries were held until their time was over");
        metrics::counter!("webhook_deliveries_total", "outcome" => "failed").increment(expired);
    }
    Ok(expired)
}

/// Says that the log is whole behind this number only: rows go in no order.
async fn forget(db: &Db, kept: &Kept) -> sqlx::Result<()> {
    sqlx::query!(
        "update event_logs l set forgotten = e.sequence
         from (select max(sequence) as sequence from events where tenant_id = $1 and id < first_id($2)) e
         where l.tenant_id = $1 and l.forgotten < e.sequence",
        kept.tenant,
        start(kept.since),
    )
    .execute(db.direct())
    .await?;
    Ok(())
}

/// Drops a day's partitions, unless something in it is still under way.
async fn drop_day(db: &Db, day: NaiveDate) -> sqlx::Result<bool> {
    let end = start(day) + TimeDelta::days(1);
    let dropped = sqlx::query_scalar!(
        r#"select case when exists (select from webhook_queue where id < first_id($2)) then false
                  else drop_event_day($1) end as "dropped!""#,
        day,
        end,
    )
    .fetch_one(db.direct())
    .await?;
    if dropped {
        tracing::info!(%day, "events of a day were dropped");
    }
    Ok(dropped)
}

/// Removes rows from before a day, of one tenant or of all.
async fn remove(db: &Db, tenant: Option<Uuid>, since: NaiveDate) -> sqlx::Result<()> {
    let (since, most) = (start(since), i64::try_from(BATCH).unwrap_or(i64::MAX));
    while sqlx::query!(
        "delete from webhook_attempts a using (
             select tenant_id, delivery_id, id from webhook_attempts
             where delivery_id < first_id($2) and ($1::uuid is null or tenant_id = $1) limit $3) old
         where a.tenant_id = old.tenant_id and a.delivery_id = old.delivery_id and a.id = old.id",
        tenant,
        since,
        most
    )
    .execute(db.direct())
    .await?
    .rows_affected()
        == BATCH
    {}
    while sqlx::query!(
        "delete from webhook_events e using (
             select tenant_id, id from webhook_events
             where id < first_id($2) and ($1::uuid is null or tenant_id = $1) and status <> 'pending' limit $3) old
         where e.tenant_id = old.tenant_id and e.id = old.id",
        tenant,
        since,
        most
    )
    .execute(db.direct())
    .await?
    .rows_affected()
        == BATCH
    {}
    while sqlx::query!(
        "delete from events e using (
             select tenant_id, id from events
             where id < first_id($2) and ($1::uuid is null or tenant_id = $1) limit $3) old
         where e.tenant_id = old.tenant_id and e.id = old.id",
        tenant,
        since,
        most
    )
    .execute(db.direct())
    .await?
    .rows_affected()
        == BATCH
    {}
    Ok(())
}

/// Its first moment, in UTC.
fn start(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}
