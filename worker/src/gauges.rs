//! What operators scale and alert on: the age of the oldest work that more workers could do. Deliveries that wait for
//! `Retry-After` do not count, nor those of a webhook whose rate limit was used up within five seconds.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::Db;
use shared::db::step::{STEP, in_time};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use crate::background::wait;
use crate::queue::Slots;

/// How often the outbox is looked at.
const PERIOD: Duration = Duration::from_secs(2);

/// Sets the gauges of this worker's places.
pub(crate) fn measure_slots(db: &Db, slots: &Slots) {
    let places = slots.caps().total;
    metrics::gauge!("webhook_places").set(f64::from(places));
    let busy = places - slots.free();
    metrics::gauge!("webhook_requests_in_flight").set(f64::from(busy));
    let slowed = u32::try_from(slots.forget_idle(db.clock().now())).unwrap_or(u32::MAX);
    metrics::gauge!("webhook_receivers_slowed").set(f64::from(slowed));
}

/// Says until `stop` how long events have waited for the relay, and when that was known: apart from all other gauges,
/// because who is paged by it is paged as well when nobody can say.
pub(crate) async fn watch_outbox(db: Db, stop: CancellationToken) {
    outbox_measured(&db);
    while !stop.is_cancelled() {
        if let Err(error) = in_time(STEP, measure_outbox(&db)).await {
            tracing::debug!(%error, "the outbox's age could not be asked for");
        }
        wait(PERIOD, std::future::pending(), &stop).await;
    }
}

async fn measure_outbox(db: &Db) -> sqlx::Result<()> {
    let oldest = db
        .direct(async |conn| {
            sqlx::query_scalar!("select occurred_at from outbox order by id limit 1")
                .fetch_optional(conn)
                .await
        })
        .await?;
    metrics::gauge!("outbox_oldest_seconds").set(age(oldest, db.clock().now()));
    outbox_measured(db);
    Ok(())
}

/// Says that the age of the outbox is known, or that this worker has just begun.
fn outbox_measured(db: &Db) {
    metrics::gauge!("outbox_measured_timestamp_seconds").set(seconds(db.clock().now()));
}

/// Asks the database for everything else and sets the gauges.
pub(crate) async fn measure(db: &Db) -> sqlx::Result<()> {
    let now = db.clock().now();
    let row = db.direct(async |conn| oldest(conn, now).await).await?;
    metrics::gauge!("webhook_oldest_due_seconds").set(age(row.due, now));
    let erasures = u32::try_from(row.erasures).unwrap_or(u32::MAX);
    metrics::gauge!("erasures_pending").set(f64::from(erasures));
    metrics::gauge!("erasures_oldest_seconds").set(age(row.erasure, now));
    measure_replays(db).await?;
    measure_imports(db).await
}

/// What has waited longest.
struct Oldest {
    due: Option<DateTime<Utc>>,
    erasures: i64,
    erasure: Option<DateTime<Utc>>,
}

async fn oldest(conn: &mut PgConnection, now: DateTime<Utc>) -> sqlx::Result<Oldest> {
    sqlx::query_as!(
        Oldest,
        r#"with turns as (
               select r.next_retry from webhooks_in_turn('00000000-0000-0000-0000-000000000000') r
               join webhooks w on w.tenant_id = r.tenant_id and w.id = r.webhook_id and w.active
               where (w.held_until is null or w.held_until <= $1)
                 and (w.paced_until is null or w.paced_until <= $1::timestamptz - interval '5 s')
           ), parked as (
               select q.next_retry from webhook_queue q
               join webhooks w on w.tenant_id = q.tenant_id and w.id = q.webhook_id and w.active
               where is_parked(q.attempts, q.promoted, q.lease_id, q.next_retry) and q.next_retry <= $1
                 and (w.held_until is null or w.held_until <= $1)
                 and (w.paced_until is null or w.paced_until <= $1::timestamptz - interval '5 s')
               order by q.next_retry limit 1
           )
           select least((select min(next_retry) from turns), (select next_retry from parked)) as due,
               (select count(*) from erasures where due_at is not null) as "erasures!",
               (select min(created_at) from erasures where due_at is not null) as erasure"#,
        now
    )
    .fetch_one(conn)
    .await
}

