//! What a create, a get, a page, a relay and a delivery cost as contacts and tenants grow: `bench --growth`. Each size
//! has a server of its own, which is gone before the next.
//!
//! Two figures are beside each other: CPU, and the buffers that PostgreSQL looked at, on which no clock has a say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, iter};

use sqlx::PgConnection;

use super::against_pgbench::CONNECTIONS;
use super::backlog::{fill, history};
use super::cpu::micros_each;
use super::drain::PATIENCE;
use super::footprint;
use super::growth_report::{Cost, Growth, Sweep};
use super::load::{self, Window};
use super::machine::{Machine, load_average};
use super::options::{Options, Sizes};
use super::population::Population;
use super::reads;
use super::requests::{Numbers, create_contact};
use super::stage::{Stage, execute};
use super::subscribers::Subscribers;
use crate::dev::say::say;
use crate::servers::{Result, target_dir};

/// Tenants that the contacts of the first sweep belong to.
const TENANTS: u64 = 10;
/// Contacts of each tenant in the second.
const CONTACTS_EACH: u64 = 10;
/// What finished deliveries there are before, at most: a table of weeks.
const HISTORY: u64 = 1_000_000;

/// Runs it and writes `target/growth.json`.
///
/// # Errors
/// When a call or a delivery fails.
pub async fn run(options: &Options, sizes: &Sizes) -> Result<()> {
    let stage = Stage::set(false).await?;
    let mut machine = Machine::look(&mut stage.superuser().await?).await?;
    machine.note = format!("load average before: {}; {}", load_average(), options.note);
    say("storage … ");
    let storage = footprint::measure(&stage, options).await?;
    drop(stage);
    let (mut contacts, mut tenants) = (Vec::new(), Vec::new());
    for size in &sizes.contacts {
        let each = (size / TENANTS).max(1);
        contacts.push((*size, at(options, TENANTS, each, "contacts", *size).await?));
    }
    for size in &sizes.tenants {
        tenants.push((*size, at(options, *size, CONTACTS_EACH, "tenants", *size).await?));
    }
    let sweeps = vec![Sweep::of("contacts", &contacts), Sweep::of("tenants", &tenants)];
    let growth = Growth { machine, storage, sweeps };
    say(growth.table());
    let file = target_dir()?.join("growth.json");
    fs::write(&file, serde_json::to_string_pretty(&growth)? + "\n")?;
    say(format!("\n{} written\n", file.display()));
    Ok(())
}

/// Everything at one size.
async fn at(
    options: &Options,
    tenants: u64,
    contacts_each: u64,
    what: &str,
    size: u64,
) -> Result<Vec<Cost>> {
    let started = Instant::now();
    say(format!("\n{size} {what} … "));
    let stage = Stage::set(false).await?;
    let api = stage.api().await?;
    let subscribers = Subscribers::create(&stage).await?;
    api.stop().await?;
    let population = Arc::new(Population::of(&stage, tenants, contacts_each).await?);
    let mut session = stage.superuser().await?;
    history(&mut session, i32::try_from(population.contacts().min(HISTORY))?).await?;
    say(format!("filled after {:.0} s … ", started.elapsed().as_secs_f64()));

    let trial = Trial { stage: &stage, options, population: &population };
    let mut costs = trial.requests(&mut session).await?;
    costs.push(trial.relay(&mut session).await?);
    costs.push(trial.deliveries("deliver", &subscribers, &mut session).await?);
    wait_everywhere(&mut session).await?;
    let waiting = "deliver, each tenant waiting";
    costs.push(trial.deliveries(waiting, &subscribers, &mut session).await?);
    say(format!("{:.0} s", started.elapsed().as_secs_f64()));
    Ok(costs)
}

/// What one size is measured with.
struct Trial<'a> {
    stage: &'a Stage,
    options: &'a Options,
    population: &'a Arc<Population>,
}

