//! Step 4 of 6. Before: shared/src/outbox.rs. After: worker/src/deliver.rs.
//!
//! Takes events from the outbox and writes one delivery for each webhook that wants them, in one statement and one
//! transaction. The delivery's id follows from event and webhook, so an event relayed twice is one delivery.
//!
//! The statement leaves nothing to the planner, whose statistics of an outbox are always of another moment: rows go by
//! `ctid`, and `offset 0` has it look up the webhooks of each event's tenant instead of joining all of them.

use shared::Db;
use shared::event::EXTENSIONS;

/// Events taken at once. Row by row the relay would be 300 times slower.
const BATCH: i64 = 500;

/// What one batch did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relayed {
    /// Events taken.
    pub events: i64,
    /// Deliveries written for them.
    pub deliveries: i64,
}

impl Relayed {
    /// Whether there may be more.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.events == BATCH
    }
}

/// Relays one batch. The commit does not wait for the disk: were it undone by a crash, the events would still be in
/// the outbox, which the writer's own durable commit put there.
///
/// # Errors
/// The database's; nothing was relayed then.
pub async fn relay(db: &Db) -> sqlx::Result<Relayed> {
    let opt_in: Vec<String> = EXTENSIONS.iter().map(|event| event.as_str().to_owned()).collect();
    let mut tx = db.system().await?;
    let relayed = sqlx::query_as!(
        Relayed,
        r#"with batch as (
            delete from outbox where ctid = any (array(
                select ctid from outbox order by id limit $1 for update skip locked))
            returning id, tenant_id, event_id, event, payload, request_id, traceparent, occurred_at
        ), fanned as (
            insert into webhook_events (tenant_id, id, webhook_id, occurrence_id, event, body, next_retry,
                                        request_id, traceparent, created_at)
            select b.tenant_id, d.id, w.id, b.event_id, b.event,
                   ('{"id":"' || d.id || '","event":"' || b.event || '","timestamp":"'
                    || to_char(b.occurred_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
                    || '","data":' || b.payload::text || ',"occurrenceId":"' || b.event_id || '"}')::json,
                   b.occurred_at, b.request_id, b.traceparent, b.occurred_at
            from batch b
            cross join lateral (
                select id from webhooks
                where tenant_id = b.tenant_id and active and deleted_at is null
                  and events && array[b.event, split_part(b.event, '.', 1) || '.*',
                                      case when b.event = any ($2) then b.event else '*' end]
                offset 0) w
            cross join lateral (select delivery_id(b.event_id, w.id) as id) d
            order by b.id
            on conflict do nothing
            returning 1
        )
        select (select count(*) from batch) as "events!", (select count(*) from fanned) as "deliveries!""#,
        BATCH,
        &opt_in,
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit_lazily().await?;
    metrics::counter!("outbox_relayed_total").increment(relayed.events.unsigned_abs());
    metrics::counter!("webhook_deliveries_created_total")
        .increment(relayed.deliveries.unsigned_abs());
    Ok(relayed)
}
