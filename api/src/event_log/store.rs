//! The SQL of reading the event log.

use serde_json::value::RawValue;
use shared::TenantTx;
use shared::event::{self, REMEMBERED};
use shared::id::EventId;
use sqlx::types::Json;

use super::explain::{Considered, Reason};
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

/// Events that are read at first, and twice as many each time: what is behind the end of a page is hardly read.
const STEP: usize = 10;

/// Events after one number, up to another, until the query's limit or `bytes` of `data` are reached; and whether these
/// are all.
pub(super) async fn between(
    tx: &mut TenantTx,
    (mut after, upto): (i64, i64),
    query: &FeedQuery,
    bytes: usize,
) -> sqlx::Result<(Vec<Event>, bool)> {
    let (mut events, mut read, mut most) = (Vec::new(), 0, STEP);
    loop {
        most = most.min(query.limit - events.len());
        let step = step(tx, (after, upto), query, most).await?;
        let all = step.len() < most;
        for event in step {
            after = event.sequence;
            read += event.data.get().len();
            events.push(event);
            if read >= bytes || events.len() == query.limit {
                return Ok((events, false));
            }
        }
        if all {
            return Ok((events, true));
        }
        most *= 2;
    }
}

async fn step(
    tx: &mut TenantTx,
    (after, upto): (i64, i64),
    query: &FeedQuery,
    most: usize,
) -> sqlx::Result<Vec<Event>> {
    sqlx::query_as!(
        Event,
        // What a webhook wants and gets is what the relay says (worker/src/relay.sql).
        r#"select e.id as "id: EventId", e.sequence, e.event, e.occurred_at as timestamp,
                  case when w.fields is null then e.payload else masked_payload(e.payload, w.fields)::json
                       end as "data!: Json<Box<RawValue>>", e.request_id
           from events e left join webhooks w on w.tenant_id = e.tenant_id and w.id = $5 and w.deleted_at is null
           where e.sequence > $1 and e.sequence <= $2 and ($3::text[] is null or e.event = any ($3))
             and ($5::uuid is null
                  or w.events && array[e.event, split_part(e.event, '.', 1) || '.*',
                                       case when e.event = any ($6) then e.event else '*' end]
                     and (e.event like 'webhook.%' and e.record = w.id) is not true
                     and (w.filter_path is null or e.event = 'contact.erased'
                          or e.event = 'contact.deleted' and e.payload->>'erased' = 'true'
                          or event_passes(e.payload, w.filter_path, e.event)))
           order by e.sequence limit $4"#,
        after,
        upto,
        query.events.as_deref() as Option<&[String]>,
        i64::try_from(most).unwrap_or(i64::MAX),
        query.webhook.map(|id| id.0),
        &event::extensions(),
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

/// The tenant's webhooks and what the relay did with the event at each, those first that it went to.
pub(super) async fn considered(
    tx: &mut TenantTx,
    event: EventId,
    limit: i64,
) -> sqlx::Result<Vec<Considered>> {
    sqlx::query_as!(
        Considered,
        r#"select w.id as "webhook_id!", w.url as "url!", w.deleted_at is not null as "deleted!",
                  case when e.event like 'webhook.%' and w.id = e.record then 'its_own_health'
                       when w.id = any (e.unwanted) then 'event_not_wanted'
                       when w.id = any (e.filtered) then 'filtered'
                       when w.created_at > e.occurred_at then 'webhook_created_later'
                       when e.unwanted is null or greatest(cardinality(e.unwanted), cardinality(e.filtered)) >= $2
                            then 'not_recorded'
                       when w.deleted_at is not null then 'webhook_deleted'
                       -- In the same millisecond as the event.
                       else 'webhook_created_later' end as "absence!: Reason",
                  d.id as "delivery_id?", d.pattern, d.filter_passed, d.status as "status?", d.skip_reason,
                  d.attempts as "attempts?", d.last_error, w.held_until,
                  opens_at(w.rate_limit, w.paced_until) as paced_until,
                  held_reason(d.status, w.active, w.disabled_reason, q.next_retry) as held_reason,
                  case when q.lease_id is null and held_reason(d.status, w.active, w.disabled_reason, q.next_retry) is null
                       then off_shelf(q.next_retry) end as next_retry
           from events e
           cross join webhooks w
           left join lateral (
               select * from webhook_events d where d.tenant_id = e.tenant_id and d.id = delivery_id(e.id, w.id) offset 0
           ) d on true
           left join webhook_queue q on q.tenant_id = d.tenant_id and q.webhook_id = d.webhook_id and q.id = d.id
           where e.id = $1
           order by d.id is null, not coalesce(w.id = any (e.filtered), false), not coalesce(w.id = any (e.unwanted), false),
                    w.deleted_at is not null, w.created_at, w.id
           limit $3"#,
        event.0,
        REMEMBERED,
        limit,
    )
    .fetch_all(tx.conn())
    .await
}
