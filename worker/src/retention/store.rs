//! The SQL of keeping the event log within its time. Each statement is a transaction of its own; all go by ranges of
//! ids, which are ranges of time (`first_id`).

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::{PgConnection, Result};
use uuid::Uuid;

use super::BATCH;

/// Makes a day's partitions; says whether that is done.
pub(super) async fn open_day(conn: &mut PgConnection, day: NaiveDate) -> Result<bool> {
    sqlx::query_scalar!(r#"select open_event_day($1) as "open!""#, day).fetch_one(conn).await
}

/// The days that have partitions.
pub(super) async fn open_days(conn: &mut PgConnection) -> Result<Vec<NaiveDate>> {
    sqlx::query_scalar!(
        r#"select to_date(right(c.relname, 8), 'YYYYMMDD') as "day!" from pg_inherits i join pg_class c on c.oid = i.inhrelid
           where i.inhparent = 'events'::regclass and c.relname ~ '_[0-9]{8}$'"#
    )
    .fetch_all(conn)
    .await
}

/// Whether events from before that moment are still to be relayed: their numbers are not known yet.
pub(super) async fn awaits_relay(conn: &mut PgConnection, before: DateTime<Utc>) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from outbox where event_id < first_id($1)) as "awaits!""#,
        before,
    )
    .fetch_one(conn)
    .await
}

/// Drops a day's partitions, unless something that is older than its end is pending; says whether they are gone.
pub(super) async fn drop_day(
    conn: &mut PgConnection,
    day: NaiveDate,
    end: DateTime<Utc>,
) -> Result<bool> {
    sqlx::query_scalar!(
        r#"select case when exists (select from webhook_queue where id < first_id($2)) then false
                  else drop_event_day($1) end as "dropped!""#,
        day,
        end,
    )
    .fetch_one(conn)
    .await
}

/// Every tenant and for how many days it keeps its events.
pub(super) async fn retentions(conn: &mut PgConnection) -> Result<Vec<(Uuid, i64)>> {
    let rows =
        sqlx::query!(r#"select tenant_id as "tenant!", days as "days!" from event_retentions()"#)
            .fetch_all(conn)
            .await?;
    Ok(rows.into_iter().map(|row| (row.tenant, row.days)).collect())
}

/// A tenant with something to do.
pub(super) struct Due {
    pub tenant: Uuid,
    /// Whether something may have been held for too long.
    pub expires: bool,
    /// Whether its log is whole behind another number.
    pub forgets: bool,
}

/// Those of these tenants that have something to do. `first_id` is asked once, not once for each.
pub(super) async fn due(
    conn: &mut PgConnection,
    tenants: &[Uuid],
    Expiry { all, held, .. }: Expiry,
) -> Result<Vec<Due>> {
    sqlx::query_as!(
        Due,
        r#"select tenant as "tenant!", expires as "expires!", forgets as "forgets!" from (
             select tenant,
                    exists (select from webhook_queue where tenant_id = tenant and id < (select first_id($3))) as expires,
                    exists (select from event_logs l where l.tenant_id = tenant and l.forgotten < l.last and l.forgotten < (
                        select max(sequence) from events where tenant_id = tenant and id < (select first_id($2)))) as forgets
             from unnest($1::uuid[]) tenant) t
           where expires or forgets"#,
        tenants,
        all,
        held,
    )
    .fetch_all(conn)
    .await
}

/// Those of these tenants that have rows from before that moment.
pub(super) async fn with_old(
    conn: &mut PgConnection,
    tenants: &[Uuid],
    since: DateTime<Utc>,
) -> Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        r#"select tenant as "tenant!" from unnest($1::uuid[]) tenant
           where exists (select from webhook_attempts where tenant_id = tenant and delivery_id < (select first_id($2)))
              or exists (select from webhook_events where tenant_id = tenant and id < (select first_id($2)))
              or exists (select from events where tenant_id = tenant and id < (select first_id($2)))"#,
        tenants,
        since,
    )
    .fetch_all(conn)
    .await
}

/// Which deliveries of a tenant have been held for too long.
#[derive(Clone, Copy)]
pub(super) struct Expiry {
    /// Those from before this.
    pub all: DateTime<Utc>,
    /// Of webhooks that are off, those from before this.
    pub held: DateTime<Utc>,
    /// But none that is leased at this time.
    pub now: DateTime<Utc>,
}

