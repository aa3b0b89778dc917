//! Carries out replays, a batch at a time. A batch is one transaction: new cycles for the next deliveries behind the
//! cursor, their places in the queue, and the cursor itself. So whatever dies when, no delivery gets two cycles or
//! none. The replay's row is locked meanwhile, so that two workers never do the same batch (docs/decisions/0019).

mod pace;
mod probe;
pub(crate) mod redrive;
mod replay;
mod store;

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::db::fault;
use shared::webhook::delivery::ReplayState;
use shared::{Db, SystemTx};
use tokio_util::sync::CancellationToken;

use crate::background::{IDLE, Then, Wakeups, work};
pub use probe::probe;
use replay::Replay;
pub(crate) use store::count_accepted;

/// The shortest wait: another worker may be at it.
const GRAIN: Duration = Duration::from_millis(20);
/// How often a batch is begun, at most.
const BEAT: TimeDelta = TimeDelta::milliseconds(100);
/// How soon it is seen that a webhook can be sent to again.
const HELD: TimeDelta = TimeDelta::seconds(5);
/// The longest until one that can begin nothing is looked at again, so that a thousand of them keep no other waiting.
const RARELY: TimeDelta = TimeDelta::seconds(30);
/// How soon one is tried again that failed for a fault of ours.
const FAULTY: TimeDelta = TimeDelta::minutes(1);
/// The most deliveries of one replay in the queue. Reached when nothing is accepted: then it goes on as cycles end.
const MOST_QUEUED: i64 = 10_000;
/// Deliveries that a batch looks through, at most, for those of some events.
const LOOK: i64 = 5_000;
/// Replays are kept for so long after their end.
const KEPT: TimeDelta = TimeDelta::days(30);

/// What one look came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advanced {
    /// A replay moved on; so many cycles began.
    Moved(i64),
    /// None is due; the next one is then.
    Idle(Option<DateTime<Utc>>),
}

/// Moves on whatever is due until `stop`, and wakes the claims when there is something to send.
pub(crate) async fn run(db: Db, wakeups: Wakeups, stop: CancellationToken) {
    let Wakeups { replays: wakeup, claims, .. } = wakeups;
    let round = async move || match advance(&db).await? {
        Advanced::Moved(begun) => {
            if begun > 0 {
                claims.notify();
            }
            Ok(Then::Again)
        }
        Advanced::Idle(next) => {
            let until = next.and_then(|next| (next - db.clock().now()).to_std().ok());
            let until = next.map_or(IDLE, |_| until.unwrap_or_default().clamp(GRAIN, IDLE));
            Ok(Then::Rest(until))
        }
    };
    work("replaying", wakeup, stop, round).await;
}

/// Begins the next batch of the replay that has been due longest.
///
/// # Errors
/// The database is away. A replay that fails for another reason is tried again later, and keeps no other waiting.
pub async fn advance(db: &Db) -> sqlx::Result<Advanced> {
    let now = db.clock().now();
    let mut tx = db.system().await?;
    let Some(mut replay) = store::take(&mut tx, now).await? else {
        let next = store::next_due(&mut tx).await?;
        tx.commit_lazily().await?;
        return Ok(Advanced::Idle(next));
    };
    match step(&mut tx, &mut replay, now).await {
        Ok(begun) => {
            tx.commit().await?;
            metrics::counter!("webhook_replayed_total", "trigger" => replay.trigger.as_str())
                .increment(begun.unsigned_abs());
            Ok(Advanced::Moved(begun))
        }
        Err(error) if fault::is_disconnect(&error) => Err(error),
        // Whoever writes outcomes holds deliveries first and counts for their replays then. It stays due: at once
        // again.
        Err(error) if fault::is_deadlock(&error) => {
            tracing::debug!(%error, replay_id = %replay.id, "a replay met outcomes; at once again");
            Ok(Advanced::Moved(0))
        }
        Err(error) => {
            drop(tx);
            tracing::error!(%error, replay_id = %replay.id, "a replay failed; trying again");
            let mut tx = db.system().await?;
            store::put_off(&mut tx, &replay, now + FAULTY).await?;
            tx.commit().await?;
            Ok(Advanced::Moved(0))
        }
    }
}

/// Does what can be done of a replay now; says how many cycles began.
async fn step(tx: &mut SystemTx, replay: &mut Replay, now: DateTime<Utc>) -> sqlx::Result<i64> {
    if replay.unwanted {
        replay.end(ReplayState::Cancelled, now);
        return store::save(tx, replay, now).await.map(|()| 0);
    }
    if replay.state == ReplayState::Paused {
        // It was to end, and is wanted again.
        return store::save(tx, replay, now).await.map(|()| 0);
    }
    if replay.held {
        replay.due_at = Some(now + rest(replay, now).max(HELD));
        return store::save(tx, replay, now).await.map(|()| 0);
    }
    let queued = store::queued(tx, replay).await?;
    if let Some(ramp) = &mut replay.ramp {
        let refused = replay.replayed - replay.delivered - queued.waiting;
        ramp.look(&mut replay.pace, (replay.delivered, refused), now);
    }
    let most = pace::next(&mut replay.pace, queued, now);
    let is_kept = queued.all >= MOST_QUEUED || most == 0 && queued.waiting > 0;
    replay.due_at = Some(now + if is_kept { rest(replay, now) } else { BEAT });
    let mut begun = 0;
    if queued.all < MOST_QUEUED && most > 0 {
        begun = batch(tx, replay, most, now).await?;
    }
    store::save(tx, replay, now).await?;
    Ok(begun)
}

/// How long one rests whose receiver takes nothing: a quarter of the time for which nothing began.
fn rest(replay: &Replay, now: DateTime<Utc>) -> TimeDelta {
    let began = replay.pace.paid_until.unwrap_or(replay.asked_at);
    ((now - began) / 4).clamp(BEAT, RARELY)
}

/// Begins up to so many cycles, and moves the cursor behind what was looked at.
async fn batch(
    tx: &mut SystemTx,
    replay: &mut Replay,
    most: i64,
    now: DateTime<Utc>,
) -> sqlx::Result<i64> {
    // Beside those that are selected there may be others, pending ones for instance.
    let look = if replay.events.is_some() { LOOK } else { 2 * most + 50 };
    let batch = store::begin(tx, replay, (look, most), now).await?;
    replay.replayed += batch.begun;
    replay.passed_over += batch.passed_over;
    replay.pace.spend(batch.begun, now);
    if let (Some(at), Some(id)) = (batch.reached_at, batch.reached_id) {
        replay.reached = Some((at, id));
    }
    let through = batch.kept == batch.looked;
    if batch.looked < look && through {
        replay.reach_end(now);
    } else if through {
        // Looked through to the end of what one batch looks at: at once again.
        replay.due_at = Some(now);
    }
    Ok(batch.begun)
}

/// Forgets up to 1,000 replays that have been over for 30 days; says how many.
///
/// # Errors
/// The database's.
pub async fn sweep(db: &Db) -> sqlx::Result<u64> {
    let before = db.clock().now() - KEPT;
    let mut tx = db.system().await?;
    let swept = store::forget(&mut tx, before).await?;
    tx.commit().await?;
    Ok(swept)
}
