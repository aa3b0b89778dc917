//! Redis in front of the queue (`QUEUE=redis`, docs/decisions/0023). One worker at a time claims for all of them and
//! offers tokens; whoever has a free place takes one and loads its delivery by the lease that stands in it. Nothing
//! here is the truth: without Redis, or with one that has forgotten everything, each worker claims for itself.

mod feed;
mod session;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult};
use shared::{Db, RedisUrl, id};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(super) use self::session::Session;
use self::session::in_time;
use super::Slots;
use super::claim::Room;
use super::in_flight::Flights;
use crate::background::wait;

/// What one question of a running worker may take; after that Redis is away.
pub(crate) const REDIS_TIMEOUT: Duration = Duration::from_millis(500);

/// How often the whole list of what is under way is told, and a Redis that is away is looked for.
const BEAT: Duration = Duration::from_secs(1);

/// A Redis that may be away. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RedisQueue(Arc<Inner>);

struct Inner {
    client: Client,
    timeout: Duration,
    /// This worker, with its places.
    me: Arc<str>,
    flights: Flights,
    sessions: AtomicU64,
    /// `None` while it is away.
    session: watch::Sender<Option<Session>>,
}

impl RedisQueue {
    /// Connects later. `places` is how many requests this worker makes at once; `timeout` what one question may take.
    ///
    /// # Errors
    /// Only for a URL that [`RedisUrl`] would not have taken.
    pub fn new(url: &RedisUrl, places: u32, timeout: Duration, db: &Db) -> RedisResult<Self> {
        Ok(Self(Arc::new(Inner {
            client: Client::open(url.expose())?,
            timeout,
            me: format!("{} {places}", id::fresh(db.clock().now())).into(),
            flights: Flights::default(),
            sessions: AtomicU64::new(0),
            session: watch::Sender::new(None),
        })))
    }

    /// What is under way here, to be told to the other workers.
    #[must_use]
    pub fn flights(&self) -> &Flights {
        &self.0.flights
    }

    /// Redis, unless it is away.
    pub(super) fn session(&self) -> Option<Session> {
        self.0.session.borrow().clone()
    }

    /// Waits until Redis is there; `None` when the worker ends before.
    pub(super) async fn present(&self, stop: &CancellationToken) -> Option<Session> {
        let mut changes = self.0.session.subscribe();
        tokio::select! {
            () = stop.cancelled() => None,
            found = changes.wait_for(Option::is_some) => found.ok()?.clone(),
        }
    }

    /// Whether this is the Redis that is there now.
    pub(super) fn is(&self, session: &Session) -> bool {
        self.0.session.borrow().as_ref().is_some_and(|now| now.number == session.number)
    }

    /// Leaves Redis alone until [`keep`](Self::keep) finds it again.
    pub(super) fn lose(&self, lost: &Session, error: &RedisError) {
        metrics::counter!("queue_redis_errors_total").increment(1);
        let was_there = self.0.session.send_if_modified(|session| {
            let same = session.as_ref().is_some_and(|session| session.number == lost.number);
            if same {
                *session = None;
            }
            same
        });
        if was_there {
            metrics::gauge!("queue_redis_up").set(0.0);
            metrics::gauge!("queue_tokens_waiting").set(0.0);
            tracing::warn!(%error, "Redis is away: this worker claims deliveries by itself");
        }
    }

    /// Tells Redis what is under way, every second; looks for it as often while it is away.
    pub(super) async fn keep(self, db: Db, slots: Slots, stop: CancellationToken) {
        let mut told = false;
        while !stop.is_cancelled() {
            match self.session() {
                Some(session) => {
                    if let Err(error) = self.tell_all(&session, &slots, &db).await {
                        self.lose(&session, &error);
                    }
                }
                None => match self.find(&db, &slots).await {
                    Ok(()) if told => tracing::info!("Redis is back: deliveries go through it"),
                    Ok(()) => tracing::info!("deliveries go through Redis"),
                    Err(error) => {
                        if let Trouble::Redis(_) = &error {
                            metrics::counter!("queue_redis_errors_total").increment(1);
                        }
                        metrics::gauge!("queue_redis_up").set(0.0);
                        // What nobody hears is not kept.
                        self.0.flights.news(false);
                        match error {
                            _ if told => {}
                            Trouble::Redis(error) => {
                                tracing::warn!(%error, "Redis is away: this worker claims deliveries by itself");
                            }
                            Trouble::Database(error) => {
                                tracing::warn!(%error, "the database is away, and Redis not asked yet");
                            }
                        }
                    }
                },
            }
            told = true;
            wait(BEAT, std::future::pending(), &stop).await;
        }
    }

    /// Connects, and sees that Redis does what it will be asked for.
    pub(super) async fn find(&self, db: &Db, slots: &Slots) -> Result<(), Trouble> {
        let database = identity(db).await?;
        let session = Session {
            number: self.0.sessions.fetch_add(1, Ordering::Relaxed),
            me: self.0.me.clone(),
            keys: Session::keys(&database).into(),
            connection: self.connect().await?,
            timeout: self.0.timeout,
        };
        self.tell_all(&session, slots, db).await?;
        metrics::gauge!("queue_redis_up").set(1.0);
        self.0.session.send_replace(Some(session));
        Ok(())
    }

    /// A connection of one's own.
    pub(super) async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        // Each question has its own time.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.0.timeout))
            .set_response_timeout(None);
        let connecting = self.0.client.get_multiplexed_async_connection_with_config(&config);
        in_time(self.0.timeout, connecting).await
    }

    /// Tells all that is under way here.
    pub(super) async fn tell_all(
        &self,
        session: &Session,
        slots: &Slots,
        db: &Db,
    ) -> RedisResult<()> {
        let closed = slots.closed(db.clock().now());
        session.look(&self.0.flights.news(true), &closed, false).await.map(|_| ())
    }

    /// Tells what is new, and asks for the turn to claim: where there is room then, for all workers.
    pub(super) async fn ask_turn(
        &self,
        session: &Session,
        slots: &Slots,
        db: &Db,
    ) -> RedisResult<Option<Room>> {
        let closed = slots.closed(db.clock().now());
        session.look(&self.0.flights.news(false), &closed, true).await
    }
}

/// What keeps deliveries from going through Redis.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    #[error(transparent)]
    Redis(#[from] RedisError),
}

/// What tells this database from every other: its cluster's own number and its own.
async fn identity(db: &Db) -> sqlx::Result<String> {
    db.direct(async |conn| {
        sqlx::query_scalar!(
            r#"select system_identifier || '-' || (select oid from pg_database where datname = current_database())
                      as "identity!" from pg_control_system()"#
        )
        .fetch_one(conn)
        .await
    })
    .await
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client's own would show a password.
        f.debug_struct("RedisQueue").field("me", &self.me).finish_non_exhaustive()
    }
}
