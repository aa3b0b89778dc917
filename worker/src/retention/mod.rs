//! Keeps the event log within its time: partitions ahead of their days, those behind everyone's retention dropped
//! whole, and of tenants that keep less, rows in small batches (docs/decisions/0016-event-log.md). What is still
//! pending ends as `failed` first, and the log says from which number on it is whole.

mod store;

use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use shared::Db;
use shared::db::fault;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::background::wait;
use crate::gauges::seconds;
use store::Expiry;

/// How often all of it is done.
const PERIOD: Duration = Duration::from_hours(1);
/// How soon after a start, and again when something was in the way.
const AGAIN: Duration = Duration::from_mins(1);
/// Days that have partitions before they come.
const AHEAD: u64 = 3;
/// How long the start waits for today's partitions, and how often it tries.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const SOON: Duration = Duration::from_millis(500);
/// Rows removed in one transaction.
const BATCH: i64 = 1000;
/// Tenants looked at in one statement.
const TENANTS: usize = 1000;
/// The longest that a tenant may ask for: what is kept while there are none.
const LONGEST: TimeDelta = TimeDelta::days(90);

/// How long outcomes are counted: a day and the ten minutes that it began within, and some more.
const COUNTED: TimeDelta = TimeDelta::hours(25);

/// The day that a log begins with, and up to [`TENANTS`] whose log does: with very many tenants a statement for each
/// would be most of what a worker does while it does little else.
#[derive(Debug, PartialEq, Eq)]
struct Kept {
    since: NaiveDate,
    tenants: Vec<Uuid>,
}

impl Kept {
    /// All tenants, each with the days that it keeps.
    fn all(mut retentions: Vec<(Uuid, i64)>, today: NaiveDate) -> Vec<Self> {
        retentions.sort_unstable_by_key(|(tenant, days)| (*days, *tenant));
        let equal = retentions.chunk_by(|(_, days), (_, next)| days == next);
        let some = equal.flat_map(|equal| equal.chunks(TENANTS));
        some.map(|some| Self {
            since: today - TimeDelta::days(some[0].1),
            tenants: some.iter().map(|(tenant, _)| *tenant).collect(),
        })
        .collect()
    }
}

/// Makes the days before anything is relayed: what comes into a day without partitions stays in the table that catches
/// such rows, in the way of those that are made later.
pub(crate) async fn begin(db: &Db) {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let today = db.clock().now().date_naive();
        let error = match open(db).await {
            // Nothing was in the way. A day that has rows in the table that catches them gets none, however often it is
            // tried.
            Ok((true, _)) => return,
            Ok((_, days)) if missing(&days, today).all(|day| day > today) => return,
            // A transaction on the log is open, or another worker makes them.
            Ok(_) => None,
            Err(error) => Some(error),
        };
        let passes =
            error.as_ref().is_none_or(|error| fault::is_taken(error) || fault::is_transient(error));
        if !passes || Instant::now() >= deadline {
            let error = error.as_ref().map(tracing::field::display);
            return tracing::warn!(error, "the days' partitions could not be made; trying again");
        }
        tokio::time::sleep(SOON).await;
    }
}

/// Keeps it until `stop`. Days that [`begin`] has not made are tried once more; the rest looks at every tenant, and
/// waits until a start, of which there are many at once when workers are replaced, has done what is waited for.
pub(crate) async fn run(db: Db, stop: CancellationToken) {
    kept_whole(&db);
    told(open(&db).await.map(|(done, _)| done));
    wait(AGAIN, std::future::pending(), &stop).await;
    while !stop.is_cancelled() {
        let done = told(keep(&db).await);
        if done {
            kept_whole(&db);
        }
        wait(if done { PERIOD } else { AGAIN }, std::future::pending(), &stop).await;
    }
}

/// Whether nothing was in the way; says what failed.
fn told(done: sqlx::Result<bool>) -> bool {
    done.unwrap_or_else(|error| {
        tracing::warn!(%error, "the event log could not be kept; trying again");
        false
    })
}

