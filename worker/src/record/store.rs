//! The SQL of outcomes. A batch is one transaction of a few statements, however many outcomes it has.

use std::collections::HashSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::db::fault;
use shared::webhook::code::ErrorCode;
use shared::webhook::delivery::DeliveryStatus;
use shared::{Db, SystemTx};
use uuid::Uuid;

use super::erased::{self, There};
use super::{Entry, Report, health, holds};
use crate::queue::Delivery;
use crate::replays;
use crate::retry::Next;

/// Writes a batch in one transaction; says whether the health of a webhook is to be looked at. The commit does not wait
/// for the disk: were it undone by a crash, the leases would run out and the attempts be made again.
pub(super) async fn write(db: &Db, batch: &[Entry]) -> sqlx::Result<bool> {
    if batch.is_empty() {
        return Ok(false);
    }
    let reported: Vec<_> =
        batch.iter().filter_map(|entry| Some((&entry.delivery, entry.report.as_ref()?))).collect();
    let unbegun: Vec<_> =
        batch.iter().filter(|entry| entry.report.is_none()).map(|entry| &entry.delivery).collect();
    let mut tx = db.system().await?;
    if !unbegun.is_empty() {
        hand_back(&mut tx, db, &unbegun).await?;
    }
    let reported = Reported(reported);
    let (written, due) = record(&mut tx, &reported).await?;
    tx.commit_lazily().await?;
    let fenced = (reported.0.len() - written.0.len()) as u64;
    if fenced > 0 {
        metrics::counter!("webhook_outcomes_fenced_total").increment(fenced);
        tracing::warn!(fenced, "outcomes came after their lease had ended");
    }
    count(written.0.iter().map(|(_, report)| *report));
    Ok(due)
}

/// Counts the deliveries that have ended, once they are written.
pub(super) fn count<'a>(reports: impl Iterator<Item = &'a Report>) {
    for next in reports.map(|report| report.next).filter(|next| due(*next).is_none()) {
        metrics::counter!("webhook_deliveries_total", "outcome" => status(next).as_str())
            .increment(1);
    }
}

/// Whether the batch failed because it had been written: its commit took effect though nobody heard so, and its
/// attempts are in the log.
pub(super) fn is_written(error: &sqlx::Error) -> bool {
    fault::is_taken(error)
        && fault::constraint(error).is_some_and(|name| name.starts_with("webhook_attempts"))
}

/// Takes those out of a batch whose attempts are in the log.
///
/// # Errors
/// The database's; `batch` is as it was then.
pub(super) async fn take_written(db: &Db, batch: &mut Vec<Entry>) -> sqlx::Result<Vec<Entry>> {
    let attempt = |entry: &Entry| Some(entry.report.as_ref()?.attempt.id.0);
    let reported: Vec<_> =
        batch.iter().filter_map(|entry| Some((&entry.delivery, attempt(entry)?))).collect();
    let tenants: Vec<_> = reported.iter().map(|(delivery, _)| delivery.tenant.0).collect();
    let deliveries: Vec<_> = reported.iter().map(|(delivery, _)| delivery.id.0).collect();
    let attempts: Vec<_> = reported.iter().map(|(_, attempt)| *attempt).collect();
    let mut tx = db.system().await?;
    let logged = sqlx::query_scalar!(
        "select a.id from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as o (tenant_id, delivery_id, id)
         join webhook_attempts a on a.tenant_id = o.tenant_id and a.delivery_id = o.delivery_id and a.id = o.id",
        &tenants,
        &deliveries,
        &attempts,
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit_lazily().await?;
    let logged: HashSet<_> = logged.into_iter().collect();
    let is_logged = |entry: &mut Entry| attempt(entry).is_some_and(|id| logged.contains(&id));
    Ok(batch.extract_if(.., is_logged).collect())
}

/// Those that were written, and whether the health of a webhook is to be looked at.
async fn record<'a>(
    tx: &mut SystemTx,
    reported: &Reported<'a>,
) -> sqlx::Result<(Reported<'a>, bool)> {
    if reported.0.is_empty() {
        return Ok((Reported(Vec::new()), false));
    }
    let ended = end_leases(tx, reported).await?;
    let written = reported.at(&ended);
    let mut there = write_deliveries(tx, &written, &ended).await?;
    there.extend(hold_fenced(tx, reported, &ended).await?);
    log_attempts(tx, &reported.of(&there), &there).await?;
    holds::keep(tx, &reported.0).await?;
    // Whoever else records for the same webhooks waits from here to the commit. The health before the replays, as where
    // a webhook's recovery begins one.
    let due = health::count(tx, &written.0).await?;
    let accepted =
        written.0.iter().zip(&ended).filter(|((_, report), _)| report.next == Next::Done);
    let accepted =
        accepted.filter_map(|((delivery, _), one)| Some((delivery.tenant.0, one.replay?)));
    replays::count_accepted(tx, accepted).await?;
    Ok((written, due))
}

