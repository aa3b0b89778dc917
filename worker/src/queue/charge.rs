//! Webhooks with a rate limit: what is claimed of them is booked in their rows, where every worker sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::SystemTx;
use shared::id::WebhookId;
use uuid::Uuid;

use super::Slots;
use super::claim::Row;
use super::pace::burst;

/// Books the claimed deliveries of webhooks with a rate limit. Two workers that claim at the same moment may both find
/// the same room; both are booked, so that the next ones wait for it. What is claimed of a webhook whose row somebody else holds
/// is not booked this once: everybody's deliveries would wait for that row.
pub(super) async fn charge(
    tx: &mut SystemTx,
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
        r#"with free as (
               select w.tenant_id, w.id, s.requests
               from unnest($1::uuid[], $2::uuid[], $3::int[]) s (tenant_id, id, requests)
               join webhooks w on w.tenant_id = s.tenant_id and w.id = s.id and w.rate_limit is not null
               for no key update of w skip locked)
           update webhooks w
           set paced_until = greatest(w.paced_until, $4) + make_interval(secs => f.requests / w.rate_limit::float8)
           from free f
           where w.tenant_id = f.tenant_id and w.id = f.id
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
