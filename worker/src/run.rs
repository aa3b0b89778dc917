//! A worker process: everything under one stop signal, drained in order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{Data, WorkerBuilder, WorkerBuilderExt as _};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use shared::db::check::{self, Process};
use shared::seal::Keyring;
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
use crate::queue::{Claimed, Claims, DeliveryBackend, Engine, Slots};
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
    let (redis, slots) = setup::slots(&db, &config, queue::REDIS_TIMEOUT)?;
    let (records, recorder) = record::recorder();
    let sender = Arc::new(setup::sender(&db, &config, records.clone())?);
    let (out, claimed) = mpsc::unbounded_channel();

    let shutdown = Shutdown { stop: stop.clone(), gone: gone.clone() };
    tokio::spawn(admin::serve(listener, db.clone(), telemetry.metrics(), shutdown));
    let wakeups = Wakeups::default();
    let recorder = vital.spawn(recorder.run(db.clone(), wakeups.health.clone(), gone.clone()));
    let begun = Begun { db: db.clone(), vital: vital.clone(), stop: stop.clone() };
    let working = begun.all(&config.keyring, &wakeups, &slots);
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
    let stopped = shared::stop::signalled()?.shared();
    // Told to stop meanwhile, it stops as soon as it works.
    tokio::select! {
        () = retention::begin(&db) => {}
        () = stopped.clone() => {}
    }
    let relaying = vital.spawn(engine.clone().relay(wakeups.clone()));
    let claiming = vital.spawn(engine.run(wakeups.claims));

    tracing::info!(admin = %config.admin_listen, concurrency = config.caps.total, "working");
    let worker = WorkerBuilder::new(format!("deliveries-{}", id::fresh(db.clock().now())))
        .backend(DeliveryBackend::new(claimed, records, stop.clone()))
        .concurrency(config.caps.total as usize)
        .catch_panic()
        .data(sender)
        .build(deliver);
    // On a thread of the runtime: here, on the main thread, each delivery would change threads twice before it is
    // begun.
    let serving = serving(stopped, stop.clone(), vital.clone());
    let ended = tokio::spawn(worker.run_until(serving)).await;

    stop.cancel();
    let _ = tokio::join!(relaying, claiming);
    for work in working {
        let _ = work.await;
    }
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

/// What goes on beside the deliveries. A worker in which any of it has ended by itself only looks healthy.
struct Begun {
    db: Db,
    vital: Vital,
    stop: CancellationToken,
}

impl Begun {
    /// Begins all of it; what is to be waited for when the worker ends, because a round under way is finished.
    fn all(&self, keyring: &Keyring, wakeups: &Wakeups, slots: &Slots) -> [JoinHandle<()>; 3] {
        let (db, stop) = (|| self.db.clone(), || self.stop.clone());
        self.vital.spawn(listen::listen(db(), wakeups.clone(), stop()));
        let importing = self.vital.spawn(imports::run(db(), wakeups.imports.clone(), stop()));
        let (keyring, mut turn) = (|| keyring.clone(), 1..);
        let mut calmly = |work| self.calmly(turn.next().unwrap_or_default(), work);
        calmly(health::run(db(), wakeups.health.clone(), stop()).boxed());
        calmly(signing::keep_giving_pairs(db(), keyring(), stop()).boxed());
        calmly(retention::run(db(), stop()).boxed());
        calmly(shelf::run(db(), wakeups.clone(), stop()).boxed());
        let stepping = calmly(replays::run(db(), wakeups.clone(), stop()).boxed());
        let erasures = wakeups.erasures.clone();
        let erasing = calmly(erasures::run(db(), keyring(), erasures, stop()).boxed());
        calmly(db().compare_clocks(stop()).boxed());
        calmly(gauges::watch_outbox(db(), stop()).boxed());
        calmly(housekeeping::keep(db(), slots.clone(), stop()).boxed());
        [importing, stepping, erasing]
    }

    /// Begins what is in no hurry in its turn, so that all of it uses the same connection or two: each costs the
    /// database 3 ms of CPU before it has done anything (docs/decisions/0034-one-message-for-the-relay.md).
    fn calmly(&self, turn: u32, work: BoxFuture<'static, ()>) -> JoinHandle<()> {
        let stop = self.stop.clone();
        self.vital.spawn(async move {
            background::wait(APART * turn, std::future::pending(), &stop).await;
            work.await;
        })
    }
}

/// Lasts from when apalis runs until the signal to stop, or until something vital has ended. All is well for apalis
/// either way: at an error it would drop what is under way.
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
