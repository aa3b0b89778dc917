//! B8: 10,000 contacts are imported from JSON, events included. The limit: the same contacts and events, handed to the
//! database as arrays and written by one statement as the api's own login.
//!
//! The clock runs from the start of the upload to the moment at which the import says that it is done. An import of
//! this size is a job, so a worker is part of ours.

use std::time::{Duration, Instant};

use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use super::create::empty;
use super::options::Options;
use super::report::{Measured, Round, Row};
use super::requests::{Numbers, contact, get, post};
use super::stage::{Stage, Tenant};
use super::wire::Connection;
use crate::servers::Result;

const IMPORT: &str = "/api/v1/connection/contacts/import";
const IMPORTS: &str = "/api/v1/connection/contacts/imports";

const TENANT: &str = "Importer";

/// How often the import is asked whether it is done.
const PAUSE: Duration = Duration::from_millis(5);

/// What a worker does when it starts, some 50 ms of CPU, is over after this.
const SETTLING: Duration = Duration::from_secs(2);

/// An import that takes longer has failed.
const PATIENCE: Duration = Duration::from_mins(2);

/// Runs the row.
///
/// # Errors
/// When something fails, or a row is missing afterwards.
pub async fn run(stage: &Stage, options: &Options, numbers: &Numbers) -> Result<Row> {
    let count = if options.quick { 2_000 } else { 10_000 };
    let tenant = stage.tenant(TENANT).await?;
    let mut session = stage.superuser().await?;
    let api = stage.api().await?;
    let mut rounds = Vec::new();
    // The first round warms up.
    for _ in 0..=options.rounds() {
        empty(&mut session).await?;
        let contacts: Vec<_> = (0..count).map(|_| numbers.next()).collect();
        let meter = stage.meter(&[])?;
        let (events, before) = (events(&mut session).await?, meter.read()?);
        let seconds = limit(stage, &mut session, &contacts).await?;
        let limit = Measured { count, seconds, cpu: meter.read()? - before, latencies: None };
        check(&mut session, count, events).await?;

        empty(&mut session).await?;
        let worker = stage.worker().await?;
        let mut request = Vec::new();
        let bodies: Vec<_> = contacts.iter().map(|number| contact(*number)).collect();
        let body = format!("{{\"contacts\":[{}]}}", bodies.join(","));
        post(IMPORT, &tenant.api_key, &body, &mut request);
        tokio::time::sleep(SETTLING).await;
        let meter = stage.meter(&[&api, &worker])?;
        let (events, before) = (self::events(&mut session).await?, meter.read()?);
        let seconds = ours(stage, &tenant, &request).await?;
        let ours = Measured { count, seconds, cpu: meter.read()? - before, latencies: None };
        check(&mut session, count, events).await?;
        worker.stop().await?;
        rounds.push(Round { ours, limit });
    }
    api.stop().await?;
    Ok(Row::of_rounds("B8", 0.50, &rounds[1..]))
}

/// Uploads the file and waits for the end of its import; returns the seconds from start to end.
async fn ours(stage: &Stage, tenant: &Tenant, request: &[u8]) -> Result<f64> {
    let mut connection = Connection::open(stage.api_address).await?;
    let started = Instant::now();
    let mut status = connection.call(request).await?;
    let import: Value = serde_json::from_slice(connection.body())?;
    let id = import["data"]["id"].as_str().ok_or_else(|| format!("{status}: {import}"))?;
    let mut ask = Vec::new();
    get(&format!("{IMPORTS}/{id}"), &tenant.api_key, &mut ask);
    loop {
        status = connection.call(&ask).await?;
        let import: Value = serde_json::from_slice(connection.body())?;
        match import["data"]["status"].as_str() {
            Some("completed") => return Ok(started.elapsed().as_secs_f64()),
            Some("queued" | "running") if started.elapsed() < PATIENCE => {}
            _ => return Err(format!("the import does not end: {status} {import}").into()),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Writes contacts and events with one statement; returns the seconds of its transaction.
async fn limit(stage: &Stage, session: &mut PgConnection, contacts: &[u64]) -> Result<f64> {
    let tenant: Uuid = sqlx::query_scalar("select id from tenants where name = $1")
        .bind(TENANT)
        .fetch_one(session)
        .await?;
    let bodies: Vec<_> = contacts.iter().map(|number| contact(*number)).collect();
    let numbers: Vec<_> = contacts.iter().map(ToString::to_string).collect();
    let mut login = PgConnection::connect(stage.app_url.as_str()).await?;
    let started = Instant::now();
    let mut tx = login.begin().await?;
    sqlx::query("select set_config('app.tenant_id', $1::text, true)")
        .bind(tenant.to_string())
        .execute(&mut *tx)
        .await?;
    sqlx::query(
        "with rows as (
             select ('01930000-0000-7000-a000-' || number)::uuid as id, number, body
             from unnest($2::text[], $3::text[]) as given (number, body)
         ), written as (
             insert into contacts (tenant_id, id, name, email, phone, phone_e164, company, created_at, updated_at)
             select $1, id, 'Contact ' || number, 'c' || number || '@example.com', '+49' || number, '+49' || number,
                    'ACME Corp', now(), now()
             from rows
         )
         insert into outbox (tenant_id, event_id, event, payload, record, version, occurred_at)
         select $1, id, 'contact.created', body::json, id, 1, now() from rows",
    )
    .bind(tenant)
    .bind(numbers)
    .bind(bodies)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(started.elapsed().as_secs_f64())
}

/// How many events there have ever been: those of ours are on their way already.
async fn events(session: &mut PgConnection) -> Result<i64> {
    let sql = "select coalesce(pg_sequence_last_value(pg_get_serial_sequence('outbox', 'id')::regclass), 0)";
    Ok(sqlx::query_scalar(sql).fetch_one(session).await?)
}

/// Makes sure that the work was done.
async fn check(session: &mut PgConnection, count: u32, before: i64) -> Result<()> {
    let contacts: i64 =
        sqlx::query_scalar("select count(*) from contacts").fetch_one(&mut *session).await?;
    let events = events(session).await? - before;
    if contacts == i64::from(count) && events == contacts {
        return Ok(());
    }
    Err(format!("{count} rows made {contacts} contacts and {events} events").into())
}