/// A lease that ended with its outcome.
struct Ended {
    /// Which of the reported.
    place: i32,
    /// Requests made in this cycle, this one included.
    attempts: i32,
    /// The replay that had it sent again.
    replay: Option<Uuid>,
}

/// Deliveries with what their attempts came to, as rows that SQL takes column by column.
struct Reported<'a>(Vec<(&'a Delivery, &'a Report)>);

impl Reported<'_> {
    fn column<'b, T>(&'b self, value: impl Fn(&'b Delivery, &'b Report) -> T) -> Vec<T> {
        self.0.iter().map(|(delivery, report)| value(delivery, report)).collect()
    }

    /// Those of the deliveries that are there. A tenant may be erased, or a day's deliveries removed, during a request.
    fn of(&self, there: &There) -> Self {
        let kept = self.0.iter().filter(|(delivery, _)| there.contains_key(&delivery.id.0));
        Self(kept.copied().collect())
    }

    /// Those whose leases ended. An outcome that came after its lease had ended is another worker's to count.
    fn at(&self, ended: &[Ended]) -> Self {
        let reported = |one: &Ended| self.0.get(usize::try_from(one.place).ok()?).copied();
        Self(ended.iter().filter_map(reported).collect())
    }
}

fn error_name(report: &Report) -> Option<&'static str> {
    report.attempt.error_code.map(ErrorCode::as_str)
}

/// Of deliveries that are erased, without what the receiver said.
async fn log_attempts<'a>(
    tx: &mut SystemTx,
    rows: &Reported<'a>,
    there: &There,
) -> sqlx::Result<()> {
    let is_erased = |delivery: &Delivery| there.get(&delivery.id.0).is_some_and(|erased| *erased);
    // As text: sqlx would send an array of `jsonb`, which PostgreSQL reads, writes and reads once more to make it
    // `json`.
    let left = |(delivery, report): &(&Delivery, &'a Report)| {
        erased::left(&report.attempt.detail, is_erased(delivery))
    };
    let details = rows.0.iter().map(left).collect::<sqlx::Result<Vec<_>>>()?;
    let details: Vec<&str> = details.iter().map(AsRef::as_ref).collect();
    sqlx::query!(
        "insert into webhook_attempts (tenant_id, delivery_id, id, cycle, attempt, trigger, started_at, latency_ms,
                                       first_byte_ms, status_code, error_code, error, excerpt, detail)
         select tenant_id, delivery_id, id, cycle, attempt, trigger, started_at, latency_ms, first_byte_ms, status_code,
                error_code, error, excerpt, detail::json
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::int[], $5::int[], $6::text[], $7::timestamptz[],
                     $8::int[], $9::int[], $10::int[], $11::text[], $12::text[], $13::text[], $14::text[])
              as o (tenant_id, delivery_id, id, cycle, attempt, trigger, started_at, latency_ms, first_byte_ms, status_code,
                    error_code, error, excerpt, detail)",
        &rows.column(|delivery, _| delivery.tenant.0),
        &rows.column(|delivery, _| delivery.id.0),
        &rows.column(|_, report| report.attempt.id.0),
        &rows.column(|delivery, _| delivery.cycle),
        &rows.column(|_, report| i32::try_from(report.attempt.attempt).unwrap_or(i32::MAX)),
        &rows.column(|delivery, _| delivery.trigger.as_str()) as &[&str],
        &rows.column(|_, report| report.attempt.started),
        &rows.column(|_, report| whole_millis(report.attempt.latency)),
        &rows.column(|_, report| report.attempt.first_byte.map(whole_millis)) as &[Option<i32>],
        &rows.column(|_, report| report.attempt.status_code.map(i32::from)) as &[Option<i32>],
        &rows.column(|_, report| error_name(report)) as &[Option<&str>],
        &rows.column(|_, report| report.attempt.error.as_deref()) as &[Option<&str>],
        &rows.column(|delivery, report| {
            report.attempt.excerpt.as_deref().filter(|_| !is_erased(delivery))
        }) as &[Option<&str>],
        &details as &[&str],
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Ends the leases that still hold. `attempts` is counted here and not at the claim: a crash or a deployment never
/// costs one of a cycle's.
async fn end_leases(tx: &mut SystemTx, rows: &Reported<'_>) -> sqlx::Result<Vec<Ended>> {
    sqlx::query_as!(
        Ended,
        r#"with outcome as (
               select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::int[])
                             as o (tenant_id, webhook_id, id, lease_id, next_retry, place)
           ), finished as (
               delete from webhook_queue q using outcome o
               where q.tenant_id = o.tenant_id and q.webhook_id = o.webhook_id and q.id = o.id
                 and q.lease_id = o.lease_id and o.next_retry is null
               returning o.place, q.attempts + 1 as attempts, q.replay_id
           ), waiting as (
               update webhook_queue q
               set next_retry = o.next_retry, attempts = q.attempts + 1, lease_id = null, claims = 0
               from outcome o
               where q.tenant_id = o.tenant_id and q.webhook_id = o.webhook_id and q.id = o.id
                 and q.lease_id = o.lease_id and o.next_retry is not null
               returning o.place, q.attempts, q.replay_id
           )
           select place as "place!", attempts as "attempts!", replay_id as replay from finished
           union all select * from waiting"#,
        &rows.column(|delivery, _| delivery.tenant.0),
        &rows.column(|delivery, _| delivery.webhook.0),
        &rows.column(|delivery, _| delivery.id.0),
        &rows.column(|delivery, _| delivery.lease.0),
        &rows.column(|_, report| due(report.next)) as &[Option<DateTime<Utc>>],
        &(0..).take(rows.0.len()).collect::<Vec<i32>>(),
    )
    .fetch_all(tx.conn())
    .await
}

