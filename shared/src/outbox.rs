//! Step 3 of 6. Before: api/src/crm/contacts/mod.rs. After: worker/src/relay.rs.
//!
//! The event row joins the commit of the change it tells of, so that neither exists without the other.
//! Workers are woken by the [`Bell`], after the commit and beside it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Db;
use crate::audit::Entry;
use crate::db::Origin;
use crate::event::EventType;
use crate::id::{EventId, TenantId};
use crate::subject::Subject;

/// The channel of `LISTEN`.
pub(crate) const CHANNEL: &str = "outbox";

/// The payload of a ring for the relay alone; any other wakes every task of a worker.
const EVENTS: &str = "events";

/// Whether what was heard on the channel is for the relay alone. Whatever looks for work at each ring costs its time
/// just when the relay needs the CPU.
#[must_use]
pub fn is_for_relay(heard: &str) -> bool {
    heard == EVENTS
}

/// Commit and ring in one message, for a writer whose ring is alone.
pub(crate) const COMMIT_AND_RING: &str = "commit; notify outbox, 'events'";

/// A ring is alone when nobody rang for this long before.
const ALONE: Duration = Duration::from_millis(2);

/// The pause after a ring was carried while few ring.
const SHORTEST: Duration = Duration::from_millis(1);

/// The pause while many do: one ring for all of them.
const LONGEST: Duration = Duration::from_millis(10);

/// A change to be announced.
pub(crate) struct NewEvent {
    pub id: EventId,
    pub event: EventType,
    /// JSON text; these bytes are what receivers get.
    pub payload: String,
}

/// Writes the events of a transaction, and the audit log's entries, in one statement.
pub(crate) async fn append(
    conn: &mut PgConnection,
    tenant: TenantId,
    now: DateTime<Utc>,
    origin: &Origin,
    events: Vec<NewEvent>,
    entries: Vec<Entry>,
) -> sqlx::Result<()> {
    let about = events.iter().map(|event| Subject::of(&event.payload));
    let (abouts, versions): (Vec<_>, Vec<_>) =
        about.map(|about| (about.record, about.version)).unzip();
    let (ids, (names, payloads)): (Vec<_>, (Vec<_>, Vec<_>)) = events
        .into_iter()
        .map(|event| (event.id.0, (event.event.as_str().to_owned(), event.payload)))
        .unzip();
    let entry_ids: Vec<_> = entries.iter().map(|entry| entry.id).collect();
    let actions: Vec<_> = entries.iter().map(|entry| entry.action.clone()).collect();
    let types: Vec<_> = entries.iter().map(|entry| entry.record_type.to_owned()).collect();
    let records: Vec<_> = entries.iter().map(|entry| entry.record_id).collect();
    let (before, after): (Vec<_>, Vec<_>) =
        entries.into_iter().map(|entry| (entry.before, entry.after)).unzip();
    sqlx::query!(
        r#"with announced as (
            insert into outbox (tenant_id, event_id, event, payload, record, version, request_id, traceparent, occurred_at)
            select $1, e.id, e.event, e.payload::json, e.record, e.version, $5, $6, $7
            from unnest($2::uuid[], $3::text[], $4::text[], $17::uuid[], $18::integer[])
                 with ordinality as e (id, event, payload, record, version, place)
            order by e.place)
        insert into audit_log (tenant_id, id, actor_type, actor_id, action, record_type, record_id, before, after,
                               request_id, address, created_at)
        select $1, a.id, $14, $15, a.action, a.type, a.record, a.before::json, a.after::json, $5, $16, $7
        from unnest($8::uuid[], $9::text[], $10::text[], $11::uuid[], $12::text[], $13::text[])
             as a (id, action, type, record, before, after)"#,
        tenant.0,
        &ids,
        &names,
        &payloads,
        origin.request_id,
        origin.traceparent,
        now,
        &entry_ids,
        &actions,
        &types,
        &records,
        &before as &[Option<String>],
        &after as &[Option<String>],
        origin.actor.kind(),
        origin.actor.id(),
        origin.address.map(|address| address.to_string()),
        &abouts as &[Option<Uuid>],
        &versions as &[Option<i32>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Tells the workers that the outbox has something.
///
/// A `NOTIFY` inside the writing transaction would take a lock of the whole cluster at commit (measured: a quarter of
/// the write rate is left). Who has rung alone for a while sends it behind its commit, in the same message, or in the
/// statement that is the whole transaction: nobody else asks for the lock just then. The others count a ring, and one
/// task per process sends a `NOTIFY` for all that rang since the last one: within 1 ms when few do, every 10 ms when
/// many do. A lost one costs a second at most: workers also look by themselves.
#[derive(Clone, Default)]
pub(crate) struct Bell(Arc<Rings>);

#[derive(Default)]
struct Rings {
    count: AtomicU32,
    /// Whether one of the rings was for every task.
    all: AtomicBool,
    heard: Notify,
    /// When one was rung last, either way.
    last: Mutex<Option<Instant>>,
}

impl Bell {
    /// Whether this ring is alone: then whoever commits rings by himself; else it is to be carried ([`Bell::ring`]).
    pub(crate) fn is_alone(&self) -> bool {
        let now = Instant::now();
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.replace(now).is_none_or(|last| now.duration_since(last) > ALONE)
    }

    /// Events are in the outbox.
    pub(crate) fn ring(&self) {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        self.0.heard.notify_one();
    }

    /// Something else is due, or may be.
    pub(crate) fn ring_all(&self) {
        self.0.all.store(true, Ordering::Relaxed);
        self.ring();
    }

    pub(crate) async fn carry(&self, db: &Db, stop: CancellationToken) {
        let mut pause = SHORTEST;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.heard.notified() => {}
            }
            pause = next_pause(pause, self.0.count.swap(0, Ordering::Relaxed));
            let all = self.0.all.swap(false, Ordering::Relaxed);
            let notify = if all { "notify outbox" } else { "notify outbox, 'events'" };
            if let Err(error) =
                db.direct(async |conn| sqlx::query(notify).execute(conn).await).await
            {
                tracing::debug!(%error, "a wake-up was lost; workers look by themselves");
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// After a pause during which so many rang.
fn next_pause(pause: Duration, rings: u32) -> Duration {
    let next = if rings > 2 { pause * 2 } else { pause / 2 };
    next.clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_two_at_once_rings_with_its_commit_and_the_other_is_carried() {
        let bell = Bell::default();
        let before = Instant::now();
        assert!(bell.is_alone());
        assert!(!bell.is_alone() || before.elapsed() > ALONE);
    }

    #[test]
    fn who_rings_alone_is_heard_within_a_millisecond_and_many_are_heard_together() {
        let after = |rings: &[u32]| rings.iter().fold(SHORTEST, |pause, n| next_pause(pause, *n));
        assert_eq!(after(&[1, 1, 2]), SHORTEST);
        assert_eq!(after(&[3, 5, 8, 9, 9]), LONGEST);
        assert_eq!(after(&[3, 5, 8, 9, 9, 1, 1, 1, 1]), SHORTEST);
    }
}
