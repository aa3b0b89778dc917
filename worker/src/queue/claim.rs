//! The claim: due deliveries, fairly, under a lease.
//!
//! `ring` steps from webhook to webhook through the index of due rows and sees only the first row of each, so that
//! a webhook with 50,000 rows costs as much as one with one. Each then gives at most its room. The update goes by
//! `ctid` of rows locked in the same statement: there is no join for the planner to get wrong.

use chrono::{DateTime, Utc};
use shared::Db;
use shared::id::{DeliveryId, LeaseId, TenantId, WebhookId};
use uuid::Uuid;

use super::{Claimed, Delivery, Slots};

/// How long a claim holds, in seconds: the longest request and as much again for a slow machine.
pub const LEASE: chrono::TimeDelta = chrono::TimeDelta::seconds(60);

/// Claims as many due deliveries as there are free slots, starting behind the webhook `after`.
/// The commit does not wait for the disk: were it undone by a crash, the deliveries would be claimed again.
///
/// # Errors
/// The database's; nothing is claimed then.
pub async fn claim(db: &Db, slots: &Slots, after: Option<WebhookId>) -> sqlx::Result<Vec<Claimed>> {
    let free = i64::from(slots.free());
    if free == 0 {
        return Ok(Vec::new());
    }
    let now = db.clock().now();
    let (lease, lease_until) = (LeaseId::fresh(now), now + LEASE);
    let mut tx = db.system().await?;
    sqlx::raw_sql("set local enable_hashjoin = off; set local enable_mergejoin = off; set local jit = off")
        .execute(tx.conn())
        .await?;
    let rows = select(&mut tx, slots, Claim { free, now, lease, lease_until, after }).await?;
    tx.commit_lazily().await?;
    metrics::counter!("webhook_claims_total").increment(rows.len() as u64);
    Ok(rows
        .into_iter()
        .map(|row| {
            let delivery = row.into_delivery(lease, lease_until);
            Claimed { slot: slots.take(delivery.tenant, delivery.webhook), delivery }
        })
        .collect())
}

struct Claim {
    free: i64,
    now: DateTime<Utc>,
    lease: LeaseId,
    lease_until: DateTime<Utc>,
    after: Option<WebhookId>,
}

async fn select(tx: &mut shared::SystemTx, slots: &Slots, claim: Claim) -> sqlx::Result<Vec<Row>> {
    let caps = slots.caps();
    let (webhooks, tenants) = slots.counts();
    let (webhook_ids, webhook_counts): (Vec<Uuid>, Vec<i32>) = webhooks.into_iter().map(|(id, n)| (id.0, n)).unzip();
    let (tenant_ids, tenant_counts): (Vec<Uuid>, Vec<i32>) = tenants.into_iter().map(|(id, n)| (id.0, n)).unzip();
    sqlx::query_as!(
        Row,
        r#"with recursive ring as (
            (select webhook_id, tenant_id, next_retry from webhook_events where status = 'pending'
             order by webhook_id, next_retry limit 1)
            union all
            select n.webhook_id, n.tenant_id, n.next_retry from ring r cross join lateral (
                select e.webhook_id, e.tenant_id, e.next_retry from webhook_events e
                where e.status = 'pending' and e.webhook_id > r.webhook_id
                order by e.webhook_id, e.next_retry limit 1) n
        ), busy as (
            select * from unnest($1::uuid[], $2::int[]) as b (webhook_id, requests)
        ), busy_tenants as (
            select * from unnest($3::uuid[], $4::int[]) as b (tenant_id, requests)
        ), eligible as (
            select r.webhook_id, r.tenant_id, $6 - coalesce(t.requests, 0) as tenant_room,
                   least($5 - coalesce(b.requests, 0), $6 - coalesce(t.requests, 0)) as room
            from ring r
            join webhooks w on w.tenant_id = r.tenant_id and w.id = r.webhook_id and w.active and w.deleted_at is null
            left join busy b on b.webhook_id = r.webhook_id
            left join busy_tenants t on t.tenant_id = r.tenant_id
            where r.next_retry <= $7
        ), open as (
            select *, greatest(1, $8 / count(*) over ()) as share from eligible where room > 0
            order by webhook_id <= $9, webhook_id limit $8
        ), locked as (
            select d.row, o.tenant_room, row_number() over (partition by o.tenant_id) as place
            from open o cross join lateral (
                select e.ctid as row from webhook_events e
                where e.webhook_id = o.webhook_id and e.status = 'pending' and e.next_retry <= $7
                order by e.next_retry limit least(o.room, o.share) for update skip locked) d
        ), claimed as (
            update webhook_events set lease_id = $10, next_retry = $11, claims = claims + 1
            where ctid = any (array(select row from locked where place <= tenant_room limit $8))
            returning *
        )
        select c.tenant_id as "tenant_id!", c.id as "id!", c.webhook_id as "webhook_id!", c.event as "event!",
               c.body::text as "body!", c.attempts as "attempts!", c.cycle as "cycle!", c.trigger as "trigger!",
               c.claims as "claims!", c.created_at as "created_at!", c.request_id, c.traceparent,
               w.url as "url!", w.secret_enc as "secret!"
        from claimed c join webhooks w on w.tenant_id = c.tenant_id and w.id = c.webhook_id"#,
        &webhook_ids,
        &webhook_counts,
        &tenant_ids,
        &tenant_counts,
        i32::try_from(caps.per_webhook).unwrap_or(i32::MAX),
        i32::try_from(caps.per_tenant).unwrap_or(i32::MAX),
        claim.now,
        claim.free,
        claim.after.map_or(Uuid::nil(), |id| id.0),
        claim.lease.0,
        claim.lease_until,
    )
    .fetch_all(tx.conn())
    .await
}

struct Row {
    tenant_id: Uuid,
    id: Uuid,
    webhook_id: Uuid,
    event: String,
    body: String,
    attempts: i32,
    cycle: i32,
    trigger: String,
    claims: i32,
    created_at: DateTime<Utc>,
    request_id: Option<String>,
    traceparent: Option<String>,
    url: String,
    secret: Vec<u8>,
}

impl Row {
    fn into_delivery(self, lease: LeaseId, lease_until: DateTime<Utc>) -> Delivery {
        Delivery {
            tenant: TenantId(self.tenant_id),
            id: DeliveryId(self.id),
            webhook: WebhookId(self.webhook_id),
            event: self.event,
            body: self.body.into(),
            attempts: self.attempts,
            cycle: self.cycle,
            trigger: self.trigger,
            claims: self.claims,
            lease,
            lease_until,
            created_at: self.created_at,
            request_id: self.request_id,
            traceparent: self.traceparent,
            url: self.url,
            secret: self.secret,
        }
    }
}
