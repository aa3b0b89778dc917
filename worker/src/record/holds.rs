//! For how long receivers asked to be left alone, written into their webhooks, where every worker's claim sees it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use shared::SystemTx;
use uuid::Uuid;

use super::Report;
use crate::queue::Delivery;

/// Keeps the latest time that was asked for, where the address that asked is still the webhook's. An outcome that came
/// after its lease had ended tells the same.
pub(super) async fn keep(tx: &mut SystemTx, outcomes: &[(&Delivery, &Report)]) -> sqlx::Result<()> {
    // In one order everywhere, so that workers cannot wait for each other in a circle.
    let mut holds: BTreeMap<(Uuid, Uuid, &str), DateTime<Utc>> = BTreeMap::new();
    for (delivery, report) in outcomes {
        if let Some(until) = report.held_until {
            let asked = (delivery.tenant.0, delivery.webhook.0, delivery.url.as_str());
            let hold = holds.entry(asked).or_insert(until);
            *hold = until.max(*hold);
        }
    }
    if holds.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "update webhooks w set held_until = h.until
         from unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[]) h (tenant_id, id, url, until)
         where w.tenant_id = h.tenant_id and w.id = h.id and w.url = h.url and (w.held_until is null or w.held_until < h.until)",
        &holds.keys().map(|(tenant, ..)| *tenant).collect::<Vec<_>>(),
        &holds.keys().map(|(_, webhook, _)| *webhook).collect::<Vec<_>>(),
        &holds.keys().map(|(.., url)| *url).collect::<Vec<_>>() as &[&str],
        &holds.values().copied().collect::<Vec<_>>(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
