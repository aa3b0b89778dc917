//! A worker process: everything under one stop signal, drained in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{Data, WorkerBuilder, WorkerBuilderExt as _};
use shared::db::check::{self, Process};
use shared::telemetry::Telemetry;
use shared::{Clock, Db, id};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admin::Shutdown;
use crate::background::{self, Wakeups};
use crate::config::Config;
use crate::deliver::Sender;
use crate::queue::{Claimed, Claims, DeliveryBackend, Engine};
use crate::supervise::Vital;
use crate::{
    admin, erasures, gauges, health, housekeeping, imports, listen, queue, record, replays,
    retention, setup, shelf, signing,
};

/// Between the beginnings of two parts that are in no hurry.
const APART: Duration = Duration::from_millis(50);

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Runs until SIGTERM or SIGINT; then claims no more, lets requests under way end, writes their outcomes and returns.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn run(config: Config, clock: Clock, telemetry: &Telemetry) -> Outcome {
    require(&config).await?;
    let db = Db::new(&config.db, clock).hearing_at(config.direct.as_ref());
    let listener = bind(config.admin_listen).await?;
    let (stop, gone) = (CancellationToken::new(), CancellationToken::new());
    let vital = Vital::default();
    let (redis, slots) = setup::places(&db, &config, queue::PATIENCE)?;
    let (records, recorder) = record::recorder();
    let sender = Arc::new(setup::sender(&db, &config, records.clone())?);
    let (out, claimed) = mpsc::unbounded_channel();

    let shutdown = Shutdown { stop: stop.clone(), gone: gone.clone() };
    tokio::spawn(admin::serve(listener, db.clone(), telemetry.metrics(), shutdown));
    let wakeups = Wakeups::default();
    let recorder = vital.spawn(recorder.run(db.clone(), wakeups.health.clone(), gone.clone()));
    tokio::spawn(listen::listen(db.clone(), wakeups.clone(), stop.clone()));
    let importing = tokio::spawn(imports::run(db.clone(), wakeups.imports.clone(), stop.clone()));
    let keyring = &config.keyring;
    let mut calmly = Calmly { begun: 0, stop: stop.clone() };
    calmly.spawn(health::run(db.clone(), wakeups.health.clone(), stop.clone()));
    calmly.spawn(signing::keep_giving_pairs(db.clone(), keyring.clone(), stop.clone()));
    calmly.spawn(retention::run(db.clone(), stop.clone()));
    calmly.spawn(shelf::run(db.clone(), wakeups.clone(), stop.clone()));
    let stepping = calmly.spawn(replays::run(db.clone(), wakeups.clone(), stop.clone()));
    let erasures = wakeups.erasures.clone();
    let erasing = calmly.spawn(erasures::run(db.clone(), keyring.clone(), erasures, stop.clone()));
    calmly.spawn(db.clone().compare_clocks(stop.clone()));
    calmly.spawn(gauges::watch_outbox(db.clone(), stop.clone()));
    calmly.spawn(housekeeping::keep(db.clone(), slots.clone(), stop.clone()));
    let lease = queue::lease(config.limits.total);
    let engine = Engine {
        db: db.clone(),
        claims: Claims::new(slots.clone(), lease),
        slots,
        redis,
        lease,
        out,
        records: records.clone(),
        stop: stop.clone(),
    };
    retention::begin(&db).await;
    let relaying = vital.spawn(engine.clone().relay(wakeups.clone()));
    let claiming = vital.spawn(engine.run(wakeups.claims));

    let stopped = shared::stop::signalled()?;
    tracing::info!(admin = %config.admin_listen, concurrency = config.caps.total, "working");
    let worker = WorkerBuilder::new(format!("deliveries-{}", id::fresh(db.clock().now())))
        .backend(DeliveryBackend::new(claimed, records, stop.clone()))
        .concurrency(config.caps.total as usize)
        .catch_panic()
        .data(sender)
        .build(deliver);
    // On a thread of the runtime: here, on the main thread, each delivery would change threads twice before it is begun.
    let serving = serving(stopped, stop.clone(), vital.clone());
    let ended = tokio::spawn(worker.run_until(serving)).await;

    stop.cancel();
    let _ = tokio::join!(relaying, claiming, importing, stepping, erasing);
    gone.cancel();
    let _ = recorder.await;
    db.close().await;
    tracing::info!("stopped");
    ended??;
    if vital.is_broken() { Err("a part of the worker ended by itself".into()) } else { Ok(()) }
}

async fn bind(admin: SocketAddr) -> Result<TcpListener, String> {
    let bound = TcpListener::bind(admin).await;
    bound.map_err(|error| format!("{admin} (ADMIN_LISTEN) cannot be listened on: {error}"))
}

/// Refuses a database that this worker must not work on, at either address.
async fn require(config: &Config) -> Outcome {
    check::require(&config.db.url, Process::Worker).await?;
    if let Some(direct) = &config.direct {
        let refused = |fault| format!("DIRECT_DATABASE_URL: {fault}");
        check::require(direct, Process::Worker).await.map_err(refused)?;
    }
    Ok(())
}

/// Begins what is in no hurry one after the other, so that all of it uses the same connection or two: each costs
/// the database 3 ms of CPU before it has done anything (docs/decisions/0034-one-message-for-the-relay.md).
struct Calmly {
    begun: u32,
    stop: CancellationToken,
}

impl Calmly {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.begun += 1;
        let (turn, stop) = (APART * self.begun, self.stop.clone());
        tokio::spawn(async move {
            background::wait(turn, std::future::pending(), &stop).await;
            task.await;
        })
    }
}

/// Lasts from when apalis runs until the signal to stop, or until something vital has ended. All is well for apalis either way: at
/// an error it would drop what is under way.
async fn serving(
    stopped: impl Future<Output = ()>,
    stop: CancellationToken,
    vital: Vital,
) -> std::io::Result<()> {
    shared::supervisor::ready();
    tokio::select! {
        () = stopped => {}
        () = vital.broken() => tracing::error!("a part of the worker ended by itself: the worker ends"),
    }
    tracing::info!("draining: no new claims, requests under way are finished");
    shared::supervisor::stopping();
    // At once: apalis stops taking tasks only a moment later.
    stop.cancel();
    Ok(())
}

/// A task of its own, on any thread of the runtime: apalis polls all of its tasks in one, on one thread. A panic ends
/// here; the lease runs out, and the delivery is claimed again.
async fn deliver(
    claimed: Claimed,
    sender: Data<Arc<Sender>>,
) -> Result<(), tokio::task::JoinError> {
    let sender = Arc::clone(&sender);
    tokio::spawn(async move { sender.deliver(claimed).await }).await
}
