//! Transactions that write outcomes, at most two at once. The second begins when so many outcomes wait that it is a large
//! one: a single chain of statements writes some 11,000 outcomes a second however many cores there are, and a row that
//! somebody else holds would keep all others waiting, not only those of its transaction. When the first takes long, a
//! second begins with however few: those that wait keep slots, so that there might never be many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shared::Db;
use shared::db::step::{STEP, in_time};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Entry, LAST_PATIENCE, store};
use crate::background::{Pause, Wakeup};

/// Outcomes that are a large transaction.
pub(super) const LARGE: usize = 128;

/// Transactions under way at once, until the worker ends.
const MOST: usize = 2;

/// After which a transaction is taken to be stuck.
const LONG: Duration = Duration::from_secs(1);

/// What a transaction needs.
#[derive(Clone)]
pub(super) struct Writer {
    pub db: Db,
    /// Woken when the health of a webhook is to be looked at.
    pub health: Wakeup,
    /// Ends the patience with a database in trouble.
    pub stop: CancellationToken,
    /// Outcomes that are not written yet.
    pub waiting: Arc<AtomicUsize>,
}

/// The transactions under way.
pub(super) struct Writes {
    writer: Writer,
    /// Each tells when it began.
    under_way: JoinSet<Instant>,
    /// When those under way began, the oldest first.
    begun: Vec<Instant>,
}

impl Writes {
    pub(super) fn new(writer: Writer) -> Self {
        Self { writer, under_way: JoinSet::new(), begun: Vec::new() }
    }

    pub(super) fn are_none(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Whether so many outcomes are to be written now.
    pub(super) fn want(&self, outcomes: usize) -> bool {
        let stuck = self.begun.first().is_some_and(|begun| begun.elapsed() >= LONG);
        let least = if self.are_none() || stuck { 1 } else { LARGE };
        outcomes >= least && self.under_way.len() < MOST
    }

    /// When few outcomes will be wanted, though one is under way.
    pub(super) fn stuck_at(&self) -> Option<Instant> {
        let oldest = self.begun.first().filter(|_| self.under_way.len() < MOST);
        oldest.map(|begun| *begun + LONG)
    }

    pub(super) fn begin(&mut self, batch: Vec<Entry>) {
        let begun = Instant::now();
        self.begun.push(begun);
        let written = self.writer.clone().write(batch);
        self.under_way.spawn(async move {
            written.await;
            begun
        });
    }

    /// Waits for the end of one.
    pub(super) async fn ended(&mut self) {
        match self.under_way.join_next().await {
            Some(Ok(ended)) => self.begun.retain(|begun| *begun != ended),
            // It panicked, and does not tell which it was.
            Some(Err(_)) => self.begun.clear(),
            None => {}
        }
    }

    /// Waits for the end of all.
    pub(super) async fn end(mut self) {
        while !self.are_none() {
            self.ended().await;
        }
    }
}

impl Writer {
    /// Tries until it is written, or until the worker has ended and waited for long enough.
    async fn write(self, batch: Vec<Entry>) {
        let _written = Waited(&self.waiting, batch.len());
        let mut pause = Pause::default();
        let never = CancellationToken::new();
        let mut last = None;
        loop {
            match in_time(STEP, store::write(&self.db, &batch)).await {
                Ok(false) => break,
                Ok(true) => break self.health.notify(),
                Err(error) if store::is_written(&error) => {
                    // Those that were fenced cannot be told any more.
                    store::count(batch.iter().filter_map(|entry| entry.report.as_ref()));
                    break self.health.notify();
                }
                Err(error) => {
                    if self.stop.is_cancelled()
                        && last.get_or_insert_with(Instant::now).elapsed() > LAST_PATIENCE
                    {
                        let outcomes = batch.len();
                        tracing::error!(outcomes, %error, "outcomes could not be written; the attempts will be made again");
                        break;
                    }
                    pause.after(&error, "recording", &never).await;
                }
            }
        }
    }
}

/// So many outcomes wait until it is dropped, however the writing ends.
struct Waited<'a>(&'a AtomicUsize, usize);

impl Drop for Waited<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}