/// Fails up to [`BATCH`] pending deliveries of a tenant that have been held for too long; says how many. What is leased
/// is left alone, unless its delivery is gone: then it would be leased again and again, and keep its day for ever.
pub(super) async fn expire(
    conn: &mut PgConnection,
    tenant: Uuid,
    Expiry { all, held, now }: Expiry,
) -> Result<u64> {
    // By `offset 0` a delivery is looked up by its id, and not all of them are read at once.
    let expired = sqlx::query_scalar!(
        r#"with expired as (
             delete from webhook_queue where ctid = any (array(
                 select q.ctid from webhook_queue q join webhooks w on w.tenant_id = q.tenant_id and w.id = q.webhook_id
                 where q.tenant_id = $1 and q.id < first_id($3) and (q.id < first_id($2) or not w.active)
                   and (q.lease_id is null or q.next_retry <= $4
                        or not exists (select from webhook_events e where e.tenant_id = q.tenant_id and e.id = q.id offset 0))
                 limit $5 for update of q skip locked))
             returning tenant_id, id
         ), failed as (
             update webhook_events e set status = 'failed', last_error = 'expired'
             from expired x where e.tenant_id = x.tenant_id and e.id = x.id
         )
         select count(*) as "expired!" from expired"#,
        tenant,
        all,
        held,
        now,
        BATCH,
    );
    Ok(expired.fetch_one(conn).await?.unsigned_abs())
}

/// Says that the tenant's log is whole behind this number only: rows go in no order.
pub(super) async fn forget(
    conn: &mut PgConnection,
    tenant: Uuid,
    since: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "update event_logs l set forgotten = e.sequence
         from (select max(sequence) as sequence from events where tenant_id = $1 and id < first_id($2)) e
         where l.tenant_id = $1 and l.forgotten < e.sequence",
        tenant,
        since,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// One tenant, or all. As a range, which an index begins at: by a parameter that may be null it is read from end to
/// end.
fn from_to(tenant: Option<Uuid>) -> (Uuid, Uuid) {
    tenant.map_or((Uuid::nil(), Uuid::max()), |tenant| (tenant, tenant))
}

/// Removes up to [`BATCH`] attempts from before that moment, of one tenant or of all; says how many.
pub(super) async fn remove_attempts(
    conn: &mut PgConnection,
    tenant: Option<Uuid>,
    since: DateTime<Utc>,
) -> Result<u64> {
    let (first, last) = from_to(tenant);
    let removed = sqlx::query!(
        "delete from webhook_attempts a using (
             select tenant_id, delivery_id, id from webhook_attempts
             where delivery_id < first_id($2) and tenant_id between $1 and $3 limit $4) old
         where a.tenant_id = old.tenant_id and a.delivery_id = old.delivery_id and a.id = old.id",
        first,
        since,
        last,
        BATCH,
    );
    Ok(removed.execute(conn).await?.rows_affected())
}

/// The same with deliveries that have ended.
pub(super) async fn remove_deliveries(
    conn: &mut PgConnection,
    tenant: Option<Uuid>,
    since: DateTime<Utc>,
) -> Result<u64> {
    let (first, last) = from_to(tenant);
    let removed = sqlx::query!(
        "delete from webhook_events e using (
             select tenant_id, id from webhook_events
             where id < first_id($2) and tenant_id between $1 and $3 and status <> 'pending' limit $4) old
         where e.tenant_id = old.tenant_id and e.id = old.id
           -- Asked again of a row that was waited for: it may have been sent again.
           and e.status <> 'pending'",
        first,
        since,
        last,
        BATCH,
    );
    Ok(removed.execute(conn).await?.rows_affected())
}

/// The same with events.
pub(super) async fn remove_events(
    conn: &mut PgConnection,
    tenant: Option<Uuid>,
    since: DateTime<Utc>,
) -> Result<u64> {
    let (first, last) = from_to(tenant);
    let removed = sqlx::query!(
        "delete from events e using (
             select tenant_id, id from events
             where id < first_id($2) and tenant_id between $1 and $3 limit $4) old
         where e.tenant_id = old.tenant_id and e.id = old.id",
        first,
        since,
        last,
        BATCH,
    );
    Ok(removed.execute(conn).await?.rows_affected())
}

/// Removes up to [`BATCH`] counts of outcomes from before that moment, of all tenants; says how many.
pub(super) async fn remove_outcomes(conn: &mut PgConnection, since: DateTime<Utc>) -> Result<u64> {
    let removed = sqlx::query!(
        "delete from webhook_outcomes where ctid = any (array(
             select ctid from webhook_outcomes where slot < $1 limit $2))",
        since,
        BATCH,
    );
    Ok(removed.execute(conn).await?.rows_affected())
}
