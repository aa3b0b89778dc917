//! Step 3 of 6. Before: api/src/crm/contacts/mod.rs. After: worker/src/relay.rs.
//!
//! The event row joins the commit of the change it tells of, so that neither exists without the other.
//! Workers are woken by the [`Bell`], after the commit and beside it.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{PgConnection, PgPool};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::db::Origin;
use crate::event::EventType;
use crate::id::{EventId, TenantId};

/// The channel of `LISTEN`.
pub(crate) const CHANNEL: &str = "outbox";

/// Rings are carried at most this often.
const PAUSE: Duration = Duration::from_millis(10);

/// A change to be announced.
pub(crate) struct NewEvent {
    pub id: EventId,
    pub event: EventType,
    /// JSON text; these bytes are what receivers get.
    pub payload: String,
}

/// Writes the events of a transaction in one statement.
pub(crate) async fn append(
    conn: &mut PgConnection,
    tenant: TenantId,
    now: DateTime<Utc>,
    origin: &Origin,
    events: &[NewEvent],
) -> sqlx::Result<()> {
    let ids: Vec<_> = events.iter().map(|event| event.id.0).collect();
    let names: Vec<_> = events.iter().map(|event| event.event.as_str().to_owned()).collect();
    let payloads: Vec<_> = events.iter().map(|event| event.payload.clone()).collect();
    sqlx::query!(
        "insert into outbox (tenant_id, event_id, event, payload, request_id, traceparent, occurred_at)
         select $1, e.id, e.event, e.payload::json, $5, $6, $7
         from unnest($2::uuid[], $3::text[], $4::text[]) with ordinality as e (id, event, payload, place)
         order by e.place",
        tenant.0,
        &ids,
        &names,
        &payloads,
        origin.request_id,
        origin.traceparent,
        now,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Tells the workers that the outbox has something.
///
/// A `NOTIFY` inside the writing transaction would take a lock of the whole cluster at commit (measured: a quarter
/// of the write rate is left), so commits only set a flag, and one task per process sends at most one `NOTIFY`
/// every 10 ms. A lost one costs a second at most: workers also look by themselves.
#[derive(Clone, Default)]
pub(crate) struct Bell(Arc<Notify>);

impl Bell {
    pub(crate) fn ring(&self) {
        self.0.notify_one();
    }

    pub(crate) async fn carry(&self, pool: &PgPool, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.notified() => {}
            }
            if let Err(error) = sqlx::query("notify outbox").execute(pool).await {
                tracing::debug!(%error, "a wake-up was lost; workers look by themselves");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
