//! How far this process's clock is from the database's: nobody else compares the clocks of all apis and workers.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::Db;
use crate::clock::Clock;

/// How often it is measured.
const PERIOD: Duration = Duration::from_secs(15);

/// A question that took longer says nothing.
const LONGEST: TimeDelta = TimeDelta::seconds(1);

/// How far this clock may be ahead for anything to be removed by it.
const TOLERANCE: TimeDelta = TimeDelta::hours(1);

impl Db {
    /// Measures `clock_offset_seconds` until `stop`.
    pub async fn compare_clocks(self, stop: CancellationToken) {
        loop {
            if let Some(offset) = self.clock_offset().await {
                metrics::gauge!("clock_offset_seconds").set(offset.as_seconds_f64());
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
        }
    }

    /// Whether the database's clock agrees that the time has come: what is removed is gone, so that one machine whose
    /// clock is an hour ahead must not decide it.
    pub async fn clock_agrees(&self) -> bool {
        self.clock_offset().await.is_some_and(|ahead| ahead < TOLERANCE)
    }

    /// This clock's time minus the database's, taking it that the answer was half of the way; `None` when it cannot be
    /// said.
    pub async fn clock_offset(&self) -> Option<TimeDelta> {
        // After the wait for a connection, which is not the way.
        let asked = self.direct(async |conn| offset(conn, &self.clock).await);
        let (ahead, took) = asked.await.ok()?;
        (took <= LONGEST).then_some(ahead)
    }
}

/// This clock's time minus the database's, taking it that the answer was half of the way, and how long that took.
///
/// # Errors
/// The database's.
pub(super) async fn offset(
    conn: &mut PgConnection,
    clock: &Clock,
) -> sqlx::Result<(TimeDelta, TimeDelta)> {
    let before = clock.now();
    let theirs: DateTime<Utc> =
        sqlx::query_scalar("select clock_timestamp()").fetch_one(conn).await?;
    let took = clock.now() - before;
    Ok((before + took / 2 - theirs, took))
}
