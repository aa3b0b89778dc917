//! Hears the bell. A worker that does not hear it still looks by itself, a second later; so that is told, and mended.

use std::time::Duration;

use shared::Db;
use shared::db::step::{STEP, in_time, timed_out};
use shared::outbox::is_for_relay;
use sqlx::postgres::PgListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::background::{Wakeup, Wakeups, wait};

/// Between two tries to hear it again.
const AGAIN: Duration = Duration::from_secs(1);

/// After which silence is asked whether there is anybody.
const SILENCE: Duration = Duration::from_mins(1);

/// How long the answer to that may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Carries the bell to the relay, which wakes the claims when it has left something to them. Resends, imports, replays
/// and erasures ring for all others, too; health is nothing that others tell of.
pub(crate) async fn listen(db: Db, wakeups: Wakeups, stop: CancellationToken) {
    let mut lost = false;
    while !stop.is_cancelled() {
        let error = match in_time(STEP, db.listen()).await {
            Ok(mut bell) => {
                metrics::gauge!("worker_hears_events").set(1.0);
                if std::mem::take(&mut lost) {
                    tracing::info!("events are heard again");
                }
                let heard = hear(&mut bell, &wakeups);
                tokio::select! {
                    () = stop.cancelled() => return,
                    error = heard => error,
                }
            }
            Err(error) => error,
        };
        metrics::gauge!("worker_hears_events").set(0.0);
        if !std::mem::replace(&mut lost, true) {
            tracing::warn!(%error, "events are not heard, and begun up to a second later");
        }
        wait(AGAIN, std::future::pending(), &stop).await;
    }
}

/// Until the connection is lost.
async fn hear(bell: &mut PgListener, wakeups: &Wakeups) -> sqlx::Error {
    let Wakeups { relay, claims, imports, replays, erasures, shelf, health: _ } = wakeups;
    loop {
        let rung = match timeout(SILENCE, bell.recv()).await {
            Ok(Ok(rung)) => rung,
            Ok(Err(error)) => return error,
            Err(_) => match timeout(TIMEOUT, sqlx::query("select 1").execute(&mut *bell)).await {
                Ok(Ok(_)) => continue,
                Ok(Err(error)) => return error,
                Err(_) => return timed_out(),
            },
        };
        relay.notify();
        if !is_for_relay(rung.payload()) {
            [claims, imports, replays, erasures, shelf].into_iter().for_each(Wakeup::notify);
        }
    }
}
