//! Transactions that write outcomes, at most two at once. The second begins when so many outcomes wait that it is a
//! large one: a single chain of statements writes some 11,000 outcomes a second however many cores there are, and a row
//! that somebody else holds would keep all others waiting, not only those of its transaction. When the first takes
//! long, a second begins with however few: those that wait keep slots, so that there might never be many. Outcomes
//! whose rows somebody else holds wait aside, in a transaction beside these.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use shared::Db;
use shared::db::fault;
use shared::db::step::{STEP, in_time};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Entry, STOP_TIMEOUT, locked, store};
use crate::background::{Pause, Wakeup};

/// Outcomes that are a large transaction.
pub(super) const LARGE: usize = 128;

/// Transactions under way at once, until the worker ends.
const MOST: usize = 2;

/// After which a transaction is taken to be stuck.
const LONG: Duration = Duration::from_secs(1);

/// Between two looks at what waits aside, at first and when nothing has become free. So many that one finds a row free
/// that workers change all the time, long before a lease ends.
const ASIDE: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// What a transaction needs.
#[derive(Clone)]
pub(super) struct Writer {
    pub db: Db,
    /// Woken when the health of a webhook is to be looked at.
    pub health: Wakeup,
    /// Outcomes that are not written yet.
    pub waiting: Arc<AtomicUsize>,
}

/// The transactions under way.
pub(super) struct Writes {
    writer: Writer,
    under_way: JoinSet<Ended>,
    /// When those under way began, the oldest first.
    begun: Vec<Instant>,
    /// What somebody else holds the rows of, unless it is being tried.
    locked: Vec<Entry>,
    /// Whether it is being tried.
    aside: bool,
    /// How long until then.
    pause: Duration,
}

/// How a transaction ended.
struct Ended {
    /// When it began; none of the one aside.
    begun: Option<Instant>,
    /// What it could not write.
    locked: Vec<Entry>,
    /// Whether it wrote nothing.
    in_vain: bool,
}

impl Writes {
    pub(super) fn new(writer: Writer) -> Self {
        Self {
            writer,
            under_way: JoinSet::new(),
            begun: Vec::new(),
            locked: Vec::new(),
            aside: false,
            pause: ASIDE[0],
        }
    }

    /// Whether none is under way, the one aside left out.
    pub(super) fn are_none(&self) -> bool {
        self.count() == 0
    }

    /// Whether nothing at all is under way.
    pub(super) fn are_over(&self) -> bool {
        self.under_way.is_empty()
    }

    fn count(&self) -> usize {
        self.under_way.len() - usize::from(self.aside)
    }

    /// Whether so many outcomes are to be written now.
    pub(super) fn want(&self, outcomes: usize) -> bool {
        let stuck = self.begun.first().is_some_and(|begun| begun.elapsed() >= LONG);
        let least = if self.are_none() || stuck { 1 } else { LARGE };
        outcomes >= least && self.count() < MOST
    }

    /// When few outcomes will be wanted, though one is under way.
    pub(super) fn stuck_at(&self) -> Option<Instant> {
        let oldest = self.begun.first().filter(|_| self.count() < MOST);
        oldest.map(|begun| *begun + LONG)
    }

    pub(super) fn begin(&mut self, batch: Vec<Entry>) {
        let begun = Instant::now();
        self.begun.push(begun);
        let written = self.writer.clone().write(batch);
        self.under_way.spawn(async move {
            Ended { begun: Some(begun), locked: written.await, in_vain: false }
        });
    }

    /// Waits for the end of one.
    pub(super) async fn ended(&mut self) {
        match self.under_way.join_next().await {
            Some(Ok(Ended { begun, locked, in_vain })) => {
                if begun.is_none() {
                    self.aside = false;
                    self.pause = if in_vain { (self.pause * 2).min(ASIDE[1]) } else { ASIDE[0] };
                }
                self.begun.retain(|one| Some(*one) != begun);
                self.locked.extend(locked);
                self.try_locked();
            }
            // It panicked, and does not tell which it was.
            Some(Err(_)) => {
                self.begun.clear();
                self.aside = false;
            }
            None => {}
        }
    }

    fn try_locked(&mut self) {
        if self.locked.is_empty() || std::mem::replace(&mut self.aside, true) {
            return;
        }
        let (writer, mut free) = (self.writer.clone(), std::mem::take(&mut self.locked));
        let pause = self.pause;
        self.under_way.spawn(async move {
            sleep(pause).await;
            // Looked at first: to find out by writing is to keep others waiting for what it has locked by then.
            let mut locked = Vec::new();
            writer.sets_aside(&mut free, &mut locked).await;
            let in_vain = free.is_empty();
            locked.extend(writer.write(free).await);
            Ended { begun: None, locked, in_vain }
        });
    }

    /// Waits for the end of all, for so long in all: whatever is not written by then is attempted again when its lease
    /// is over.
    pub(super) async fn end(mut self) {
        let over = async {
            while !self.are_over() {
                self.ended().await;
            }
        };
        if timeout(STOP_TIMEOUT, over).await.is_err() {
            let outcomes = self.writer.waiting.load(Ordering::Relaxed);
            tracing::error!(
                outcomes,
                "outcomes could not be written; the attempts will be made again"
            );
        }
    }
}

impl Writer {
    /// Tries until it is written. What somebody else holds the rows of comes back.
    async fn write(self, mut batch: Vec<Entry>) -> Vec<Entry> {
        let mut locked = Vec::new();
        let mut written = Waited(&self.waiting, batch.len());
        let mut pause = Pause::default();
        let never = CancellationToken::new();
        loop {
            match in_time(STEP, store::write(&self.db, &batch)).await {
                Ok(false) => break,
                Ok(true) => break self.health.notify(),
                Err(error)
                    if store::is_written(&error) && self.leaves_out_written(&mut batch).await => {}
                Err(error)
                    if fault::is_lock_timeout(&error)
                        && self.sets_aside(&mut batch, &mut locked).await =>
                {
                    let outcomes = locked.len();
                    tracing::warn!(outcomes, "outcomes wait for rows that somebody else holds");
                }
                Err(error) => pause.after(&error, "recording", &never).await,
            }
        }
        written.1 -= locked.len();
        locked
    }

    /// Leaves out what had been written, though nobody heard that its commit took effect. What was set aside of several
    /// batches may be so in part.
    async fn leaves_out_written(&self, batch: &mut Vec<Entry>) -> bool {
        let written = in_time(STEP, store::take_written(&self.db, batch)).await.unwrap_or_default();
        // Those that were fenced cannot be told any more.
        store::count(written.iter().filter_map(|entry| entry.report.as_ref()));
        self.health.notify();
        !written.is_empty()
    }

    /// Moves what somebody else holds the rows of, if there is any; then the others can be written.
    async fn sets_aside(&self, batch: &mut Vec<Entry>, locked: &mut Vec<Entry>) -> bool {
        match in_time(STEP, locked::take(&self.db, batch)).await {
            Ok(taken) => {
                let are_some = !taken.is_empty();
                locked.extend(taken);
                are_some
            }
            Err(_) => false,
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
