//! Transactions that cannot leak. sqlx 0.9 returns a connection to the pool with its transaction *and its tenant*
//! still set when a request is cancelled during `begin` (docs/decisions/0003), so the guard here is armed before
//! the first byte is sent, and a connection that did not end cleanly is closed instead of reused.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use futures_util::TryStreamExt as _;
use serde::Serialize;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection};

use super::fault;
use super::pool::{Pool, Pooled};
use crate::audit::{Actor, Entry};
use crate::clock::Clock;
use crate::event::EventType;
use crate::id::{EventId, TenantId};
use crate::outbox::{self, Bell, NewEvent};

/// More dead connections than any pool of ours holds; see [`Guarded::begin`].
const MOST_DEAD: usize = 64;

/// A connection in a transaction, closed when dropped unless it was ended.
struct Guarded(Pooled);

impl Guarded {
    /// Takes a connection and sends `begin` on it, with what else is to be asked in the same round trip. Connections that
    /// died in the pool (a restart of PostgreSQL) are dropped and the next one tried: nothing has been asked of them yet,
    /// so nothing can happen twice.
    async fn begin(pool: &Pool, begin: &str) -> sqlx::Result<(Self, Vec<PgRow>)> {
        let mut tried = 0;
        loop {
            let mut armed = Self(pool.take().await?);
            match sqlx::raw_sql(AssertSqlSafe(begin.to_owned())).fetch_all(armed.conn()).await {
                Ok(answer) => return Ok((armed, answer)),
                Err(error) if fault::is_disconnect(&error) && tried < MOST_DEAD => tried += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn conn(&mut self) -> &mut PgConnection {
        self.0.conn()
    }

    async fn end(mut self, how: &'static str) -> sqlx::Result<()> {
        sqlx::raw_sql(how).execute(self.conn()).await?;
        self.0.give_back();
        Ok(())
    }

    /// Ends it by the first statement of a message; whether the others succeeded too. Whatever becomes of them, the first
    /// has happened.
    async fn end_with_more(mut self, how: &'static str) -> sqlx::Result<bool> {
        let mut answers = sqlx::raw_sql(how).fetch_many(self.conn());
        answers.try_next().await?;
        let rest = answers.try_collect::<Vec<_>>().await;
        if rest.is_ok() {
            self.0.give_back();
        }
        Ok(rest.is_ok())
    }
}

/// Who asked, to be kept with the events of a transaction and in the audit log.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The request's id, as in `X-Request-Id`.
    pub request_id: Option<String>,
    /// The request's trace, as in W3C Trace Context.
    pub traceparent: Option<String>,
    /// Who made it.
    pub actor: Actor,
    /// Where it came from.
    pub address: Option<IpAddr>,
}

/// A transaction of one tenant. Nothing persists unless [`TenantTx::commit`] or [`TenantTx::finish`] is called.
pub struct TenantTx {
    tx: Guarded,
    tenant: TenantId,
    now: DateTime<Utc>,
    origin: Origin,
    events: Vec<NewEvent>,
    announced: Vec<EventType>,
    entries: Vec<Entry>,
    muted: bool,
    wakes: bool,
    bell: Bell,
}

/// A point of a transaction that it can go back to: what it had announced by then.
pub struct Held(usize);

impl TenantTx {
    pub(super) async fn begin(
        pool: &Pool,
        tenant: TenantId,
        origin: Origin,
        clock: Clock,
        bell: Bell,
    ) -> sqlx::Result<Self> {
        // The text of a uuid is hexadecimal and dashes: nothing in it can end the literal.
        let (tx, _) =
            Guarded::begin(pool, &format!("begin; set local app.tenant_id = '{tenant}'")).await?;
        Ok(Self {
            tx,
            tenant,
            now: clock.now(),
            origin,
            events: Vec::new(),
            announced: Vec::new(),
            entries: Vec::new(),
            muted: false,
            wakes: false,
            bell,
        })
    }

    /// The tenant whose rows this transaction sees.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The one time that everything written here carries.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// Where statements run.
    pub fn conn(&mut self) -> &mut PgConnection {
        self.tx.conn()
    }

    /// Says who makes the changes, where that is known only after the beginning.
    pub fn act_as(&mut self, actor: Actor) {
        self.origin.actor = actor;
    }

    /// Who makes the changes of this transaction.
    #[must_use]
    pub fn actor(&self) -> Actor {
        self.origin.actor
    }

    /// Who asked.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Announces nothing from here on: for changes that nobody wants to hear of. The audit log still gets them.
    pub fn mute(&mut self) {
        self.muted = true;
    }

    /// Announces a change; the event is written with the commit, in the order of the calls.
    ///
    /// # Errors
    /// A payload that does not serialise.
    pub fn emit(&mut self, event: EventType, payload: &impl Serialize) -> sqlx::Result<EventId> {
        let payload =
            serde_json::to_string(payload).map_err(|error| sqlx::Error::Encode(error.into()))?;
        let id = EventId::fresh(self.now);
        if self.muted {
            return Ok(id);
        }
        tracing::Span::current().record("event_id", tracing::field::display(id));
        self.events.push(NewEvent { id, event, payload });
        self.announced.push(event);
        Ok(id)
    }

    /// Keeps a change in the audit log; the entry is written with the commit.
    pub fn audit(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Wakes every part of the workers after the commit, for changes that are more to them than their events.
    pub fn wake(&mut self) {
        self.wakes = true;
    }

    /// Writes the events and entries so far, so that a change of many records need not hold all of them until the
    /// commit that they belong to.
    ///
    /// # Errors
    /// The database's; the transaction is to be rolled back.
    pub async fn flush(&mut self) -> sqlx::Result<()> {
        let (events, entries) =
            (std::mem::take(&mut self.events), std::mem::take(&mut self.entries));
        if events.is_empty() && entries.is_empty() {
            return Ok(());
        }
        outbox::append(self.tx.conn(), self.tenant, self.now, &self.origin, events, entries).await
    }

    /// Writes the events and the audit log's entries, and commits.
    ///
    /// # Errors
    /// The commit's fate is unknown when the connection breaks during it; everything else is rolled back.
    pub async fn commit(mut self) -> sqlx::Result<()> {
        let announces = !self.announced.is_empty();
        self.flush().await?;
        let alone = if announces && !self.wakes { self.bell.commit_alone() } else { None };
        let rung = match alone {
            Some(commit) => self.tx.end_with_more(commit).await?,
            None => self.tx.end("commit").await.map(|()| false)?,
        };
        if self.wakes {
            self.bell.ring_all();
        } else if announces && !rung {
            self.bell.ring();
        }
        Ok(())
    }

    /// Writes everything as [`TenantTx::commit`] does, takes it all back, and says what would have been announced.
    ///
    /// # Errors
    /// As for [`TenantTx::commit`], only that nothing persists.
    pub async fn rehearse(mut self) -> sqlx::Result<Vec<EventType>> {
        self.flush().await?;
        self.tx.end("rollback").await?;
        Ok(self.announced)
    }

    /// Marks a point that [`TenantTx::back`] goes back to.
    ///
    /// # Errors
    /// The database's.
    pub async fn hold(&mut self) -> sqlx::Result<Held> {
        self.flush().await?;
        sqlx::raw_sql("savepoint held").execute(self.conn()).await?;
        Ok(Held(self.announced.len()))
    }

    /// Takes back everything since the point, with its events and entries, and lets go of the locks taken since.
    ///
    /// # Errors
    /// The database's.
    pub async fn back(&mut self, to: Held) -> sqlx::Result<()> {
        self.events.clear();
        self.entries.clear();
        self.announced.truncate(to.0);
        sqlx::raw_sql("rollback to savepoint held").execute(self.conn()).await?;
        Ok(())
    }

    /// Rolls back and keeps the connection.
    ///
    /// # Errors
    /// The connection broke, which rolls back as well.
    pub async fn rollback(self) -> sqlx::Result<()> {
        self.tx.end("rollback").await
    }

    /// Commits what succeeded, rolls back what failed.
    ///
    /// # Errors
    /// The failure itself, or the commit's.
    pub async fn finish<T, E: From<sqlx::Error>>(self, result: Result<T, E>) -> Result<T, E> {
        match result {
            Ok(value) => {
                self.commit().await?;
                Ok(value)
            }
            Err(error) => {
                // A failing rollback closes the connection, which rolls back too: the first error is the one to tell.
                let _ = self.rollback().await;
                Err(error)
            }
        }
    }
}

/// A transaction across tenants. Search for its name to see every place that crosses them.
pub struct SystemTx {
    tx: Guarded,
}

impl SystemTx {
    pub(super) async fn begin(
        pool: &Pool,
        question: Option<&str>,
    ) -> sqlx::Result<(Self, Vec<PgRow>)> {
        let begin = question.map_or("begin".into(), |question| format!("begin; {question}"));
        let (tx, answer) = Guarded::begin(pool, &begin).await?;
        Ok((Self { tx }, answer))
    }

    /// Where statements run.
    pub fn conn(&mut self) -> &mut PgConnection {
        self.tx.conn()
    }

    /// Commits durably, as the cluster is configured.
    ///
    /// # Errors
    /// As for [`TenantTx::commit`].
    pub async fn commit(self) -> sqlx::Result<()> {
        self.tx.end("commit").await
    }

    /// Commits without waiting for the disk: for bookkeeping that a crash may undo because it is done again.
    ///
    /// # Errors
    /// As for [`TenantTx::commit`].
    pub async fn commit_lazily(self) -> sqlx::Result<()> {
        self.tx.end("set local synchronous_commit = off; commit").await
    }
}
