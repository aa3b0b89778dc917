//! The claim: due deliveries, fairly, under a lease.
//!
//! `webhooks_pending()` names each webhook with its first due row, however many more it has. Each gives at most its
//! room. The update goes by `ctid` of rows locked in the same statement: there is no join for the planner to get wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::Db;
use shared::id::{DeliveryId, EventId, LeaseId, TenantId, WebhookId};
use uuid::Uuid;

use super::flow::burst;
use super::{Claimed, Delivery, Slots};

/// What a lease leaves for everything but the request itself: waiting for a thread, writing the outcome.
const MARGIN: TimeDelta = TimeDelta::seconds(30);

/// How long a claim holds: the longest request and a margin.
#[must_use]
pub fn lease(longest_request: Duration) -> TimeDelta {
    TimeDelta::from_std(longest_request).unwrap_or(TimeDelta::MAX / 2) + MARGIN
}

/// Claims as many due deliveries as there are free slots, starting behind the webhook `after`; the claim holds for
/// `holds`.
/// The commit does not wait for the disk: were it undone by a crash, the deliveries would be claimed again.
///
/// # Errors
/// The database's; nothing is claimed then.
pub async fn claim(
    db: &Db,
    slots: &Slots,
    holds: TimeDelta,
    after: Option<WebhookId>,
) -> sqlx::Result<Vec<Claimed>> {
    let free = i64::from(slots.free());
    if free == 0 {
        return Ok(Vec::new());
    }
    let now = db.clock().now();
    let (lease, lease_until) = (LeaseId::fresh(now), now + holds);
    let mut tx = db.system().await?;
    let rows = select(&mut tx, slots, Claim { free, now, lease, lease_until, after }).await?;
    charge(&mut tx, slots, &rows, now).await?;
    tx.commit_lazily().await?;
    metrics::counter!("webhook_claims_total").increment(rows.len() as u64);
    Ok(rows
        .into_iter()
        .map(|row| {
            let delivery = row.into_delivery(lease, lease_until);
            Claimed { slot: slots.take(delivery.tenant, delivery.webhook, now), delivery }
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
    let busy = slots.counts(claim.now);
    sqlx::query_file_as!(
        Row,
        "src/queue/claim.sql",
        &busy.webhooks.0,
        &busy.webhooks.1,
        &busy.tenants.0,
        &busy.tenants.1,
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

/// Books the claimed deliveries of webhooks with a rate limit. Two workers that claim at the same moment may both find
/// the same room; both are booked, so that the next ones wait for it.
async fn charge(
    tx: &mut shared::SystemTx,
    slots: &Slots,
    rows: &[Row],
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    // In one order everywhere, so that workers cannot wait for each other in a circle.
    let mut spent: BTreeMap<(Uuid, Uuid), i32> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.rate_limit.is_some()) {
        *spent.entry((row.tenant_id, row.webhook_id)).or_default() += 1;
    }
    if spent.is_empty() {
        return Ok(());
    }
    let paced = sqlx::query!(
        r#"update webhooks w
           set paced_until = greatest(w.paced_until, $4) + make_interval(secs => s.requests / w.rate_limit::float8)
           from unnest($1::uuid[], $2::uuid[], $3::int[]) s (tenant_id, id, requests)
           where w.tenant_id = s.tenant_id and w.id = s.id and w.rate_limit is not null
           returning w.id, w.rate_limit as "rate_limit!", w.paced_until as "paced_until!""#,
        &spent.keys().map(|(tenant, _)| *tenant).collect::<Vec<_>>(),
        &spent.keys().map(|(_, webhook)| *webhook).collect::<Vec<_>>(),
        &spent.values().copied().collect::<Vec<_>>(),
        now,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in paced {
        let rate = f64::from(row.rate_limit);
        let ahead = Duration::from_secs_f64((burst(rate) - 1.0) / rate);
        let ahead = TimeDelta::from_std(ahead).unwrap_or_default();
        slots.pace(WebhookId(row.id), row.paced_until - ahead);
    }
    Ok(())
}

struct Row {
    tenant_id: Uuid,
    id: Uuid,
    webhook_id: Uuid,
    occurrence_id: Uuid,
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
    headers: Option<Vec<u8>>,
    identity: Option<Vec<u8>>,
    rate_limit: Option<i32>,
}

impl Row {
    fn into_delivery(self, lease: LeaseId, lease_until: DateTime<Utc>) -> Delivery {
        Delivery {
            tenant: TenantId(self.tenant_id),
            id: DeliveryId(self.id),
            webhook: WebhookId(self.webhook_id),
            occurrence: EventId(self.occurrence_id),
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
            headers: self.headers,
            identity: self.identity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_always_outlives_the_longest_request() {
        for seconds in [0, 30, 90, 86_400] {
            let request = Duration::from_secs(seconds);
            assert!(
                lease(request) > TimeDelta::from_std(request).unwrap() + TimeDelta::seconds(29)
            );
        }
    }
}
