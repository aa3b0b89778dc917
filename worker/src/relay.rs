//! Step 4 of 6. Before: shared/src/outbox.rs. After: worker/src/deliver.rs.
//!
//! Takes events from the outbox, numbers them, and writes each into the tenant's log and one delivery for each webhook
//! that wants it, in one statement. A webhook that is off gets its row too: `skipped`, with why. Of the others the
//! event remembers which they were, because a webhook may be another one when somebody asks why. One relay at a time:
//! with two, a number could become visible before a lower one, and who follows the log would pass over that for ever
//! (docs/decisions/0016-event-log.md). The statement asks for the lock itself, so that its snapshot may be older by a
//! moment; why that does no harm is in docs/decisions/0034-one-message-for-the-relay.md.
//!
//! The statement leaves nothing to the planner, whose statistics of an outbox are always of another moment: rows go by
//! `ctid`, and `offset 0` has it look up the webhooks of each event's tenant instead of joining all of them.

use std::time::Instant;

use chrono::{DateTime, Utc};
use shared::Db;
use shared::db::fault;
use shared::event::{self, REMEMBERED};
use shared::webhook::delivery::Trigger;
use sqlx::types::Json;
use uuid::Uuid;

use crate::queue::{Claimed, Claims, Direct, Row};
use crate::record_order::held::Lines;
use crate::turns::Turns;

/// Events taken at once. Row by row the relay would be 300 times slower.
const BATCH: i64 = 500;

/// The most that a batch weighs: webhooks that are looked at, each event's anew. A quarter of a second's work, which
/// everybody's events wait for. An event that weighs more goes nevertheless, with those before it at most.
const WEIGHT: i64 = 5_000;

/// By how much a batch is smaller after one that a statement had no time for.
const FEWER: i64 = 8;

/// The lock of whoever relays; any number that nobody else uses.
pub const RELAYING: i64 = 0x0072_656c_6179;

/// What one batch did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Events taken.
    pub events: i64,
    /// Deliveries written for them that are to be made.
    pub deliveries: i64,
    /// Deliveries written for them that are not, because their webhook is off.
    pub skipped: i64,
    /// Times that a filter did not let one pass.
    pub filtered: i64,
    /// Whether there may be more events.
    pub more: bool,
    /// Lines that somebody else held. They are to be advanced now that it has committed.
    pub held: Lines,
}

/// Whose turn it is, and how large a batch may be: whoever relays keeps it from one batch to the next.
#[derive(Debug)]
pub struct Relay {
    turns: Turns,
    /// What a batch is divided by: more after a statement had no time for it, fewer after one that had.
    parts: i64,
}

impl Default for Relay {
    fn default() -> Self {
        Self { turns: Turns::default(), parts: 1 }
    }
}

impl Relay {
    /// Relays one batch, unless another worker is relaying: then nothing. With `claims`, deliveries are leased as they
    /// are made, as far as there is room; they are to be begun then. The commit does not wait for the disk: were it
    /// undone by a crash, the events would still be in the outbox, which the writer's own durable commit put there.
    ///
    /// # Errors
    /// The database's; nothing was relayed then.
    pub async fn batch(
        &mut self,
        db: &Db,
        claims: Option<&Claims>,
    ) -> sqlx::Result<(Relayed, Vec<Claimed>)> {
        let now = db.clock().now();
        let direct = claims.and_then(|claims| claims.direct(now));
        let begun_at = Instant::now();
        let mut rows = match self.take(db, direct.as_ref(), now).await {
            Ok(rows) => rows,
            Err(error) => {
                let again = self.mend(db, error).await?;
                return Ok((again, Vec::new()));
            }
        };
        self.parts = (self.parts / 2).max(1);
        let mut relayed = rows.first().map(BatchRow::relayed).unwrap_or_default();
        let full = rows.first_mut().and_then(|row| row.tenants.take());
        relayed.more = self.turns.after(full, begun_at.elapsed());
        let begun = rows.into_iter().filter_map(BatchRow::begun);
        let begun = direct.map(|direct| direct.take(begun)).unwrap_or_default();
        count(&relayed, begun.len());
        Ok((relayed, begun))
    }

    /// Makes the next batch another one than what failed, so that no event keeps the others from being relayed; hands
    /// back what nothing can be done about.
    async fn mend(&mut self, db: &Db, error: sqlx::Error) -> sqlx::Result<Relayed> {
        // What is left of the batch is the next one's.
        let again = Relayed { more: true, ..Relayed::default() };
        if fault::is_out_of_time(&error) && self.parts < BATCH {
            self.parts = (self.parts * FEWER).min(BATCH);
            tracing::warn!(self.parts, "a batch of events took too long; trying a part of it");
            return Ok(again);
        }
        let left_out = self.turns.left_out(Instant::now());
        let mended = if fault::is_out_of_time(&error) {
            let first = first_of(db, &left_out).await;
            first.map(|tenant| tenant.is_some_and(|tenant| self.put_off(tenant)))
        } else if fault::is_taken(&error) {
            drop_relayed(db, &left_out).await.map(|dropped| dropped > 0)
        } else {
            Ok(false)
        };
        match mended {
            Ok(true) => Ok(again),
            _ if self.turns.begin_anew() => Ok(again),
            Ok(false) => Err(error),
            Err(error) => Err(error),
        }
    }