/// Says that housekeeping has done all that a round of it does.
pub(crate) fn housekept(db: &Db) {
    metrics::gauge!("housekeeping_timestamp_seconds").set(seconds(db.clock().now()));
}

/// Counts what is due and not under way, 100,000 at most, each from the index.
pub(crate) async fn count_due(db: &Db) -> sqlx::Result<()> {
    let now = db.clock().now();
    let due = db
        .direct(async |conn| {
            sqlx::query_scalar!(
                r#"select count(*)::integer as "due!" from (
                       (select from webhooks_in_turn('00000000-0000-0000-0000-000000000000') r
                        join webhooks w on w.tenant_id = r.tenant_id and w.id = r.webhook_id and w.active
                        cross join lateral (
                            select from webhook_queue q where q.webhook_id = r.webhook_id and q.next_retry <= $1
                            and not is_parked(q.attempts, q.promoted, q.lease_id, q.next_retry)) d
                        where r.next_retry <= $1 and (w.held_until is null or w.held_until <= $1)
                          and (w.paced_until is null or w.paced_until <= $1::timestamptz - interval '5 s'))
                       union all
                       (select from webhook_queue q
                        join webhooks w on w.tenant_id = q.tenant_id and w.id = q.webhook_id and w.active
                        where is_parked(q.attempts, q.promoted, q.lease_id, q.next_retry) and q.next_retry <= $1
                          and (w.held_until is null or w.held_until <= $1)
                          and (w.paced_until is null or w.paced_until <= $1::timestamptz - interval '5 s'))
                       limit 100000) due"#,
                now
            )
            .fetch_one(conn)
            .await
        })
        .await?;
    metrics::gauge!("webhook_deliveries_due").set(f64::from(due));
    Ok(())
}

/// Imports that a worker has to go on with, how many rows they have before them, and whether they move.
async fn measure_imports(db: &Db) -> sqlx::Result<()> {
    let row = db
        .direct(async |conn| {
            sqlx::query!(
                r#"select count(*)::float8 as "pending!", min(updated_at) as moved,
                          coalesce(sum(greatest(total - processed, 0)) filter (where status <> 'undoing'), 0)::float8
                              as "rows!"
                   from imports where due_at is not null"#
            )
            .fetch_one(conn)
            .await
        })
        .await?;
    metrics::gauge!("imports_pending").set(row.pending);
    metrics::gauge!("import_rows_remaining").set(row.rows);
    metrics::gauge!("imports_stalled_seconds").set(age(row.moved, db.clock().now()));
    Ok(())
}

/// Replays that are going on, and how many deliveries they have before them.
async fn measure_replays(db: &Db) -> sqlx::Result<()> {
    let rows = db
        .direct(async |conn| {
            sqlx::query!(
                r#"select t.trigger as "trigger!", count(r.id)::float8 as "running!",
                          coalesce(sum(greatest(r.total - r.replayed, 0)), 0)::float8 as "remaining!"
                   from (values ('replay'), ('redrive')) t (trigger)
                   left join webhook_replays r on r.trigger = t.trigger and r.due_at is not null
                   group by 1"#
            )
            .fetch_all(conn)
            .await
        })
        .await?;
    for row in rows {
        let (running, trigger) = (row.running, row.trigger);
        metrics::gauge!("webhook_replays_running", "trigger" => trigger.clone()).set(running);
        metrics::gauge!("webhook_replays_remaining", "trigger" => trigger).set(row.remaining);
    }
    Ok(())
}

/// Seconds; nothing due is of age zero.
fn age(since: Option<DateTime<Utc>>, now: DateTime<Utc>) -> f64 {
    since.map_or(0.0, |since| (now - since).to_std().unwrap_or_default().as_secs_f64())
}

/// Since 1970.
pub(crate) fn seconds(time: DateTime<Utc>) -> f64 {
    (time - DateTime::UNIX_EPOCH).as_seconds_f64()
}
