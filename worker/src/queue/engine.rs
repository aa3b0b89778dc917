//! Keeps the slots filled: relays, claims, and hands out, whenever the bell rings, a slot frees or time passes.
//! A database in trouble is waited for here; it never reaches apalis, where it would end the worker and cancel the
//! requests under way.

use std::time::Duration;

use chrono::TimeDelta;
use shared::Db;
use shared::db::step::{STEP, in_time};
use shared::id::WebhookId;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Claimed, Claims, RedisQueue, Slots};
use crate::background::{IDLE, Pause, Wakeup, Wakeups, wait};
use crate::record::Records;
use crate::record_order::held::Lines;
use crate::relay::Relay;
use crate::supervise::Vital;

/// The shortest wait.
const GRAIN: Duration = Duration::from_millis(1);

/// How long a claim waits for more places to be free while few are, or claims keep finding few: one for many costs
/// hardly more than one for a few.
const GATHERING: Duration = Duration::from_millis(2);

/// See the module.
#[derive(Clone)]
pub struct Engine {
    /// The database, as the worker.
    pub db: Db,
    /// The places to fill.
    pub slots: Slots,
    /// Where workers share their claims; each claims for itself without, and while it is away.
    pub redis: Option<RedisQueue>,
    /// How long a claim holds.
    pub lease: TimeDelta,
    /// The claims of a worker that claims for itself.
    pub claims: Claims,
    /// Where claimed deliveries go.
    pub out: mpsc::UnboundedSender<Claimed>,
    /// Where they go back when nobody takes them any more.
    pub records: Records,
    /// Ends the engine.
    pub stop: CancellationToken,
}

impl Engine {
    /// Relays whatever is in the outbox, whenever it is woken. What it relayed is handed out at once when nobody is
    /// claiming; else it wakes the claims.
    pub async fn relay(self, wakeups: Wakeups) {
        let Wakeups { relay: wakeup, claims, .. } = wakeups;
        let mut pause = Pause::default();
        let (mut held, mut relay) = (Held::default(), Relay::default());
        while !self.stop.is_cancelled() {
            let alone = self.redis.as_ref().is_none_or(|redis| redis.session().is_none());
            let own = alone.then_some(&self.claims);
            match in_time(STEP, relay.batch(&self.db, own)).await {
                Ok((relayed, claimed)) => {
                    pause.reset();
                    let begun = i64::try_from(claimed.len()).unwrap_or(i64::MAX);
                    for claimed in claimed {
                        self.hand_out(claimed);
                    }
                    // Without events another worker has the relay, and may leave something to the claims.
                    if relayed.events == 0 || begun < relayed.deliveries {
                        claims.notify();
                    }
                    held.advance(relayed.held, &self.db, &claims);
                    if !relayed.more {
                        wait(IDLE, wakeup.notified(), &self.stop).await;
                    }
                }
                Err(error) => pause.after(&error, "relaying", &self.stop).await,
            }
        }
    }

    /// Keeps the slots filled until the end, whenever it is woken or a slot frees.
    pub async fn run(self, wakeup: Wakeup) {
        let Some(redis) = self.redis.clone() else { return self.claim(wakeup).await };
        let vital = Vital::default();
        let keeping = redis.keep(self.db.clone(), self.slots.clone(), self.stop.clone());
        let (keeping, taking) = (vital.spawn(keeping), vital.spawn(self.clone().take()));
        let claiming = self.claim(wakeup);
        tokio::pin!(claiming);
        tokio::select! {
            () = &mut claiming => {}
            () = vital.broken() => {
                // By a panic, unless the worker stops: it would be offered what it does not take, and ends.
                self.stop.cancel();
                claiming.await;
            }
        }
        let _ = taking.await;
        // What it tells Redis behind the leave would make this worker one that is there, and nobody the last.
        let _ = keeping.await;
        self.leave().await;
    }

    async fn claim(&self, wakeup: Wakeup) {
        let mut pause = Pause::default();
        let mut after: Option<WebhookId> = None;
        let mut streak: u32 = 0;
        while !self.stop.is_cancelled() {
            let redis = self.redis.as_ref().and_then(|redis| Some((redis, redis.session()?)));
            let step = match &redis {
                Some((redis, session)) => {
                    in_time(STEP, self.fill(redis, session, &mut after)).await
                }
                None => in_time(STEP, self.claim_alone(&mut streak)).await,
            };
            match step {
                Ok(more) => {
                    pause.reset();
                    if !more {
                        let freed = async {
                            match &redis {
                                Some((redis, _)) => redis.flights().ended().await,
                                None => self.slots.freed().await,
                            }
                        };
                        let either = async {
                            tokio::select! {
                                () = wakeup.notified() => {}
                                () = freed => {}
                            }
                        };
                        wait(self.idle(), either, &self.stop).await;
                    }
                }
                Err(error) => pause.after(&error, "claiming", &self.stop).await,
            }
        }
    }
}

/// Lines that the relay has left because somebody held them. They are waited for in a task of their own, and in one at
/// a time: each has a connection, and whoever holds them may take long.
#[derive(Default)]
struct Held {
    lines: Lines,
    advancing: Option<JoinHandle<()>>,
}

impl Held {
    /// Advances these and what was left before, unless that is under way: then at the next call, a second later at
    /// most.
    fn advance(&mut self, lines: Lines, db: &Db, claims: &Wakeup) {
        self.lines.extend(lines);
        let is_free = self.advancing.as_ref().is_none_or(JoinHandle::is_finished);
        if self.lines.is_empty() || !is_free {
            return;
        }
        let (lines, db, claims) = (std::mem::take(&mut self.lines), db.clone(), claims.clone());
        self.advancing = Some(tokio::spawn(async move {
            lines.advance(&db).await;
            claims.notify();
        }));
    }
}

impl Engine {
    /// Claims for this worker's own places; whether there may be more. `streak` counts the claims in a row that found
    /// something.
    async fn claim_alone(&self, streak: &mut u32) -> sqlx::Result<bool> {
        let few = self.slots.caps().total / 4;
        let busy = *streak > 0 && self.slots.free() < few;
        if busy {
            self.gather().await;
        }
        let filled = self.claims.claim(&self.db).await?;
        let again = filled.is_to_be_repeated();
        let found = u32::try_from(filled.claimed.len()).unwrap_or(u32::MAX);
        for claimed in filled.claimed {
            self.hand_out(claimed);
        }
        *streak = if found > 0 { streak.saturating_add(1) } else { 0 };
        if *streak > 1 && found < few && !busy {
            self.gather().await;
        }
        Ok(again)
    }

    async fn gather(&self) {
        wait(GATHERING, std::future::pending(), &self.stop).await;
    }

    /// Gives a delivery to whoever sends it.
    pub(super) fn hand_out(&self, claimed: Claimed) {
        // Of a worker that ends, somebody else may begin it at once. Its channel is closed only when no request is
        // left.
        if self.stop.is_cancelled() {
            return self.records.hand_back(claimed);
        }
        if let Err(SendError(unbegun)) = self.out.send(claimed) {
            self.records.hand_back(unbegun);
        }
    }

    /// Until a paced webhook may go on, at most [`IDLE`].
    fn idle(&self) -> Duration {
        let now = self.db.clock().now();
        let opening = self.slots.next_opening(now).map(|at| (at - now).to_std());
        // Not a moment too early: the claim looks at whole microseconds.
        opening.and_then(Result::ok).map_or(IDLE, |wait| (wait + GRAIN).min(IDLE))
    }
}