    /// Lets the others go on without `tenant`, which has an event that no statement has time for.
    fn put_off(&mut self, tenant: Uuid) -> bool {
        tracing::error!(%tenant, "an event takes too long; those of its tenant wait");
        self.turns.leave_out(tenant, Instant::now());
        self.parts = 1;
        true
    }

    async fn take(
        &self,
        db: &Db,
        direct: Option<&Direct<'_>>,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Vec<BatchRow>> {
        let opt_in = event::extensions();
        db.direct(async |conn| {
            sqlx::query_file_as!(
                BatchRow,
                "src/relay.sql",
                BATCH / self.parts,
                &opt_in,
                REMEMBERED,
                direct.map_or(0, |direct| i64::from(direct.headroom.most)),
                direct.map_or(&[][..], |direct| &direct.headroom.webhooks),
                direct.map_or(&[][..], |direct| &direct.headroom.tenants),
                direct.map(|direct| direct.hold.lease.0),
                direct.map(|direct| direct.hold.until),
                now,
                RELAYING,
                WEIGHT / self.parts,
                &self.turns.left_out(Instant::now()),
            )
            .fetch_all(conn)
            .await
        })
        .await
    }
}

fn count(relayed: &Relayed, begun: usize) {
    let count =
        |name: &'static str, rows: i64| metrics::counter!(name).increment(rows.unsigned_abs());
    count("outbox_relayed_total", relayed.events);
    count("webhook_deliveries_created_total", relayed.deliveries);
    count("webhook_filtered_total", relayed.filtered);
    metrics::counter!("webhook_claims_total").increment(begun as u64);
    metrics::counter!("webhook_deliveries_total", "outcome" => "skipped")
        .increment(relayed.skipped.unsigned_abs());
}

/// What a batch came to, and one delivery of it that is leased already, if any is.
struct BatchRow {
    events: i64,
    deliveries: i64,
    skipped: i64,
    filtered: i64,
    /// Whose events it held, if it did not hold all; in the first row.
    tenants: Option<Vec<Uuid>>,
    held: Option<Json<Lines>>,
    tenant_id: Option<Uuid>,
    id: Option<Uuid>,
    webhook_id: Option<Uuid>,
    occurrence_id: Option<Uuid>,
    event: Option<String>,
    body: Option<String>,
    cycle: Option<i32>,
    trigger: Option<Trigger>,
    created_at: Option<DateTime<Utc>>,
    request_id: Option<String>,
    traceparent: Option<String>,
    url: Option<String>,
    secret: Option<Vec<u8>>,
    headers: Option<Vec<u8>>,
    identity: Option<Vec<u8>>,
}

impl BatchRow {
    fn relayed(&self) -> Relayed {
        let Self { events, deliveries, skipped, filtered, .. } = *self;
        let held = self.held.as_ref().map(|held| held.0.clone()).unwrap_or_default();
        Relayed { events, deliveries, skipped, filtered, held, ..Relayed::default() }
    }

    fn begun(self) -> Option<Row> {
        Some(Row {
            tenant_id: self.tenant_id?,
            id: self.id?,
            webhook_id: self.webhook_id?,
            occurrence_id: self.occurrence_id?,
            event: self.event?,
            body: self.body?,
            attempts: 0,
            cycle: self.cycle?,
            trigger: self.trigger?,
            claims: 1,
            created_at: self.created_at?,
            request_id: self.request_id,
            traceparent: self.traceparent,
            url: self.url?,
            secret: self.secret?,
            headers: self.headers,
            identity: self.identity,
            rate_limit: None,
            lined: false,
            waited: false,
        })
    }
}

/// Whose event is next.
async fn first_of(db: &Db, left_out: &[Uuid]) -> sqlx::Result<Option<Uuid>> {
    let mut tx = db.system().await?;
    let tenant = sqlx::query_scalar!(
        "select tenant_id from outbox where tenant_id not in (select unnest($1::uuid[])) order by id limit 1
         for update skip locked",
        left_out,
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(tenant)
}

/// Deletes events of the next batch that the log has already, being announced twice; returns how many. None while
/// another worker relays: it would skip what is locked here.
async fn drop_relayed(db: &Db, left_out: &[Uuid]) -> sqlx::Result<u64> {
    let mut tx = db.system().await?;
    let dropped = sqlx::query!(
        "delete from outbox where ctid = any (array(
             select o.ctid from (
                 select ctid, tenant_id, event_id from outbox
                 where (select pg_try_advisory_xact_lock($2)) and tenant_id not in (select unnest($3::uuid[]))
                 order by id limit $1 for update skip locked) o
             where exists (select 1 from events e where e.tenant_id = o.tenant_id and e.id = o.event_id offset 0)))",
        BATCH,
        RELAYING,
        left_out,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    tx.commit().await?;
    if dropped > 0 {
        tracing::warn!(dropped, "events were announced again that the log has; they are left out");
    }
    Ok(dropped)
}
