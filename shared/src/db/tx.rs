//! Transactions of one tenant.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Db;
use super::fault;
use super::guarded::Guarded;
use super::json;
use crate::audit::{Actor, Entry};
use crate::db::creation::Creation;
use crate::event::EventType;
use crate::id::{EventId, Series, TenantId};
use crate::outbox::{self, Bell, COMMIT_AND_RING, NewEvent};

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

/// The text of a uuid is hexadecimal and dashes: nothing in it can end the literal.
fn begin(tenant: TenantId) -> String {
    format!("begin; set local app.tenant_id = '{tenant}'")
}

/// How far a transaction is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nothing was sent: see [`TenantTx::open`].
    Unbegun,
    /// It has begun, or a connection broke and nobody knows.
    Begun,
    /// It was one statement, which has committed itself, and rung the bell or not.
    Done { rung: bool },
}

/// A transaction of one tenant. Nothing persists unless [`TenantTx::commit`] or [`TenantTx::finish`] is called, but
/// what [`TenantTx::create`] does alone.
pub struct TenantTx {
    tx: Guarded,
    stage: Stage,
    tenant: TenantId,
    now: DateTime<Utc>,
    ids: Series,
    origin: Origin,
    events: Vec<NewEvent>,
    announced: Vec<EventType>,
    entries: Vec<Entry>,
    muted: bool,
    wakes: bool,
    bell: Bell,
}

/// A point of a transaction that it can go back to: what it had announced by then.
pub struct Savepoint(usize);

impl TenantTx {
    pub(super) async fn begin(db: &Db, tenant: TenantId, origin: Origin) -> sqlx::Result<Self> {
        let (tx, _) = Guarded::begin(&db.pool, &begin(tenant)).await?;
        Ok(Self::new(db, tx, Stage::Begun, tenant, origin))
    }

    pub(super) async fn unbegun(db: &Db, tenant: TenantId, origin: Origin) -> sqlx::Result<Self> {
        let tx = Guarded::unbegun(&db.pool).await?;
        Ok(Self::new(db, tx, Stage::Unbegun, tenant, origin))
    }

    fn new(db: &Db, tx: Guarded, stage: Stage, tenant: TenantId, origin: Origin) -> Self {
        let now = db.clock.now();
        Self {
            tx,
            stage,
            tenant,
            now,
            ids: Series::of(now),
            origin,
            events: Vec::new(),
            announced: Vec::new(),
            entries: Vec::new(),
            muted: false,
            wakes: false,
            bell: db.bell.clone(),
        }
    }

