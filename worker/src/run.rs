//! A worker process: everything under one stop signal, drained in order.

use std::sync::Arc;
use std::time::Duration;

use apalis::prelude::{Data, WorkerBuilder, WorkerBuilderExt as _};
use shared::db::check::{self, Process};
use shared::telemetry::Telemetry;
use shared::{Clock, Db, id};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::deliver::Sender;
use crate::queue::{Claimed, DeliveryBackend, Engine, Knock, Slots};
use crate::{admin, erasures, gauges, imports, pipeline, queue, record, retention, signing, sweep};

/// How often the gauges are set and deleted webhooks looked for.
const HOUSEKEEPING: Duration = Duration::from_secs(2);

type Outcome = Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// Runs until SIGTERM or SIGINT; then claims no more, lets requests under way end, writes their outcomes and returns.
///
/// # Errors
/// Whatever keeps it from starting.
pub async fn run(config: Config, clock: Clock, telemetry: &Telemetry) -> Outcome {
    check::require(&config.db.url, Process::Worker).await?;
    let db = Db::new(&config.db, clock);
    let listener = TcpListener::bind(config.admin_listen).await.map_err(|error| {
        format!("{} (ADMIN_LISTEN) cannot be listened on: {error}", config.admin_listen)
    })?;
    let (stop, gone) = (CancellationToken::new(), CancellationToken::new());
    let slots = Slots::new(config.caps);
    let (records, recorder) = record::recorder();
    let sender = Arc::new(pipeline::sender(&db, &config, records.clone())?);
    let (out, claimed) = mpsc::unbounded_channel();

    let recorder = tokio::spawn(recorder.run(db.clone(), gone.clone()));
    tokio::spawn(admin::serve(
        listener,
        db.clone(),
        telemetry.metrics(),
        stop.clone(),
        gone.clone(),
    ));
    tokio::spawn(keep_house(db.clone(), slots.clone(), stop.clone()));
    tokio::spawn(signing::keep_giving_pairs(db.clone(), config.keyring.clone(), stop.clone()));
    tokio::spawn(retention::run(db.clone(), stop.clone()));
    let (events, due) = (Knock::default(), Knock::default());
    let (imports, erasures) = (Knock::default(), Knock::default());
    let knocks = [events.clone(), imports.clone(), erasures.clone()];
    tokio::spawn(listen(db.clone(), knocks, stop.clone()));
    let erasing =
        tokio::spawn(erasures::run(db.clone(), config.keyring.clone(), erasures, stop.clone()));
    let importing = tokio::spawn(imports::run(db.clone(), imports, stop.clone()));
    let relaying = tokio::spawn(Engine::relay(db.clone(), events, due.clone(), stop.clone()));
    let lease = queue::lease(config.limits.total);
    let engine =
        Engine { db: db.clone(), slots, lease, out, records: records.clone(), stop: stop.clone() };
    let claiming = tokio::spawn(engine.claim(due));

    let stopped = shared::stop::signalled()?;
    tracing::info!(admin = %config.admin_listen, concurrency = config.caps.total, "working");
    let worker = WorkerBuilder::new(format!("deliveries-{}", id::fresh(db.clock().now())))
        .backend(DeliveryBackend::new(claimed, records, stop.clone()))
        .concurrency(config.caps.total as usize)
        .catch_panic()
        .data(sender)
        .build(deliver);
    let drain = {
        let stop = stop.clone();
        async move {
            stopped.await;
            tracing::info!("draining: no new claims, requests under way are finished");
            // At once: apalis stops taking tasks only a moment later.
            stop.cancel();
            Ok::<(), std::io::Error>(())
        }
    };
    let ended = worker.run_until(drain).await;

    stop.cancel();
    let _ = tokio::join!(relaying, claiming, importing, erasing);
    gone.cancel();
    let _ = recorder.await;
    db.close().await;
    tracing::info!("stopped");
    ended.map_err(Into::into)
}

async fn deliver(
    claimed: Claimed,
    sender: Data<Arc<Sender>>,
) -> Result<(), std::convert::Infallible> {
    sender.deliver(claimed).await;
    Ok(())
}

/// Carries the bell to the relay, which knocks at the claims when it is done: resends ring it too. So do imports and
/// erasures.
async fn listen(db: Db, knocks: [Knock; 3], stop: CancellationToken) {
    while !stop.is_cancelled() {
        if let Ok(mut bell) = db.listen().await {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    rung = bell.recv() => if rung.is_err() { break },
                }
                knocks.iter().for_each(Knock::knock);
            }
        }
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
}

async fn keep_house(db: Db, slots: Slots, stop: CancellationToken) {
    let mut tick = tokio::time::interval(HOUSEKEEPING);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        let kept = async {
            gauges::measure(&db, &slots).await?;
            sweep::fail_deleted(&db).await?;
            sweep::forget_answers(&db).await?;
            imports::sweep(&db).await
        };
        if let Err(error) = kept.await {
            tracing::warn!(%error, "housekeeping failed; trying again");
        }
    }
}
