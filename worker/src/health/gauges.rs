//! How many webhooks are in trouble, for operators.

use chrono::TimeDelta;
use shared::Db;

/// Tenants of which a webhook has begun to fail within so long count as failing together.
const TOGETHER: TimeDelta = TimeDelta::minutes(15);

/// Counts the webhooks that are failing and those that were switched off, and the tenants that it began for at once;
/// sets the gauges.
pub(crate) async fn measure(db: &Db) -> sqlx::Result<()> {
    let since = db.clock().now() - TOGETHER;
    let row = db
        .direct(async |conn| {
            sqlx::query!(
                r#"select count(*) filter (where w.active) as "failing!",
                          count(*) filter (where not w.active and w.disabled_reason is not null) as "disabled!",
                          count(distinct w.tenant_id) filter (where w.active and h.changed_at > $1) as "tenants!"
                   from webhook_health h join webhooks w on w.tenant_id = h.tenant_id and w.id = h.webhook_id
                   where h.state = 'failing' and w.deleted_at is null"#,
                since
            )
            .fetch_one(conn)
            .await
        })
        .await?;
    for (state, count) in [("failing", row.failing), ("disabled", row.disabled)] {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        metrics::gauge!("webhooks_unhealthy", "state" => state).set(f64::from(count));
    }
    let tenants = u32::try_from(row.tenants).unwrap_or(u32::MAX);
    metrics::gauge!("tenants_newly_failing").set(f64::from(tenants));
    Ok(())
}
