//! How many webhooks are in trouble, for operators.

use shared::Db;

/// Counts the webhooks that are failing and those that were switched off, and sets the gauges.
pub(crate) async fn measure(db: &Db) -> sqlx::Result<()> {
    let row = db
        .direct(async |conn| {
            sqlx::query!(
                r#"select count(*) filter (where w.active) as "failing!",
                          count(*) filter (where not w.active and w.disabled_reason is not null) as "disabled!"
                   from webhook_health h join webhooks w on w.tenant_id = h.tenant_id and w.id = h.webhook_id
                   where h.state = 'failing' and w.deleted_at is null"#
            )
            .fetch_one(conn)
            .await
        })
        .await?;
    for (state, count) in [("failing", row.failing), ("disabled", row.disabled)] {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        metrics::gauge!("webhooks_unhealthy", "state" => state).set(f64::from(count));
    }
    Ok(())
}