/// Does all of it once; says whether nothing was in the way. Partitions are made and dropped without making anybody
/// wait for longer than 50 ms, so a transaction that stays open is in the way.
///
/// # Errors
/// The database's.
pub async fn keep(db: &Db) -> sqlx::Result<bool> {
    let today = db.clock().now().date_naive();
    let (mut done, days) = open(db).await?;
    if !db.clock_agrees().await {
        tracing::warn!(
            "nothing is removed while this clock is ahead of the database's; trying again"
        );
        return Ok(false);
    }
    let kept = Kept::all(db.direct(async |conn| store::retentions(conn).await).await?, today);
    // What is relayed while its day goes would be gone without a number to say so.
    let newest = start(kept.iter().map(|kept| kept.since).max().unwrap_or(today - LONGEST));
    if db.direct(async |conn| store::awaits_relay(conn, newest).await).await? {
        tracing::warn!(
            "events that are older than they are kept are still to be relayed; trying again"
        );
        return Ok(false);
    }
    for kept in &kept {
        expire_and_forget(db, kept).await?;
    }
    let everyone = kept.iter().map(|kept| kept.since).min().unwrap_or(today - LONGEST);
    for day in days.iter().filter(|day| **day < everyone) {
        done &= drop_day(db, *day).await?;
    }
    for kept in kept.iter().filter(|kept| kept.since > everyone) {
        let (tenants, since) = (&kept.tenants, start(kept.since));
        for tenant in db.direct(async |conn| store::with_old(conn, tenants, since).await).await? {
            remove(db, Some(tenant), kept.since).await?;
        }
    }
    // What has no day's partition.
    let first = days.iter().min().copied().unwrap_or(everyone);
    remove(db, None, first.min(everyone)).await?;
    let counted = db.clock().now() - COUNTED;
    while db.direct(async |conn| store::remove_outcomes(conn, counted).await).await?
        == BATCH.unsigned_abs()
    {}
    Ok(done)
}

/// Makes the partitions of all days that have none, those that passed while no worker ran included; says whether
/// nothing was in the way, and the days there are.
async fn open(db: &Db) -> sqlx::Result<(bool, Vec<NaiveDate>)> {
    let today = db.clock().now().date_naive();
    let days = partitioned(db).await?;
    let missing: Vec<_> = missing(&days, today).collect();
    if missing.is_empty() {
        return Ok((true, days));
    }
    let mut done = true;
    for day in missing {
        done &= db.direct(async |conn| store::open_day(conn, day).await).await?;
    }
    Ok((done, partitioned(db).await?))
}

/// The days that have partitions; says until when, also when no more can be made.
async fn partitioned(db: &Db) -> sqlx::Result<Vec<NaiveDate>> {
    let days = db.direct(async |conn| store::open_days(conn).await).await?;
    let until = until(&days, db.clock().now().date_naive());
    metrics::gauge!("event_log_until_timestamp_seconds").set(seconds(start(until)));
    Ok(days)
}

/// The days without a partition from behind the newest past one, of those that anybody may keep, to the last one ahead.
fn missing(days: &[NaiveDate], today: NaiveDate) -> impl Iterator<Item = NaiveDate> {
    let newest = days.iter().filter(|day| **day < today).max().copied();
    let first = newest.and_then(|day| day.succ_opt()).unwrap_or(today).max(today - LONGEST);
    let last = today + Days::new(AHEAD);
    first.iter_days().take_while(move |day| *day <= last).filter(|day| !days.contains(day))
}

/// Says that the log was kept, with nothing in the way.
fn kept_whole(db: &Db) {
    metrics::gauge!("event_log_kept_timestamp_seconds").set(seconds(db.clock().now()));
}

/// The first day from `today` on that has no partition.
fn until(days: &[NaiveDate], today: NaiveDate) -> NaiveDate {
    today.iter_days().find(|day| !days.contains(day)).unwrap_or(today)
}

