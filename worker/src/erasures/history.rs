//! The SQL of what a record leaves behind. Nothing here needs an index of its own on events or deliveries: an audit
//! entry's id is the id of its event, a delivery's id follows from event and webhook, and the event that tells of an
//! activity has the activity's own time in its id.

use chrono::{DateTime, Utc};
use shared::TenantTx;
use shared::id::ErasureId;
use uuid::Uuid;

use super::Cursor;
use crate::relay::RELAYING;

/// Changes or activities of one step, at most.
const BATCH: i64 = 200;

/// Deliveries that one step looks for, at most, if it has more than one event: one of each event for each webhook that
/// the tenant has or ever had.
const DELIVERIES: i64 = 20_000;

/// What failed rows of imports are searched for, at most.
const MOST_SOUGHT: i32 = 1000;

/// A row, and where it stands in its order.
pub(super) struct Place {
    pub id: Uuid,
    pub at: DateTime<Utc>,
}

/// Keeps relays from taking anything until the transaction ends, and has them look again afterwards.
pub(super) async fn lock_relay(tx: &mut TenantTx) -> sqlx::Result<()> {
    sqlx::query!("select pg_advisory_xact_lock($1)", RELAYING).execute(tx.conn()).await?;
    sqlx::query("notify outbox").execute(tx.conn()).await?;
    Ok(())
}

/// Erases what was announced of the contact, and of activities about it, and not relayed; says how many events. All of
/// the contact's are written anew, if only as they are: a relay that has begun and waits for its turn can take no row
/// that was written meanwhile, so that it takes them in their order later
/// (docs/decisions/0034-one-message-for-the-relay.md).
pub(super) async fn erase_outbox(tx: &mut TenantTx, record: Uuid) -> sqlx::Result<i32> {
    let tenant = tx.tenant();
    let all = sqlx::query!(
        "update outbox set payload = payload
         where tenant_id = $1 and event like 'contact.%' and payload->>'id' = $2",
        tenant.0,
        record.to_string(),
    );
    all.execute(tx.conn()).await?;
    let erased = sqlx::query!(
        "update outbox set payload = erased_data(event, payload)
         where tenant_id = $1
           and (event like 'contact.%' and event <> 'contact.erased' and payload->>'id' = $2
                or event = 'activity.created' and payload->>'contactId' = $2 and payload->>'type' <> 'system')
           and payload->>'erased' is null",
        tenant.0,
        record.to_string(),
    );
    Ok(count(&erased.execute(tx.conn()).await?))
}

/// How many changes or activities one step takes.
async fn page(tx: &mut TenantTx) -> sqlx::Result<i64> {
    let tenant = tx.tenant();
    sqlx::query_scalar!(
        r#"select least($2, greatest(1, $3 / greatest(1, count(*)))) as "page!" from webhooks where tenant_id = $1"#,
        tenant.0,
        BATCH,
        DELIVERIES,
    )
    .fetch_one(tx.conn())
    .await
}