/// Writes outcomes into their deliveries; those that are there. Not in one statement with the queue: a row
/// that somebody is erasing is waited for and then read again, which a statement that changes two tables cannot do.
async fn write_deliveries(
    tx: &mut SystemTx,
    written: &Reported<'_>,
    ended: &[Ended],
) -> sqlx::Result<There> {
    let rows = sqlx::query!(
        r#"update webhook_events e
           set status = o.status, attempts = o.attempts, last_status_code = o.code, last_error = o.error,
               delivered_at = case when o.status = 'delivered' then o.ended end
           from unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::int[], $6::text[], $7::timestamptz[])
                as o (tenant_id, id, status, attempts, code, error, ended)
           where e.tenant_id = o.tenant_id and e.id = o.id
           returning e.id as "id!", e.erased_at is not null as "erased!""#,
        &written.column(|delivery, _| delivery.tenant.0),
        &written.column(|delivery, _| delivery.id.0),
        &written.column(|_, report| status(report.next).as_str()) as &[&str],
        &ended.iter().map(|one| one.attempts).collect::<Vec<_>>(),
        &written.column(|_, report| report.attempt.status_code.map(i32::from)) as &[Option<i32>],
        &written.column(|_, report| error_name(report)) as &[Option<&str>],
        &written.column(|_, report| report.ended),
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.erased)).collect())
}

/// The same of those that were not written because their leases had ended before; their attempts are logged all the
/// same.
async fn hold_fenced(
    tx: &mut SystemTx,
    rows: &Reported<'_>,
    ended: &[Ended],
) -> sqlx::Result<There> {
    if ended.len() == rows.0.len() {
        return Ok(There::new());
    }
    let tenants = rows.column(|delivery, _| delivery.tenant.0);
    let ids = rows.column(|delivery, _| delivery.id.0);
    erased::hold(tx, &tenants, &ids).await
}

fn status(next: Next) -> DeliveryStatus {
    match next {
        Next::Done => DeliveryStatus::Delivered,
        Next::At { .. } => DeliveryStatus::Pending,
        Next::GiveUp(_) | Next::Disable => DeliveryStatus::Failed,
    }
}

fn due(next: Next) -> Option<DateTime<Utc>> {
    match next {
        Next::At { at, .. } => Some(at),
        Next::Done | Next::GiveUp(_) | Next::Disable => None,
    }
}

fn whole_millis(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}

async fn hand_back(tx: &mut SystemTx, db: &Db, unbegun: &[&Delivery]) -> sqlx::Result<()> {
    sqlx::query!(
        "update webhook_queue q set next_retry = $5, lease_id = null, claims = q.claims - 1
         from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) as o (tenant_id, webhook_id, id, lease_id)
         where q.tenant_id = o.tenant_id and q.webhook_id = o.webhook_id and q.id = o.id and q.lease_id = o.lease_id",
        &unbegun.iter().map(|delivery| delivery.tenant.0).collect::<Vec<_>>(),
        &unbegun.iter().map(|delivery| delivery.webhook.0).collect::<Vec<_>>(),
        &unbegun.iter().map(|delivery| delivery.id.0).collect::<Vec<_>>(),
        &unbegun.iter().map(|delivery| delivery.lease.0).collect::<Vec<_>>(),
        db.clock().now(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
