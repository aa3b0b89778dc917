//! Work that waits for something to do: whoever has something wakes it. It looks by itself now and then, too: nobody
//! says when something falls due by time, and a wake-up reaches one process and can be lost.

use std::sync::Arc;
use std::time::Duration;

use shared::db::step::{ROUND, in_time};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often it looks without being asked.
pub(crate) const IDLE: Duration = Duration::from_secs(1);

/// The first pause while the database is in trouble; each is twice as long as the one before.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Wakes whoever waits for something to do; when nobody does, the next who waits. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Wakeup(Arc<Notify>);

impl Wakeup {
    /// Says that there may be something to do.
    pub fn notify(&self) {
        self.0.notify_one();
    }

    /// Waits until somebody has said so.
    pub(crate) async fn notified(&self) {
        self.0.notified().await;
    }
}

/// A wake-up for each part of the worker that waits for something to do. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Wakeups {
    /// There are events in the outbox.
    pub relay: Wakeup,
    /// Deliveries are due.
    pub claims: Wakeup,
    /// An import has batches before it.
    pub imports: Wakeup,
    /// A replay was begun or changed.
    pub replays: Wakeup,
    /// A record was erased.
    pub erasures: Wakeup,
    /// A webhook may have been switched on.
    pub shelf: Wakeup,
    /// The health of a webhook is to be looked at.
    pub health: Wakeup,
}

/// What follows a round of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next one, at once.
    Again,
    /// The next one when it is woken, after so long at the latest.
    Rest(Duration),
}

impl Then {
    /// The next one at once if there may be more to do; else a rest.
    pub fn again_if(more: bool) -> Self {
        if more { Self::Again } else { Self::Rest(IDLE) }
    }
}

/// Works in rounds until `stop`; the one under way is finished, or given up after [`ROUND`]. After one that fails there
/// is a pause, and the error is counted and logged by what it was `doing`.
pub(crate) async fn work(
    doing: &'static str,
    wakeup: Wakeup,
    stop: CancellationToken,
    mut round: impl AsyncFnMut() -> sqlx::Result<Then>,
) {
    let mut pause = Pause::default();
    while !stop.is_cancelled() {
        match in_time(ROUND, round()).await {
            Ok(then) => {
                pause.reset();
                if let Then::Rest(most) = then {
                    wait(most, wakeup.notified(), &stop).await;
                }
            }
            Err(error) => pause.after(&error, doing, &stop).await,
        }
    }
}

/// Waits for something, so long at most, or until `stop`.
pub(crate) async fn wait(
    most: Duration,
    something: impl Future<Output = ()>,
    stop: &CancellationToken,
) {
    tokio::select! {
        () = stop.cancelled() => {}
        _ = tokio::time::timeout(most, something) => {}
    }
}

/// How long to leave a database in trouble alone: longer with each failure in a row.
#[derive(Default)]
pub(crate) struct Pause(u32);

impl Pause {
    /// It went well.
    pub fn reset(&mut self) {
        self.0 = 0;
    }

    /// Counts and logs the error, and waits, unless `stop` comes before.
    pub async fn after(
        &mut self,
        error: &sqlx::Error,
        doing: &'static str,
        stop: &CancellationToken,
    ) {
        let pause = (SHORTEST_PAUSE * 2_u32.saturating_pow(self.0)).min(LONGEST_PAUSE);
        self.0 = (self.0 + 1).min(10);
        metrics::counter!("worker_database_errors_total", "doing" => doing).increment(1);
        tracing::warn!(%error, doing, pause_ms = pause.as_millis(), "the database is in trouble; trying again");
        wait(pause, std::future::pending(), stop).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_rests_when_there_is_nothing_more_and_ends_with_stop() {
        let (wakeup, stop) = (Wakeup::default(), CancellationToken::new());
        let mut rounds = 0;
        wakeup.notify();
        work("testing", wakeup, stop.clone(), async || {
            rounds += 1;
            match rounds {
                1 => Ok(Then::Again),
                // It was woken before it rested, so it goes on at once.
                2 => Ok(Then::Rest(Duration::MAX)),
                3 => Err(sqlx::Error::PoolTimedOut),
                _ => {
                    stop.cancel();
                    Ok(Then::again_if(false))
                }
            }
        })
        .await;
        assert_eq!(rounds, 4);
    }
}
