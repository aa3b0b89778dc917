//! The pool: deadpool over sqlx's connections. sqlx's own pool asks each connection that comes back whether it still
//! lives, in a task of its own: one round trip for every two of a request (docs/decisions/0018).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use deadpool::Status;
use deadpool::managed::{Manager, Metrics, Object, PoolError, QueueMode, RecycleResult};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use super::{fault, step};

/// How long a connection may take, waiting for a free one included.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// How long the making of one may take: shorter, so that a server that does not answer is told from a pool whose
/// connections are all busy.
const MAKING: Duration = Duration::from_secs(4);

/// Between two lines that say why none can be made.
const SILENCE: Duration = Duration::from_mins(1);

/// The wait before the next try while the server is away or starting.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection that was taken longer ago is asked whether it lives before it is used.
const IDLE: Duration = Duration::from_secs(1);

/// A connection older than this is replaced, so that what a session gathers in the server's memory does not grow.
const MOST_AGE: Duration = Duration::from_mins(30);

/// Connections as one login; cheap to clone.
#[derive(Clone)]
pub(super) struct Pool(deadpool::managed::Pool<Login>);

/// What a pool makes connections with, and how that goes.
struct Login {
    options: PgConnectOptions,
    /// Connections that came back whole.
    given_back: AtomicUsize,
    refusals: Mutex<Refusals>,
}

/// Connections that could not be made.
#[derive(Default)]
struct Refusals {
    /// When the last one.
    last: Option<Instant>,
    /// When the log last said why.
    told: Option<Instant>,
}

impl Pool {
    /// Prepares it; the first connection is made when it is needed.
    pub(super) fn new(options: PgConnectOptions, connections: u32) -> Self {
        let login = Login { options, given_back: AtomicUsize::new(0), refusals: Mutex::default() };
        let pool = deadpool::managed::Pool::builder(login)
            .max_size(connections as usize)
            // The one used last: its memory is warm, and the server's too.
            .queue_mode(QueueMode::Lifo)
            .build();
        #[expect(clippy::expect_used, reason = "building fails only for timeouts, and none is set")]
        Self(pool.expect("a pool without timeouts needs no runtime"))
    }

    /// Takes a connection.
    ///
    /// # Errors
    /// None is free or can be made within five seconds; the server refuses the login.
    pub(super) async fn take(&self) -> sqlx::Result<Pooled> {
        let taken = async {
            loop {
                #[expect(clippy::disallowed_methods, reason = "this is what the lint asks for")]
                match self.0.get().await {
                    Ok(conn) => return Ok(Pooled(Some(conn))),
                    // The server is being restarted, or has no place for us just now.
                    Err(PoolError::Backend(error)) if fault::is_transient(&error) => {
                        tokio::time::sleep(PAUSE).await;
                    }
                    Err(PoolError::Backend(error)) => return Err(error),
                    Err(_) => return Err(sqlx::Error::PoolClosed),
                }
            }
        };
        let asked = Instant::now();
        let taken = tokio::time::timeout(TIMEOUT, taken).await;
        metrics::histogram!("db_connection_wait_seconds").record(asked.elapsed());
        taken.unwrap_or_else(|_| {
            let reason = if self.0.manager().has_refused() { "refused" } else { "busy" };
            metrics::counter!("db_connection_timeouts_total", "reason" => reason).increment(1);
            Err(sqlx::Error::PoolTimedOut)
        })
    }

    /// How many connections came back with all well, so far.
    pub(super) fn given_back(&self) -> usize {
        self.0.manager().given_back.load(Ordering::Relaxed)
    }

    /// Sets the gauges.
    pub(super) fn measure(&self) {
        let Status { max_size, size, available, waiting, .. } = self.0.status();
        let gauge = |gauge: metrics::Gauge, count| {
            gauge.set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
        };
        gauge(metrics::gauge!("db_connections", "state" => "open"), size);
        gauge(metrics::gauge!("db_connections", "state" => "idle"), available);
        gauge(metrics::gauge!("db_connections_max"), max_size);
        gauge(metrics::gauge!("db_connections_waiting"), waiting);
    }

    /// Gives out no more, and returns when the last one has come back.
    pub(super) async fn close(&self) {
        self.0.close();
        while self.0.status().size > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A connection that is closed when dropped, unless it was given back.
pub(super) struct Pooled(Option<Object<Login>>);

impl Pooled {
    #[expect(
        clippy::expect_used,
        reason = "only `give_back` takes the connection, and it takes `self` too"
    )]
    pub(super) fn conn(&mut self) -> &mut PgConnection {
        self.0.as_mut().expect("a taken connection is there until it is given back")
    }

    /// Closes it and takes another one.
    ///
    /// # Errors
    /// As for [`Pool::take`].
    pub(super) async fn replace(&mut self) -> sqlx::Result<()> {
        let pool = self.0.as_ref().and_then(Object::pool).ok_or(sqlx::Error::PoolClosed)?;
        if let Some(conn) = self.0.take() {
            drop(Object::take(conn));
        }
        self.0 = Pool(pool).take().await?.0.take();
        Ok(())
    }

    /// To be called only when nothing is under way on it: no statement, no transaction, no tenant.
    pub(super) fn give_back(mut self) {
        let Some(conn) = self.0.take() else { return };
        if let Some(pool) = Object::pool(&conn) {
            pool.manager().given_back.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        if let Some(conn) = self.0.take() {
            drop(Object::take(conn));
        }
    }
}

impl Login {
    /// Notes that no connection could be made, and says why: once a minute at most, because many may be waiting, and
    /// places that others compete for come and go.
    fn refused(&self, error: &sqlx::Error) {
        let now = Instant::now();
        let mut refusals = self.refusals();
        refusals.last = Some(now);
        if refusals.told.is_none_or(|told| now - told >= SILENCE) {
            refusals.told = Some(now);
            tracing::warn!(%error, "no connection to the database can be made");
        }
    }

    /// Whether one could not be made while somebody waited who gives up now.
    fn has_refused(&self) -> bool {
        self.refusals().last.is_some_and(|last| last.elapsed() < TIMEOUT)
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Manager for Login {
    type Type = PgConnection;
    type Error = sqlx::Error;

    async fn create(&self) -> sqlx::Result<PgConnection> {
        // Boxed, being rare and 20 KB, which every request would carry along.
        let made = step::in_time(MAKING, PgConnection::connect_with(&self.options));
        Box::pin(made).await.inspect_err(|error| self.refused(error))
    }

    async fn recycle(
        &self,
        conn: &mut PgConnection,
        about: &Metrics,
    ) -> RecycleResult<sqlx::Error> {
        if about.age() > MOST_AGE {
            return Err(sqlx::Error::PoolClosed.into());
        }
        if about.last_used() > IDLE {
            // A server that is gone without a word answers no more to a connection that it had.
            let lives = step::in_time(MAKING, Box::pin(conn.ping())).await;
            if let Err(error) = &lives
                && fault::is_timed_out(error)
            {
                self.refused(error);
            }
            lives?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pool_knows_that_its_server_refuses_while_it_still_tries() {
        // Port 1 is nobody's.
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(1);
        let pool = Pool::new(options, 1);
        let refused = || pool.0.manager().has_refused();
        assert!(!refused());
        let told = async {
            while !refused() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            _ = pool.take() => panic!("it gave up, or there is somebody"),
            () = told => {}
        }
    }
}
