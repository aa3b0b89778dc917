//! Housekeeping, every two seconds: gauges, clean-up, stuck lines, probes. One part that fails does not stop the
//! others, unless the database is away.

use std::time::Duration;

use shared::Db;
use shared::db::fault;
use shared::db::step::{ROUND, in_time};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::queue::Slots;
use crate::record_order::stuck;
use crate::{gauges, imports, record_order, replays, sweep};

/// How often all of it is done.
const PERIOD: Duration = Duration::from_secs(2);

/// Rounds of housekeeping between counts of what is due.
const COUNTING: u32 = 5;

/// Rounds of housekeeping between looks at the next lines, which none should need.
const MENDING: u32 = 30;

/// Keeps it until `stop`.
pub(crate) async fn keep(db: Db, slots: Slots, stop: CancellationToken) {
    let mut tick = tokio::time::interval(PERIOD);
    // What an outage has left out is not made up for.
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut rounds, mut looked_at) = (0_u32, stuck::Line::default());
    gauges::housekept(&db);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        match in_time(ROUND, all_of_it(&db, &slots, rounds, &mut looked_at)).await {
            Ok(true) => gauges::housekept(&db),
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "housekeeping failed; trying again"),
        }
        rounds = rounds.wrapping_add(1);
    }
}

/// Does all of it, however one part ends; whether all went well.
///
/// # Errors
/// The database is away.
async fn all_of_it(
    db: &Db,
    slots: &Slots,
    round: u32,
    looked_at: &mut stuck::Line,
) -> sqlx::Result<bool> {
    gauges::measure_slots(db, slots);
    let mut whole = kept("gauges", gauges::measure(db).await)?;
    whole &= kept("deleted webhooks", sweep::fail_deleted(db).await)?;
    whole &= kept("lines", record_order::dissolve(db).await)?;
    if round.is_multiple_of(COUNTING) {
        whole &= kept("the count", gauges::count_due(db).await)?;
    }
    if round.is_multiple_of(MENDING) {
        whole &= kept("mending", stuck::mend(db, looked_at, stuck::LOOKED_AT).await)?;
        whole &= kept("the oldest line", record_order::measure(db).await)?;
    }
    whole &= forget(db).await?;
    whole &= kept("probes", replays::probe(db).await)?;
    Ok(whole)
}

/// Removes kept answers, imports and replays that have had their time, unless this clock is ahead.
/// Says whether all went well.
///
/// # Errors
/// The database is away.
pub(crate) async fn forget(db: &Db) -> sqlx::Result<bool> {
    if !db.clock_agrees().await {
        return Ok(true);
    }
    let mut whole = kept("answers", sweep::forget_answers(db).await)?;
    whole &= kept("imports", imports::sweep(db).await)?;
    whole &= kept("replays", replays::sweep(db).await)?;
    Ok(whole)
}

fn kept<T>(part: &str, done: sqlx::Result<T>) -> sqlx::Result<bool> {
    match done {
        Ok(_) => Ok(true),
        Err(error) if fault::is_away(&error) => Err(error),
        Err(error) => {
            tracing::warn!(part, %error, "a part of housekeeping failed; trying again");
            Ok(false)
        }
    }
}