    /// Begins what was not begun yet, because more than one creation is to be done in it.
    ///
    /// # Errors
    /// The database's.
    pub async fn open(&mut self) -> sqlx::Result<()> {
        if self.stage == Stage::Unbegun {
            self.stage = Stage::Begun;
            self.tx.send(&begin(self.tenant)).await?;
        }
        Ok(())
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

    /// A new id of that time, behind all that the transaction has had.
    pub fn fresh_id(&mut self) -> Uuid {
        self.ids.next()
    }

    /// Where statements run. Before [`TenantTx::open`] no tenant is set, and tenant tables refuse everybody.
    pub fn conn(&mut self) -> &mut PgConnection {
        debug_assert!(
            self.stage == Stage::Begun,
            "a statement before `open`, or after the only one"
        );
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
        let id = EventId(self.fresh_id());
        self.emit_as(id, event, payload)?;
        Ok(id)
    }

    /// The same under an id that the record of what happened has too.
    ///
    /// # Errors
    /// As for [`TenantTx::emit`].
    pub fn emit_as(
        &mut self,
        id: EventId,
        event: EventType,
        told: &impl Serialize,
    ) -> sqlx::Result<()> {
        self.emit_text(id, event, json(told)?);
        Ok(())
    }

    /// The same of JSON text.
    pub(crate) fn emit_text(&mut self, id: EventId, event: EventType, payload: String) {
        if self.announces() {
            self.events.push(NewEvent { id, event, payload });
            self.note(id, event);
        }
    }

    /// Whether changes are announced.
    pub(crate) fn announces(&self) -> bool {
        !self.muted
    }

    /// An event of this transaction.
    fn note(&mut self, id: EventId, event: EventType) {
        if self.announced.is_empty() {
            tracing::Span::current().record("event_id", tracing::field::display(id));
        }
        self.announced.push(event);
    }

    /// Runs the statement that stores a new record with its event and its entry: [`insert!`](crate::insert). In a
    /// transaction that has not begun it is the whole transaction, and nothing may come behind it.
    ///
    /// # Errors
    /// The statement's. Its fate is unknown when the connection breaks during it, as a commit's is.
    pub async fn create(
        &mut self,
        mut creation: Creation,
        statement: impl AsyncFnOnce(&mut PgConnection, Creation) -> sqlx::Result<()>,
    ) -> sqlx::Result<()> {
        self.flush().await?;
        let (id, event) = (creation.id, creation.event);
        if self.stage == Stage::Begun {
            statement(self.conn(), creation).await?;
        } else {
            let rung = event.is_some() && !self.wakes && self.bell.is_alone();
            creation.rings = rung;
            self.stage = Stage::Begun;
            let created = statement(self.conn(), creation).await;
            self.stage = match &created {
                Ok(()) => Stage::Done { rung },
                Err(error) if fault::is_disconnect(error) => Stage::Begun,
                Err(_) => Stage::Unbegun,
            };
            created?;
        }
        if let Some(event) = event {
            self.note(id, event);
        }
        Ok(())
    }

    /// Where a statement runs that reads and sets its tenant itself, as [`find!`](crate::find) does. In a transaction
    /// that has not begun it is one of its own, and others may follow.
    pub fn reader(&mut self) -> &mut PgConnection {
        self.tx.conn()
    }

    /// Whether that may be asked on another connection ([`again!`](crate::again)), because this one had died in the
    /// pool: nothing was begun, and what only reads can be asked twice.
    ///
    /// # Errors
    /// There is no other connection.
    pub async fn may_ask_again(&mut self, error: &sqlx::Error) -> sqlx::Result<bool> {
        let may = self.stage == Stage::Unbegun && fault::is_disconnect(error);
        Ok(may && self.tx.replace().await?)
    }

    /// Keeps a change in the audit log; the entry is written with the commit.
    pub fn audit(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    /// Wakes every worker task after the commit, not only the relay: for work that no event announces.
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
        self.open().await?;
        outbox::append(self.tx.conn(), self.tenant, self.now, &self.origin, events, entries).await
    }

    /// Writes the events and the audit log's entries, and commits.
    ///
    /// # Errors
    /// The commit's fate is unknown when the connection breaks during it; everything else is rolled back.
    pub async fn commit(mut self) -> sqlx::Result<()> {
        let announces = !self.announced.is_empty();
        self.flush().await?;
        let rung = match self.stage {
            Stage::Begun if announces && !self.wakes && self.bell.is_alone() => {
                self.tx.end_with_more(COMMIT_AND_RING).await?
            }
            Stage::Begun => self.tx.end("commit").await.map(|()| false)?,
            Stage::Unbegun => {
                self.tx.give_back();
                false
            }
            Stage::Done { rung } => {
                self.tx.give_back();
                rung
            }
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

    /// Marks a point that [`TenantTx::rollback_to`] goes back to.
    ///
    /// # Errors
    /// The database's.
    pub async fn savepoint(&mut self) -> sqlx::Result<Savepoint> {
        self.flush().await?;
        sqlx::raw_sql("savepoint held").execute(self.conn()).await?;
        Ok(Savepoint(self.announced.len()))
    }

    /// Takes back everything since the point, with its events and entries, and lets go of the locks taken since.
    ///
    /// # Errors
    /// The database's.
    pub async fn rollback_to(&mut self, to: Savepoint) -> sqlx::Result<()> {
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
        match self.stage {
            Stage::Begun => self.tx.end("rollback").await,
            Stage::Unbegun | Stage::Done { .. } => {
                self.tx.give_back();
                Ok(())
            }
        }
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
