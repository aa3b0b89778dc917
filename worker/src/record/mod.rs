//! Writes outcomes down, many at once. An outcome counts only while its lease does: whoever lost the lease lost the
//! say. A database in trouble is waited for; when many outcomes wait, slots stay taken, which ends the claiming.

mod erased;
mod health;
mod holds;
mod locked;
mod store;
mod writes;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use shared::Db;
use shared::id::AttemptId;
use shared::webhook::code::ErrorCode;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::background::Wakeup;
use crate::queue::{Claimed, Delivery, Slot};
use crate::retry::Next;
use writes::{LARGE, Writer, Writes};

/// Outcomes written in one transaction.
const BATCH: usize = 500;

/// Outcomes that come together when many are under way: then more are waited for, because a transaction for many costs
/// hardly more than one for a few.
const MANY: usize = 8;

/// How long.
const GATHERING: Duration = Duration::from_millis(2);

/// Outcomes that may wait to be written before more of them keep their slots.
const AHEAD: usize = 256;

/// How long outcomes may wait for a database in trouble when the worker ends.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What an attempt came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// What follows.
    pub next: Next,
    /// When the attempt ended.
    pub ended: DateTime<Utc>,
    /// `ended` minus the schedule's waits before it.
    pub waited_since: DateTime<Utc>,
    /// Until when the receiver asked to be left alone.
    pub held_until: Option<DateTime<Utc>>,
    /// The attempt itself.
    pub attempt: AttemptRecord,
}

/// One attempt as it is logged.
#[derive(Clone, Debug)]
pub struct AttemptRecord {
    /// Its id, the same however often it has to be written.
    pub id: AttemptId,
    /// From 1 within its cycle.
    pub attempt: u32,
    /// When it began.
    pub started: DateTime<Utc>,
    /// How long it took.
    pub latency: Duration,
    /// How long the answer took to begin.
    pub first_byte: Option<Duration>,
    /// The answer's status.
    pub status_code: Option<u16>,
    /// What went wrong.
    pub error_code: Option<ErrorCode>,
    /// The same for people.
    pub error: Option<String>,
    /// The first bytes of the answer.
    pub excerpt: Option<String>,
    /// Everything else, for whoever asks: an [`AttemptDetail`](shared::webhook::attempt::AttemptDetail) as JSON.
    pub detail: String,
}

/// Where outcomes are handed in; cheap to clone.
#[derive(Clone, Debug)]
pub struct Records {
    entries: mpsc::UnboundedSender<Entry>,
    waiting: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Entry {
    delivery: Delivery,
    /// `None` hands the delivery back unbegun.
    report: Option<Report>,
    /// Freed once the outcome is written, unless it already is.
    _slot: Option<Slot>,
}

impl Records {
    /// Hands in an outcome. The request is over, so its slot is freed, unless too many outcomes wait to be written or
    /// the next delivery of its line waits for this one.
    pub fn report(&self, report: Report, mut delivery: Delivery, slot: Slot) {
        let ahead = self.waiting.load(Ordering::Relaxed) < AHEAD;
        let slot = (slot.is_lined() || !ahead).then_some(slot);
        delivery.body = Bytes::new();
        self.send(Entry { delivery, report: Some(report), _slot: slot });
    }

    /// Gives a delivery back that was claimed but not begun.
    pub fn hand_back(&self, claimed: Claimed) {
        self.send(Entry { delivery: claimed.delivery, report: None, _slot: Some(claimed.slot) });
    }

    fn send(&self, entry: Entry) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // The recorder ends last; should it be gone, the lease runs out and the attempt is made again.
        let _ = self.entries.send(entry);
    }
}

/// Writes what [`Records`] are handed.
#[derive(Debug)]
pub struct Recorder {
    entries: mpsc::UnboundedReceiver<Entry>,
    waiting: Arc<AtomicUsize>,
}

/// A recorder and where to hand outcomes in.
#[must_use]
pub fn recorder() -> (Records, Recorder) {
    let (sender, entries) = mpsc::unbounded_channel();
    let waiting = Arc::<AtomicUsize>::default();
    (Records { entries: sender, waiting: waiting.clone() }, Recorder { entries, waiting })
}

impl Recorder {
    /// Writes until `stop`, then what is left; wakes `health` when a webhook's health is to be looked at. `stop` is for
    /// after the last attempt has ended.
    pub async fn run(mut self, db: Db, health: Wakeup, stop: CancellationToken) {
        let waiting = Arc::clone(&self.waiting);
        let mut writes = Writes::new(Writer { db, health, waiting });
        let mut batch = Vec::new();
        loop {
            let room = BATCH - batch.len();
            let stuck_at = writes.stuck_at().filter(|_| !batch.is_empty());
            tokio::select! {
                biased;
                () = writes.ended(), if !writes.are_over() => {}
                received = self.entries.recv_many(&mut batch, room), if room > 0 =>
                    if received == 0 { break },
                () = at(stuck_at) => {}
                () = stop.cancelled() => break,
            }
            if writes.are_none() && (MANY..LARGE).contains(&batch.len()) {
                tokio::time::sleep(GATHERING).await;
                self.take_rest(&mut batch, BATCH);
            }
            if writes.want(batch.len()) {
                writes.begin(std::mem::take(&mut batch));
            }
        }
        self.entries.close();
        while self.take_rest(&mut batch, BATCH) > 0 {
            writes.begin(std::mem::take(&mut batch));
        }
        writes.end().await;
    }

    /// Writes everything handed in so far, once.
    ///
    /// # Errors
    /// The database's; nothing was written then.
    pub async fn flush(&mut self, db: &Db) -> sqlx::Result<usize> {
        let mut batch = Vec::new();
        self.take_rest(&mut batch, usize::MAX);
        store::write(db, &batch).await?;
        self.waiting.fetch_sub(batch.len(), Ordering::Relaxed);
        Ok(batch.len())
    }

    /// Takes what is there until the batch has so many; says how many it has.
    fn take_rest(&mut self, batch: &mut Vec<Entry>, most: usize) -> usize {
        while batch.len() < most
            && let Ok(entry) = self.entries.try_recv()
        {
            batch.push(entry);
        }
        batch.len()
    }
}

/// Waits until then; for ever without a time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