impl Trial<'_> {
    async fn requests(&self, session: &mut PgConnection) -> Result<Vec<Cost>> {
        let (population, numbers) = (self.population.clone(), Numbers::default());
        let contact = move || rand::random_range(0..population.contacts());
        let (of, one) = (self.population.clone(), contact.clone());
        let get = move |into: &mut Vec<u8>| reads::ONE.request(&of, one(), into);
        let (of, one) = (self.population.clone(), contact.clone());
        let page = move |into: &mut Vec<u8>| reads::PAGE.request(&of, one(), into);
        let of = self.population.clone();
        let create = move |into: &mut Vec<u8>| {
            let key = &of.api_keys[of.tenant_of(contact())];
            create_contact(key, numbers.next(), into);
        };
        Ok(vec![
            self.calls("get", 200, session, get).await?,
            self.calls("page", 200, session, page).await?,
            self.calls("create", 201, session, create).await?,
        ])
    }

    /// Closed-loop load on the api.
    async fn calls(
        &self,
        what: &'static str,
        expected: u16,
        session: &mut PgConnection,
        mut write: impl FnMut(&mut Vec<u8>) + Clone + Send + 'static,
    ) -> Result<Cost> {
        let before = buffers(session).await?;
        let api = self.stage.api().await?;
        let meter = self.stage.meter(&[&api])?;
        let made = Arc::new(AtomicU32::new(0));
        let counted = made.clone();
        let write = move |into: &mut Vec<u8>| {
            counted.fetch_add(1, Ordering::Relaxed);
            write(into);
        };
        let window = Window::after(self.options.warm_up(), self.options.measurement());
        let connections = CONNECTIONS as usize;
        let load = load::closed(self.stage.api_address, connections, window, expected, write);
        let (latencies, cpu) = tokio::try_join!(load, window.metered(&meter))?;
        // Sessions tell what they looked at when they end.
        api.stop().await?;
        let looked_at = buffers(session).await? - before;
        Ok(Cost {
            what,
            per_second: f64::from(latencies.count()) / window.seconds(),
            p50_ms: Some(latencies.percentile_ms(50.0)),
            ours_us: micros_each(cpu.ours, latencies.count()),
            postgres_us: micros_each(cpu.postgres, latencies.count()),
            buffers: looked_at / f64::from(made.load(Ordering::Relaxed).max(1)),
        })
    }

    /// A worker relays the events of the creates, which no webhook hears of.
    async fn relay(&self, session: &mut PgConnection) -> Result<Cost> {
        execute(session, ["vacuum (analyze) outbox", "checkpoint"]).await?;
        let events: i64 =
            sqlx::query_scalar("select count(*) from outbox").fetch_one(&mut *session).await?;
        let relayed = async |session: &mut PgConnection| wait_until_relayed(session).await;
        self.work("relay", u32::try_from(events)?, session, relayed).await
    }

    /// A worker drains what is due.
    async fn deliveries(
        &self,
        what: &'static str,
        subscribers: &Subscribers,
        session: &mut PgConnection,
    ) -> Result<Cost> {
        let count: u32 = if self.options.quick { 1_000 } else { 10_000 };
        fill(session, count, None).await?;
        let arrived = async |_: &mut PgConnection| {
            subscribers.receivers.wait_for(count as usize, PATIENCE).await
        };
        let cost = self.work(what, count, session, arrived).await?;
        subscribers.receivers.take();
        Ok(cost)
    }

    /// A worker, from its start until so much is done.
    async fn work(
        &self,
        what: &'static str,
        count: u32,
        session: &mut PgConnection,
        done: impl AsyncFnOnce(&mut PgConnection) -> Result<()>,
    ) -> Result<Cost> {
        let looked_at = buffers(session).await?;
        let before = self.stage.meter(&[])?.read()?;
        let started = Instant::now();
        let worker = self.stage.worker().await?;
        done(session).await?;
        let seconds = started.elapsed().as_secs_f64();
        // The last outcomes are written by then; to ask the queue for them would cost more than what is measured.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let cpu = self.stage.meter(&[&worker])?.read()? - before;
        worker.stop().await?;
        Ok(Cost {
            what,
            per_second: f64::from(count) / seconds,
            p50_ms: None,
            ours_us: micros_each(cpu.ours, count),
            postgres_us: micros_each(cpu.postgres, count),
            buffers: (buffers(session).await? - looked_at) / f64::from(count),
        })
    }
}

async fn wait_until_relayed(session: &mut PgConnection) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while sqlx::query_scalar("select exists (select from outbox)").fetch_one(&mut *session).await? {
        if Instant::now() > deadline {
            return Err("the outbox does not become empty".into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Gives every tenant a delivery that has failed once and is due again tomorrow.
async fn wait_everywhere(session: &mut PgConnection) -> Result<()> {
    let waiting = "insert into webhook_queue (tenant_id, id, webhook_id, next_retry, attempts)
         select id, gen_random_uuid(), gen_random_uuid(), now() + interval '1 day', 1 from tenants";
    execute(session, iter::once(waiting)).await
}

/// The pages that every session which has ended has looked at in this database.
async fn buffers(session: &mut PgConnection) -> Result<f64> {
    execute(session, ["select pg_stat_force_next_flush()"]).await?;
    let sql = "select (blks_hit + blks_read)::float8 from pg_stat_database where datname = current_database()";
    Ok(sqlx::query_scalar(sql).fetch_one(session).await?)
}
