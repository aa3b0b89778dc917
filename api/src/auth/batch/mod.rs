//! Look-ups of many callers in one statement: what is asked for while statements are under way goes together in the
//! next (docs/decisions/0044). Each begins after it was asked for, so it sees all that was committed before.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use shared::Db;
use shared::db::step::{in_time, timed_out};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How many statements of a kind are under way at most.
const UNDER_WAY: usize = 2;
/// How many questions one statement asks at most.
const MOST: usize = 256;
/// How long a statement may take with the wait for its connection, and how long a question waits for its answer in all.
/// Longer than the pool's timeout and the server's with one statement, which are 5 s each and say more.
const TIMEOUT: Duration = Duration::from_millis(5500);

/// What can be asked of the database for many at once.
pub(super) trait Question: Send + Sync + Sized + 'static {
    type Answer: Send + 'static;

    /// One answer for each, in their order.
    fn ask(
        db: &Db,
        questions: &[Self],
    ) -> impl Future<Output = sqlx::Result<Vec<Self::Answer>>> + Send;
}

/// Why there is no answer: one fault for all that were asked together.
type Fault = Arc<sqlx::Error>;
type Answered<Q> = Result<<Q as Question>::Answer, Fault>;
type Reply<Q> = oneshot::Sender<Answered<Q>>;

/// Questions of a kind; cheap to clone.
pub(super) struct Batcher<Q: Question> {
    pending: Arc<Mutex<Pending<Q>>>,
    timeout: Duration,
}

struct Pending<Q: Question> {
    waiting: Vec<(Q, Reply<Q>)>,
    under_way: usize,
}

impl<Q: Question> Default for Batcher<Q> {
    fn default() -> Self {
        let pending = Pending { waiting: Vec::new(), under_way: 0 };
        Self { pending: Arc::new(Mutex::new(pending)), timeout: TIMEOUT }
    }
}

impl<Q: Question> Clone for Batcher<Q> {
    fn clone(&self) -> Self {
        Self { pending: self.pending.clone(), timeout: self.timeout }
    }
}

impl<Q: Question> Batcher<Q> {
    /// Asks by the next statement.
    ///
    /// # Errors
    /// The statement's; [`std::io::ErrorKind::TimedOut`] when there is no answer in time;
    /// [`sqlx::Error::WorkerCrashed`] when it was broken off.
    pub(super) async fn ask(&self, db: &Db, question: Q) -> Answered<Q> {
        let begun = Instant::now();
        let (asker, answer) = oneshot::channel();
        if self.enqueue(question, asker) {
            // In a task of its own: who asked first may leave, and the others still want to know.
            tokio::spawn(Round { of: self.clone(), over: false }.run(db.clone()));
        }
        let answer = timeout(self.timeout, answer).await;
        metrics::histogram!("caller_lookup_seconds").record(begun.elapsed());
        match answer {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(Fault::new(sqlx::Error::WorkerCrashed)),
            Err(_) => Err(Fault::new(timed_out())),
        }
    }

    /// Whether somebody has to go and ask.
    fn enqueue(&self, question: Q, asker: Reply<Q>) -> bool {
        let mut pending = self.pending();
        pending.waiting.push((question, asker));
        let goes = pending.under_way < UNDER_WAY;
        pending.under_way += usize::from(goes);
        goes
    }

    fn pending(&self) -> MutexGuard<'_, Pending<Q>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Statements one after the other, until nobody waits.
struct Round<Q: Question> {
    of: Batcher<Q>,
    over: bool,
}

impl<Q: Question> Round<Q> {
    async fn run(mut self, db: Db) {
        while let Some((questions, askers)) = self.next() {
            metrics::counter!("caller_lookup_statements_total").increment(1);
            match in_time(self.of.timeout, Q::ask(&db, &questions)).await {
                Ok(answers) => {
                    for (asker, answer) in askers.into_iter().zip(answers) {
                        // Who asked may have left.
                        let _gone = asker.send(Ok(answer));
                    }
                }
                Err(fault) => {
                    let fault = Fault::new(fault);
                    for asker in askers {
                        let _gone = asker.send(Err(fault.clone()));
                    }
                }
            }
        }
    }

    /// The next questions with their askers; none when nobody waits, which ends the round. Askers that gave up are
    /// dropped: while the database is away more may come than its failing statements can refuse.
    fn next(&mut self) -> Option<(Vec<Q>, Vec<Reply<Q>>)> {
        let mut pending = self.of.pending();
        pending.waiting.retain(|(_, asker)| !asker.is_closed());
        if pending.waiting.is_empty() {
            pending.under_way -= 1;
            self.over = true;
            return None;
        }
        let many = pending.waiting.len().min(MOST);
        Some(pending.waiting.drain(..many).unzip())
    }
}

impl<Q: Question> Drop for Round<Q> {
    /// A round that was broken off frees its place. The last one fails whoever waits: nobody would ask for them before
    /// somebody else comes.
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let mut pending = self.of.pending();
        pending.under_way -= 1;
        let stranded =
            if pending.under_way == 0 { std::mem::take(&mut pending.waiting) } else { Vec::new() };
        drop(pending);
        drop(stranded);
    }
}

#[cfg(test)]
mod tests;