/// Ends what is held for too long, and says of the logs where they begin, of those tenants that need it.
async fn expire_and_forget(db: &Db, kept: &Kept) -> sqlx::Result<()> {
    let all = start(kept.since);
    let expiry = Expiry { all, held: all + TimeDelta::days(1), now: db.clock().now() };
    for due in db.direct(async |conn| store::due(conn, &kept.tenants, expiry).await).await? {
        if due.expires {
            expire(db, due.tenant, expiry).await?;
        }
        if due.forgets {
            db.direct(async |conn| store::forget(conn, due.tenant, all).await).await?;
        }
    }
    Ok(())
}

/// Fails the deliveries that are not under way and whose rows are about to go; those of webhooks that are off a day
/// before, so that it can be seen.
async fn expire(db: &Db, tenant: Uuid, expiry: Expiry) -> sqlx::Result<()> {
    loop {
        let expired = db.direct(async |conn| store::expire(conn, tenant, expiry).await).await?;
        if expired > 0 {
            tracing::warn!(tenant_id = %tenant, expired, "deliveries were held until their time was over");
            metrics::counter!("webhook_deliveries_total", "outcome" => "failed").increment(expired);
            metrics::counter!("webhook_deliveries_expired_total").increment(expired);
        }
        if expired < BATCH.unsigned_abs() {
            return Ok(());
        }
    }
}

/// Drops a day's partitions, unless something in it is still under way.
async fn drop_day(db: &Db, day: NaiveDate) -> sqlx::Result<bool> {
    let end = start(day) + TimeDelta::days(1);
    let dropped = db.direct(async |conn| store::drop_day(conn, day, end).await).await?;
    if dropped {
        tracing::info!(%day, "the events of a day were dropped");
    }
    Ok(dropped)
}

/// Removes rows from before a day, of one tenant or of all.
async fn remove(db: &Db, tenant: Option<Uuid>, since: NaiveDate) -> sqlx::Result<()> {
    let since = start(since);
    let full = BATCH.unsigned_abs();
    while db.direct(async |conn| store::remove_attempts(conn, tenant, since).await).await? == full {
    }
    while db.direct(async |conn| store::remove_deliveries(conn, tenant, since).await).await? == full
    {
    }
    while db.direct(async |conn| store::remove_events(conn, tenant, since).await).await? == full {}
    Ok(())
}

/// Its first moment, in UTC.
fn start(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tenants_that_keep_equally_long_go_together_a_thousand_at_most() {
        let today = NaiveDate::from_ymd_opt(2026, 3, 31).unwrap();
        let tenants = (0..2_500).map(|n| (Uuid::from_u128(n), if n % 5 == 0 { 7 } else { 30 }));
        let kept = Kept::all(tenants.rev().collect(), today);
        let sizes: Vec<_> = kept.iter().map(|kept| (kept.since, kept.tenants.len())).collect();
        let (week, month) = (today - TimeDelta::days(7), today - TimeDelta::days(30));
        assert_eq!(sizes, [(week, 500), (month, 1000), (month, 1000)]);
        assert!(kept[0].tenants.iter().all(|tenant| tenant.as_u128() % 5 == 0));
    }

    #[test]
    fn a_day_that_is_missing_ends_the_days_that_are_there() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 5, day).unwrap();
        let today = day(10);
        assert_eq!(until(&[day(9), day(10), day(11), day(12)], today), day(13));
        assert_eq!(until(&[day(10), day(12)], today), day(11));
        assert_eq!(until(&[day(9)], today), today);
    }

    #[test]
    fn days_that_passed_while_no_worker_ran_get_their_partitions_too() {
        let day = |day| NaiveDate::from_ymd_opt(2026, 5, day).unwrap();
        let of = |days: &[NaiveDate]| missing(days, day(20)).collect::<Vec<_>>();
        assert_eq!(of(&[day(16), day(17)]), [18, 19, 20, 21, 22, 23].map(day));
        assert_eq!(of(&[day(19), day(20), day(21)]), [22, 23].map(day));
        assert_eq!(of(&[]), [20, 21, 22, 23].map(day));
        let a_year_ago = NaiveDate::from_ymd_opt(2025, 5, 1).unwrap();
        assert_eq!(of(&[a_year_ago]).len(), 94);
    }
}
