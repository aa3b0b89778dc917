//! B1: contacts are created, each with its outbox row. The limit: pgbench with the same statements.

use sqlx::PgConnection;

use super::against_pgbench::{self, CONNECTIONS};
use super::options::Options;
use super::pgbench::PgBench;
use super::report::{Round, Row};
use super::requests::{Numbers, create_contact};
use super::script::{Marker, Script};
use super::stage::{Stage, Tenant, execute};
use super::statements;
use crate::servers::Result;

/// Gives every transaction a number of its own, ascending over all clients as the ids of the api do.
const SET_UP: &str = "\\set serial :serial + 1\n\\set n 100000000000 + :serial * 32 + :client_id\n";

/// Runs the row.
///
/// # Errors
/// When something fails: a failed request is never a fast one.
pub async fn run(stage: &Stage, options: &Options, numbers: &Numbers) -> Result<Row> {
    let tenant = stage.tenant("Creator").await?;
    let mut pgbench = limit(stage, &tenant, numbers).await?;
    let mut session = stage.superuser().await?;
    let api = stage.api().await?;
    let meter = stage.meter(&[&api])?;
    let mut rounds = Vec::new();
    for _ in 0..options.rounds() {
        empty(&mut session).await?;
        let limit = against_pgbench::limit(&mut pgbench, options, &meter).await?;
        check(&mut session, limit.count).await?;

        empty(&mut session).await?;
        let (key, numbers) = (tenant.api_key.clone(), numbers.clone());
        let write = move |into: &mut Vec<u8>| create_contact(&key, numbers.next(), into);
        let ours = against_pgbench::ours(stage.api_address, options, &meter, 201, write).await?;
        check(&mut session, ours.count).await?;
        rounds.push(Round { ours, limit });
    }
    api.stop().await?;
    Ok(Row::of_rounds("B1", 0.70, &rounds))
}

/// pgbench with the statements of one request.
async fn limit(stage: &Stage, tenant: &Tenant, numbers: &Numbers) -> Result<PgBench> {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    create_contact(&tenant.api_key, numbers.next(), &mut first);
    let number = numbers.next();
    create_contact(&tenant.api_key, number, &mut second);
    let (mut statements, answer) = statements::of_request(stage, [&first, &second]).await?;
    let id = answer["data"]["id"].as_str().ok_or_else(|| format!("no contact: {answer}"))?;

    let event: String =
        sqlx::query_scalar("select event_id::text from outbox order by id desc limit 1")
            .fetch_one(&mut stage.superuser().await?)
            .await?;

    // The last digits of both ids were drawn at random; the contact's number in their place makes them vary.
    let number = number.to_string();
    for value in
        statements.iter_mut().flat_map(|statement| statement.parameters.iter_mut().flatten())
    {
        for id in [id, &event] {
            *value = value.replace(id, &format!("{}{number}", &id[..id.len() - number.len()]));
        }
    }
    let script = Script::new(SET_UP, &statements, &[Marker { digits: &number, variable: "n" }])?;
    PgBench::new("B1", stage, script, CONNECTIONS)
}

/// The same start for everybody.
pub async fn empty(session: &mut PgConnection) -> Result<()> {
    let start = [
        "truncate contacts, outbox, audit_log cascade",
        "vacuum (analyze) contacts, outbox, audit_log",
        "checkpoint",
    ];
    execute(session, start).await
}

/// Makes sure that the work was done: a contact and an event for each operation, those of the warm-up included.
async fn check(session: &mut PgConnection, operations: u32) -> Result<()> {
    let (contacts, events): (i64, i64) =
        sqlx::query_as("select (select count(*) from contacts), (select count(*) from outbox)")
            .fetch_one(session)
            .await?;
    if contacts < i64::from(operations) || contacts != events {
        let message =
            format!("{operations} creations left {contacts} contacts and {events} events");
        return Err(message.into());
    }
    Ok(())
}