/// The record's next changes, oldest first: entries of the audit log, and the events of the same ids.
pub(super) async fn changes(
    tx: &mut TenantTx,
    record: Uuid,
    after: Cursor,
) -> sqlx::Result<Vec<Place>> {
    let page = page(tx).await?;
    sqlx::query_as!(
        Place,
        "select id, created_at as at from audit_log
         where record_id = $1 and action <> 'contact.erased'
           and (created_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
         order by created_at, id limit $4",
        record,
        after.at,
        after.id,
        page,
    )
    .fetch_all(tx.conn())
    .await
}

/// The next activities that somebody wrote about the contact, oldest first. What the system wrote names no person.
pub(super) async fn activities(
    tx: &mut TenantTx,
    record: Uuid,
    after: Cursor,
) -> sqlx::Result<Vec<Place>> {
    let page = page(tx).await?;
    sqlx::query_as!(
        Place,
        "select id, occurred_at as at from activities
         where contact_id = $1 and type <> 'system'
           and (occurred_at, id) > (coalesce($2::timestamptz, '-infinity'), coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'))
         order by occurred_at, id limit $4",
        record,
        after.at,
        after.id,
        page,
    )
    .fetch_all(tx.conn())
    .await
}

/// The events that tell of these activities: written in the same transaction, so of the same millisecond.
pub(super) async fn told(tx: &mut TenantTx, activities: &[Uuid]) -> sqlx::Result<Vec<Uuid>> {
    let tenant = tx.tenant();
    sqlx::query_scalar!(
        r#"select e.id as "id!"
           from unnest($2::uuid[]) wanted (id)
           join activities a on a.id = wanted.id
           cross join lateral (
               select id from events
               where tenant_id = $1 and record = a.id
                 and id >= first_id(date_trunc('milliseconds', a.created_at))
                 and id < first_id(date_trunc('milliseconds', a.created_at) + interval '1 millisecond')
               offset 0) e"#,
        tenant.0,
        activities,
    )
    .fetch_all(tx.conn())
    .await
}

/// Adds what these entries say the contact was called and reached by to what failed rows are searched for.
pub(super) async fn seek(
    tx: &mut TenantTx,
    erasure: ErasureId,
    entries: &[Uuid],
) -> sqlx::Result<()> {
    let tenant = tx.tenant();
    sqlx::query!(
        "update erasures set sought = array(
             select word from (
                 select unnest(sought) as word
                 union
                 select lower(m.value) from audit_log a
                 cross join lateral (select * from json_each_text(a.before) union all select * from json_each_text(a.after)) m
                 where a.id = any ($3) and m.value <> ''
                   and m.key in ('name', 'email', 'phone', 'phoneE164', 'externalId')) words
             limit $4)
         where tenant_id = $1 and id = $2",
        tenant.0,
        erasure.0,
        entries,
        i64::from(MOST_SOUGHT),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Erases what these entries of the audit log tell; says how many told anything.
pub(super) async fn erase_entries(tx: &mut TenantTx, ids: &[Uuid]) -> sqlx::Result<i32> {
    let erased = sqlx::query!(
        r#"update audit_log
           set before = case when before is not null then '{"erased":true}'::json end,
               after = case when after is not null then '{"erased":true}'::json end
           where id = any ($1) and (before is not null or after is not null)
             and coalesce(before->>'erased', after->>'erased') is null"#,
        ids,
    );
    Ok(count(&erased.execute(tx.conn()).await?))
}

/// The same of entries about these records.
pub(super) async fn erase_entries_about(tx: &mut TenantTx, records: &[Uuid]) -> sqlx::Result<i32> {
    let erased = sqlx::query!(
        r#"update audit_log
           set before = case when before is not null then '{"erased":true}'::json end,
               after = case when after is not null then '{"erased":true}'::json end
           where record_id = any ($1) and (before is not null or after is not null)
             and coalesce(before->>'erased', after->>'erased') is null"#,
        records,
    );
    Ok(count(&erased.execute(tx.conn()).await?))
}

/// Erases what activities say.
pub(super) async fn erase_activities(tx: &mut TenantTx, ids: &[Uuid]) -> sqlx::Result<i32> {
    let erased = sqlx::query!(
        "update activities set subject = 'Erased', body = null
         where id = any ($1) and (subject <> 'Erased' or body is not null)",
        ids,
    );
    Ok(count(&erased.execute(tx.conn()).await?))
}

/// Erases the data of events in the log.
pub(super) async fn erase_events(tx: &mut TenantTx, ids: &[Uuid]) -> sqlx::Result<i32> {
    let tenant = tx.tenant();
    let erased = sqlx::query!(
        "update events e set payload = erased_data(e.event, e.payload)
         from unnest($2::uuid[]) o (id)
         where e.tenant_id = $1 and e.id = o.id and e.payload->>'erased' is null",
        tenant.0,
        ids,
    );
    Ok(count(&erased.execute(tx.conn()).await?))
}

/// Erases the data of events' deliveries, sent or not: what is sent from here on is what is left. Rows that somebody
/// else is writing are passed over, because two that wait for each other would wait for ever: see [`left`]. By `offset
/// 0` the ids are worked out first; else the planner would compare each row of a partition that it believes empty.
pub(super) async fn erase_deliveries(tx: &mut TenantTx, events: &[Uuid]) -> sqlx::Result<i32> {
    let (tenant, now) = (tx.tenant(), tx.now());
    let erased = sqlx::query!(
        "update webhook_events e set body = erased_body(e.event, e.body), erased_at = $3
         from (select delivery_id(o.id, w.id) as id
               from unnest($2::uuid[]) o (id) cross join (select id from webhooks where tenant_id = $1) w offset 0) d
         cross join lateral (
             select id from webhook_events
             where tenant_id = $1 and id = d.id and erased_at is null for no key update skip locked) free
         where e.tenant_id = $1 and e.id = free.id",
        tenant.0,
        events,
        now,
    );
    Ok(count(&erased.execute(tx.conn()).await?))
}

/// The ids that deliveries of these events can have.
pub(super) async fn deliveries(tx: &mut TenantTx, events: &[Uuid]) -> sqlx::Result<Vec<Uuid>> {
    let tenant = tx.tenant();
    sqlx::query_scalar!(
        r#"select delivery_id(o.id, w.id) as "id!"
           from unnest($2::uuid[]) o (id) cross join (select id from webhooks where tenant_id = $1) w"#,
        tenant.0,
        events,
    )
    .fetch_all(tx.conn())
    .await
}

/// Whether deliveries of these events were passed over.
pub(super) async fn left(tx: &mut TenantTx, events: &[Uuid]) -> sqlx::Result<bool> {
    let tenant = tx.tenant();
    sqlx::query_scalar!(
        r#"select exists (
               select from (select delivery_id(o.id, w.id) as id
                            from unnest($2::uuid[]) o (id)
                            cross join (select id from webhooks where tenant_id = $1) w offset 0) d
               join webhook_events e on e.tenant_id = $1 and e.id = d.id and e.erased_at is null) as "left!""#,
        tenant.0,
        events,
    )
    .fetch_one(tx.conn())
    .await
}

/// Erases what receivers said to events' deliveries. When, how long and with which outcome stays.
pub(super) async fn erase_attempts(tx: &mut TenantTx, events: &[Uuid]) -> sqlx::Result<i32> {
    let tenant = tx.tenant();
    let erased = sqlx::query!(
        "update webhook_attempts a set excerpt = null, detail = erased_detail(a.detail)
         from (select delivery_id(o.id, w.id) as id
               from unnest($2::uuid[]) o (id) cross join (select id from webhooks where tenant_id = $1) w offset 0) d
         where a.tenant_id = $1 and a.delivery_id = d.id
           and (a.excerpt is not null or (a.detail->'responseHeaders')::text <> '{}')",
        tenant.0,
        events,
    );
    Ok(count(&erased.execute(tx.conn()).await?))
}

pub(super) fn count(done: &sqlx::postgres::PgQueryResult) -> i32 {
    i32::try_from(done.rows_affected()).unwrap_or(i32::MAX)
}
