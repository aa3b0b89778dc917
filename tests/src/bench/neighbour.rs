//! B7: how long a tenant's change takes to reach its receiver, ten times a second, while another tenant has 100,000
//! deliveries for a receiver that never answers; beside it, the same while nobody else has anything.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sqlx::PgConnection;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::backlog::{empty, fill};
use super::hostile::turn;
use super::latency::{Latencies, median};
use super::load::Window;
use super::open_loop::create_contacts;
use super::pace::{Distances, events};
use super::program::Program;
use super::report::{CpuMicros, Row};
use super::subscribers::{Scene, Subscribers};
use crate::servers::Result;

/// Changes of the quiet tenant in a second.
const RATE: u32 = 10;

/// Deliveries of the other one.
const BACKLOG: u32 = 100_000;

/// How many times its idle figure the busy one may be, and how many milliseconds more.
const MOST: (f64, f64) = (1.2, 5.0);

/// How long the last deliveries may take to arrive.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs the row.
///
/// # Errors
/// When a call or a delivery fails.
pub async fn run(scene: &Scene<'_>) -> Result<Row> {
    let mut session = scene.stage.superuser().await?;
    let api = scene.stage.api().await?;
    let tarpit = Tarpit::start(&mut session, scene.subscribers).await?;
    let (mut idle, mut busy, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scene.options.rounds() {
        empty(&mut session).await?;
        idle.push(trial(scene, &api).await?.0);
        empty(&mut session).await?;
        tarpit.fill(&mut session, scene.options.quick).await?;
        let (latencies, percent) = trial(scene, &api).await?;
        busy.push(latencies);
        others.push(percent);
    }
    empty(&mut session).await?;
    tarpit.leave(&mut session).await?;
    api.stop().await?;
    let middle = |of: &[Latencies], percent| {
        median(of.iter().map(|latencies| latencies.percentile_ms(percent)))
    };
    let (idle_p99, busy_p99) = (middle(&idle, 99.0), middle(&busy, 99.0));
    let nothing = CpuMicros { ours: 0.0, postgres: 0.0, limit: 0.0 };
    Ok(Row {
        id: "B7",
        ours: busy_p99,
        limit: idle_p99,
        unit: "p99_ms",
        ratio: busy_p99 / idle_p99,
        target: MOST.0 * idle_p99 + MOST.1,
        p50_ms: Some(middle(&busy, 50.0)),
        p99_ms: Some(busy_p99),
        rounds: busy.iter().map(|latencies| latencies.percentile_ms(99.0)).collect(),
        cpu_us: nothing,
        rates: None,
        workers: None,
        idle_p99_ms: Some(idle_p99),
        busy_p99_ms: Some(busy_p99),
        memory: None,
        bench_us: 0.0,
        others_percent: median(others),
    })
}

/// The tenant's changes for a while, with one worker; and what others took of the machine.
async fn trial(scene: &Scene<'_>, api: &Program) -> Result<(Latencies, f64)> {
    let worker = scene.stage.worker().await?;
    let length = scene.options.measurement() * 3;
    let (window, now) = (Window::after(scene.options.warm_up(), length), Instant::now());
    let due = events(RATE, Distances::Random, now, window.until);
    // Never the tenant of the tarpit, which is the first.
    let tenants = &scene.subscribers.tenants[1..2];
    let calls = create_contacts(scene.stage.api_address, tenants, scene.numbers, due);
    let meter = scene.stage.meter(&[api, &worker])?;
    let (calls, cpu) = tokio::try_join!(calls, window.metered(&meter))?;
    let receivers = &scene.subscribers.receivers;
    receivers.wait_for(calls.len(), PATIENCE).await?;
    // What it is asked to finish will never be answered.
    drop(worker);
    let arrivals = receivers.take();
    let arrived: HashMap<u64, Instant> =
        arrivals.iter().filter_map(|arrival| Some((arrival.number?, arrival.at))).collect();
    let counted = calls.iter().filter(|call| window.contains(call.due));
    let latencies: Option<Latencies> = counted
        .map(|call| Some(*arrived.get(&call.number)? - call.started))
        .collect::<Option<Vec<_>>>()
        .map(Latencies::from_iter);
    let latencies = latencies.ok_or("a delivery is missing though the count is right")?;
    Ok((latencies, cpu.others_percent(window.seconds())))
}
/// A receiver that takes connections and requests and never answers, and the webhook that leads to it.
struct Tarpit {
    webhook: Uuid,
    former: String,
    _tasks: JoinSet<()>,
}

impl Tarpit {
    /// Turns the first tenant's webhook to it.
    async fn start(session: &mut PgConnection, subscribers: &Subscribers) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        });
        let first = "select id from webhooks order by id limit 1";
        let webhook = sqlx::query_scalar(first).fetch_one(&mut *session).await?;
        turn(session, webhook, &format!("http://{address}/")).await?;
        Ok(Self {
            webhook,
            former: format!("http://{}/", subscribers.receivers.addresses[0]),
            _tasks: tasks,
        })
    }

    /// Gives the webhook its backlog.
    async fn fill(&self, session: &mut PgConnection, quick: bool) -> Result<()> {
        let count = if quick { BACKLOG / 100 } else { BACKLOG };
        fill(session, count, Some(self.webhook)).await
    }

    /// Turns the webhook back.
    async fn leave(self, session: &mut PgConnection) -> Result<()> {
        turn(session, self.webhook, &self.former).await
    }
}
