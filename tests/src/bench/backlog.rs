//! Deliveries that wait in the table, as the relay would have left them, written by SQL.

use std::time::{Duration, Instant};

use sqlx::PgConnection;
use uuid::Uuid;

use super::stage::execute;
use crate::servers::Result;

/// Finished and future rows of a table that has been in use.
const OLD: i32 = 1_000_000;

/// Rows of the past, over so many days.
const DAYS: i32 = 25;

/// What the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rows {
    /// Pending and due.
    Due,
    /// Delivered, over the last days.
    Finished,
    /// Pending, due in more than a day.
    Future,
}

impl Rows {
    fn status(self) -> &'static str {
        if self == Self::Finished { "delivered" } else { "pending" }
    }
}

/// Leaves no delivery at all.
///
/// # Errors
/// The database's.
pub async fn empty(session: &mut PgConnection) -> Result<()> {
    let tables =
        "truncate webhook_events, webhook_attempts, webhook_queue, events, event_logs, outbox";
    execute(session, [tables]).await
}

/// Leaves a table that has been in use for weeks.
///
/// # Errors
/// The database's.
pub async fn age(session: &mut PgConnection, quick: bool) -> Result<()> {
    let count = if quick { OLD / 100 } else { OLD };
    history(session, count).await?;
    add(session, Rows::Future, count, None).await?;
    settle(session).await
}

/// Adds finished deliveries of the last weeks.
///
/// # Errors
/// The database's.
pub async fn history(session: &mut PgConnection, count: i32) -> Result<()> {
    let days = format!("select open_event_day(current_date - n) from generate_series(1, {DAYS}) n");
    execute(session, [days.as_str()]).await?;
    add(session, Rows::Finished, count, None).await?;
    settle(session).await
}

/// Adds pending deliveries that are due, of one webhook or spread evenly over all.
///
/// # Errors
/// The database's.
pub async fn fill(session: &mut PgConnection, count: u32, only: Option<Uuid>) -> Result<()> {
    add(session, Rows::Due, i32::try_from(count)?, only).await?;
    settle(session).await
}

/// Keeps all webhooks from being sent anything, as one is whose receiver asked for time.
///
/// # Errors
/// The database's.
pub async fn hold(session: &mut PgConnection) -> Result<()> {
    execute(session, ["update webhooks set held_until = now() + interval '1 hour'"]).await
}

/// Ends that, and wakes the workers.
///
/// # Errors
/// The database's.
pub async fn let_go(session: &mut PgConnection) -> Result<()> {
    execute(session, ["update webhooks set held_until = null", "notify outbox"]).await
}

/// Waits until the outcome of everything that was due is written.
///
/// # Errors
/// When it takes longer than `patience`.
pub async fn wait_until_written(session: &mut PgConnection, patience: Duration) -> Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        let open: i64 = sqlx::query_scalar(
            "select count(*) from webhook_queue where next_retry < now() + interval '1 hour'",
        )
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

async fn settle(session: &mut PgConnection) -> Result<()> {
    let settled = ["vacuum (analyze) webhook_events, webhook_queue", "checkpoint"];
    execute(session, settled).await
}

/// With ids that ascend as the relay's do, without foreign keys and triggers in between.
async fn add(session: &mut PgConnection, rows: Rows, count: i32, only: Option<Uuid>) -> Result<()> {
    execute(session, ["set session_replication_role = replica"]).await?;
    sqlx::query(
        r#"with filled as (
           insert into webhook_events (tenant_id, id, webhook_id, occurrence_id, event, body, status, attempts, created_at)
           select w.tenant_id, d.id, w.id, o.id, 'contact.created',
                  ('{"id":"' || d.id || '","event":"contact.created","timestamp":"' || t.text || '","data":{"id":"' || o.id
                   || '","tenantId":"' || w.tenant_id || '","name":"Contact ' || 100000000000 + n || '","email":"c'
                   || 100000000000 + n || '@example.com","phone":"+49' || 100000000000 + n || '","phoneE164":"+49'
                   || 100000000000 + n || '","company":"ACME Corp","version":1,"createdAt":"' || t.text
                   || '","updatedAt":"' || t.text || '"},"occurrenceId":"' || o.id || '"}')::json,
                  $2, case when $2 = 'delivered' then 1 else 0 end, m.moment
           from generate_series(0, $1 - 1) n
           join (select *, row_number() over (order by id) - 1 as place, count(*) over () as webhooks
                 from webhooks where $5::uuid is null or id = $5) w on w.place = n % w.webhooks
           -- Of the past days, or four in a millisecond until now.
           cross join lateral (select now() - case when $2 = 'delivered'
                               then make_interval(days => 1 + n % $3, secs => n / 100.0)
                               else make_interval(secs => ($1 - n) / 4000.0) end as moment) m
           cross join lateral (select (lpad(to_hex((extract(epoch from m.moment) * 1000)::bigint), 12, '0')
                                       || '70008000' || lpad(to_hex(n), 12, '0'))::uuid as id) o
           cross join lateral (select delivery_id(o.id, w.id) as id) d
           cross join lateral (select to_char(m.moment at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as text) t
           returning tenant_id, id, webhook_id, created_at)
           insert into webhook_queue (tenant_id, id, webhook_id, next_retry)
           select tenant_id, id, webhook_id, created_at + make_interval(days => $4) from filled where $2 = 'pending'"#,
    )
    .bind(count)
    .bind(rows.status())
    .bind(DAYS - 1)
    .bind(if rows == Rows::Future { 2 } else { 0 })
    .bind(only)
    .execute(&mut *session)
    .await?;
    execute(session, ["reset session_replication_role"]).await
}
