//! The SQL of reading the event log.

use serde_json::value::RawValue;
use shared::TenantTx;
use shared::id::EventId;
use sqlx::types::Json;

use super::{Event, FeedQuery, Head};

/// How far the log goes; a tenant without an event has none.
pub(super) async fn head(tx: &mut TenantTx) -> sqlx::Result<Head> {
    let head = sqlx::query_as!(Head, "select last, forgotten from event_logs")
        .fetch_optional(tx.conn())
        .await?;
    Ok(head.unwrap_or_default())
}

/// The same, and everything read so far is on the disk once this transaction has committed: a record of its own in the
/// write-ahead log has its commit wait for that, and for all commits that came before.
pub(super) async fn flushed_head(tx: &mut TenantTx) -> sqlx::Result<Head> {
    let head = sqlx::query!(
        r#"select last, forgotten, pg_logical_emit_message(true, 'liaison', '')::text as lsn from event_logs"#
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(head.map_or_else(Head::default, |row| Head { last: row.last, forgotten: row.forgotten }))
}

/// Events behind one number, up to another.
pub(super) async fn between(
    tx: &mut TenantTx,
    (after, upto): (i64, i64),
    query: &FeedQuery,
) -> sqlx::Result<Vec<Event>> {
    sqlx::query_as!(
        Event,
        r#"select id as "id: EventId", sequence, event, occurred_at as timestamp,
                  payload as "data: Json<Box<RawValue>>", request_id
           from events
           where sequence > $1 and sequence <= $2 and ($3::text[] is null or event = any ($3))
           order by sequence limit $4"#,
        after,
        upto,
        query.events.as_deref() as Option<&[String]>,
        i64::try_from(query.limit).unwrap_or(i64::MAX),
    )
    .fetch_all(tx.conn())
    .await
}

pub(super) async fn find(tx: &mut TenantTx, id: EventId) -> sqlx::Result<Option<Event>> {
    sqlx::query_as!(
        Event,
        r#"select id as "id: EventId", sequence, event, occurred_at as timestamp,
                  payload as "data: Json<Box<RawValue>>", request_id
           from events where id = $1"#,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await
}
