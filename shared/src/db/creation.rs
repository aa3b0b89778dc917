//! One statement that stores a new record, announces it and keeps it in the audit log. It sets its tenant itself, so
//! that it can be a whole transaction: one round trip in place of four (docs/decisions/0035).

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::db::Origin;
use crate::event::EventType;
use crate::id::{EventId, TenantId};

/// A new record's event and its entry in the audit log, which have one id and hold one document.
pub struct Creation {
    /// Whether the statement wakes the workers, too.
    pub rings: bool,
    /// Whose the record is.
    pub tenant: TenantId,
    /// When it comes into being.
    pub now: DateTime<Utc>,
    /// Who asked for it.
    pub origin: Origin,
    /// Of the event and of the entry.
    pub id: EventId,
    /// None when nothing is announced.
    pub event: Option<EventType>,
    /// What the record is called in the audit log.
    pub record_type: &'static str,
    /// The record's id.
    pub record_id: Uuid,
    /// The record's version, where it has versions.
    pub version: Option<i32>,
    /// JSON text of the record; receivers get these bytes.
    pub document: String,
}

/// Stores a new record in a transaction, with its event and its entry. The text is that of an `insert … select … from
/// caller`, which has the tenant as `caller.tenant`; its own parameters begin with `$16`.
///
/// The order comes from the data, not from the plan: no row to insert exists before `caller` has set the tenant, and
/// neither event nor entry before the record. So the policies see the right tenant, or none.
#[macro_export]
macro_rules! insert {
    ($tx:expr, $creation:expr, $record:literal, $($value:expr),+ $(,)?) => {
        $tx.create($creation, async |conn, new: $crate::db::creation::Creation| {
            sqlx::query!(
                "with caller as materialized (
                    select set_config('app.tenant_id', $1::uuid::text, true)::uuid as tenant),
                record as (" + $record + " returning tenant_id),
                announced as (
                    insert into outbox (tenant_id, event_id, event, record, version, payload, request_id, traceparent,
                                        occurred_at)
                    select tenant_id, $3, $4, $13, $15, $5::text::json, $6, $7, $8 from record
                    where $4::text is not null),
                entry as (
                    insert into audit_log (tenant_id, id, actor_type, actor_id, action, record_type, record_id, after,
                                           request_id, address, created_at)
                    select tenant_id, $3, $9, $10, $11, $12, $13, $5::text::json, $6, $14, $8 from record
                    returning id)
                select pg_notify('outbox', 'events') from entry where $2",
                new.tenant.0,
                new.rings,
                new.id.0,
                new.event.map(|event| event.as_str()),
                new.document,
                new.origin.request_id,
                new.origin.traceparent,
                new.now,
                new.origin.actor.kind(),
                new.origin.actor.id(),
                format!("{}.created", new.record_type),
                new.record_type,
                new.record_id,
                new.origin.address.map(|address| address.to_string()),
                new.version,
                $($value),+
            )
            .execute(conn)
            .await
            .map(drop)
        })
    };
}
