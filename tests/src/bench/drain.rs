//! B4: one worker drains pending deliveries that wait in the table when it starts. The limit: the bare loop with the
//! worker's client.
//!
//! The deliveries are written by SQL, spread evenly over the [subscribers](super::subscribers); the relay has no part
//! in it. The clock runs from the start of the worker's process to the last arrival, CPU time until every outcome is
//! written down.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::bare_loop::{self, Task};
use super::options::Options;
use super::report::{Measured, Round, Row};
use super::stage::{Stage, execute};
use super::subscribers::Subscribers;
use crate::servers::Result;

/// The shipped `WORKER_CONCURRENCY`.
const CONCURRENCY: u32 = 128;

/// A drain that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(5);

/// Runs the row.
///
/// # Errors
/// When something fails, or a delivery is made twice or never.
pub async fn run(stage: &Stage, options: &Options, subscribers: &Subscribers) -> Result<Row> {
    let count = if options.quick { 3_000 } else { 50_000 };
    let mut session = stage.superuser().await?;
    let task = Task {
        receivers: subscribers.receivers.addresses.clone(),
        posts: count,
        concurrency: CONCURRENCY,
    };
    drain(stage, &mut session, subscribers, count / 10).await?;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds() {
        let limit = bare_loop::measure(&task).await?;
        subscribers.receivers.take();
        let ours = drain(stage, &mut session, subscribers, count).await?;
        rounds.push(Round { ours, limit });
    }
    Ok(Row::of_rounds("B4", 0.50, &rounds))
}

async fn drain(
    stage: &Stage,
    session: &mut PgConnection,
    subscribers: &Subscribers,
    count: u32,
) -> Result<Measured> {
    fill(session, count).await?;
    let before = stage.meter(&[])?.read()?;
    let started = Instant::now();
    let worker = stage.worker().await?;
    subscribers.receivers.wait_for(count as usize, PATIENCE).await?;
    wait_until_written(session).await?;
    let cpu = stage.meter(&[&worker])?.read()? - before;
    worker.stop().await?;

    let arrivals = subscribers.receivers.take();
    let different: HashSet<_> = arrivals.iter().map(|arrival| arrival.delivery).collect();
    if arrivals.len() != different.len() {
        let twice = arrivals.len() - different.len();
        return Err(format!("{twice} of {count} deliveries were made twice").into());
    }
    let last = arrivals.iter().map(|arrival| arrival.at).max().unwrap_or(started);
    Ok(Measured { count, seconds: (last - started).as_secs_f64(), cpu, latencies: None })
}

/// Leaves exactly so many pending deliveries, with ids that ascend as the relay's do.
async fn fill(session: &mut PgConnection, count: u32) -> Result<()> {
    let empty = [
        "truncate webhook_events, webhook_attempts, webhook_queue, events, event_logs, outbox",
        "set session_replication_role = replica",
    ];
    execute(session, empty).await?;
    sqlx::query(
        r#"with filled as (
           insert into webhook_events (tenant_id, id, webhook_id, occurrence_id, event, body, created_at)
           select w.tenant_id, d.id, w.id, o.id, 'contact.created',
                  ('{"id":"' || d.id || '","event":"contact.created","timestamp":"' || t.text || '","data":{"id":"' || o.id
                   || '","tenantId":"' || w.tenant_id || '","name":"Contact ' || 100000000000 + n || '","email":"c'
                   || 100000000000 + n || '@example.com","phone":"+49' || 100000000000 + n || '","phoneE164":"+49'
                   || 100000000000 + n || '","company":"ACME Corp","version":1,"createdAt":"' || t.text
                   || '","updatedAt":"' || t.text || '"},"occurrenceId":"' || o.id || '"}')::json, now()
           from generate_series(0, $1 - 1) n
           join (select *, row_number() over (order by id) - 1 as place, count(*) over () as webhooks
                 from webhooks) w on w.place = n % w.webhooks
           cross join lateral (select (lpad(to_hex((extract(epoch from now()) * 1000)::bigint + n / 4), 12, '0')
                                       || '70008000' || lpad(to_hex(n), 12, '0'))::uuid as id) o
           cross join lateral (select delivery_id(o.id, w.id) as id) d
           cross join (select to_char(now() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as text) t
           returning tenant_id, id, webhook_id, created_at)
           insert into webhook_queue (tenant_id, id, webhook_id, next_retry)
           select tenant_id, id, webhook_id, created_at from filled"#,
    )
    .bind(i32::try_from(count)?)
    .execute(&mut *session)
    .await?;
    execute(
        session,
        [
            "reset session_replication_role",
            "vacuum (analyze) webhook_events, webhook_queue",
            "checkpoint",
        ],
    )
    .await
}

async fn wait_until_written(session: &mut PgConnection) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let open: i64 =
            sqlx::query_scalar("select count(*) from webhook_events where status <> 'delivered'")
                .fetch_one(&mut *session)
                .await?;
        if open == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(format!("{open} deliveries arrived and were not written down").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
