//! The SQL of test events.

use shared::TenantTx;
use shared::id::WebhookId;
use shared::webhook::body::Body;

use super::TRIGGER;

/// What a webhook's `fields` leave of an event's data, by the function that the relay masks with.
pub(super) async fn masked(
    tx: &mut TenantTx,
    data: &str,
    fields: &[String],
) -> sqlx::Result<String> {
    sqlx::query_scalar!(r#"select masked_payload($1::text::json, $2) as "data!""#, data, fields)
        .fetch_one(tx.conn())
        .await
}

/// A delivery that is due at once.
pub(super) async fn insert(
    tx: &mut TenantTx,
    webhook: WebhookId,
    body: &Body<'_>,
) -> sqlx::Result<()> {
    let (tenant, origin) = (tx.tenant(), tx.origin().clone());
    sqlx::query!(
        "with sent as (
             insert into webhook_events (tenant_id, id, webhook_id, occurrence_id, event, body, trigger, request_id,
                                         traceparent, created_at)
             values ($1, $2, $3, $4, $5, $6::text::json, $7, $8, $9, $10)
             returning tenant_id, id, webhook_id, created_at
         )
         insert into webhook_queue (tenant_id, id, webhook_id, next_retry)
         select tenant_id, id, webhook_id, created_at from sent",
        tenant.0,
        body.id.0,
        webhook.0,
        body.occurrence.0,
        body.event,
        body.render_test(),
        TRIGGER,
        origin.request_id,
        origin.traceparent,
        body.timestamp,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
