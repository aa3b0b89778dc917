//! The SQL of webhooks' states. Rows are locked in one order, here and in the api: the webhook, then its health.

use chrono::{DateTime, Utc};
use shared::TenantTx;
use shared::id::{TenantId, WebhookId};
use shared::webhook::health::State;
use sqlx::PgConnection;

use super::rule::{Health, REST, Reason};

/// A webhook whose state may have to change.
#[derive(Clone, Copy)]
pub(super) struct Due {
    pub tenant: TenantId,
    pub webhook: WebhookId,
}

/// The next of them, in the order of their ids. One that has become healthy behind `rested` is left until its rest is
/// over.
pub(super) async fn due(
    conn: &mut PgConnection,
    after: Due,
    rested: DateTime<Utc>,
    most: i64,
) -> sqlx::Result<Vec<Due>> {
    sqlx::query_as!(
        Due,
        r#"select tenant_id as "tenant: TenantId", webhook_id as "webhook: WebhookId" from webhook_health
           where due and (tenant_id, webhook_id) > ($1, $2)
             and (state = 'failing' or gone or changed_at is null or changed_at <= $4) order by tenant_id, webhook_id limit $3"#,
        after.tenant.0,
        after.webhook.0,
        most,
        rested,
    )
    .fetch_all(conn)
    .await
}

/// Locks a webhook and its health, unless another worker has looked at it meanwhile.
pub(super) async fn lock(tx: &mut TenantTx, webhook: WebhookId) -> sqlx::Result<Option<Health>> {
    sqlx::query_as!(
        Health,
        r#"select w.url, w.version, w.active and w.deleted_at is null as "active!", h.state as "state: State", h.streak,
                  h.streak_since, h.failed_days, h.failing_since, h.last_success_at, h.last_failure_at, h.last_error,
                  h.accepted, h.gone, h.given_up
           from webhooks w join webhook_health h on h.tenant_id = w.tenant_id and h.webhook_id = w.id
           where w.tenant_id = $1 and w.id = $2 and h.due
             and (h.state = 'failing' or h.gone or h.changed_at is null or h.changed_at <= $3)
           for no key update of w, h"#,
        tx.tenant().0,
        webhook.0,
        tx.now() - REST,
    )
    .fetch_optional(tx.conn())
    .await
}

/// Nothing is to be changed.
pub(super) async fn dismiss(tx: &mut TenantTx, webhook: WebhookId) -> sqlx::Result<()> {
    sqlx::query!(
        "update webhook_health set due = false, gone = false where tenant_id = $1 and webhook_id = $2",
        tx.tenant().0,
        webhook.0,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes the state that it has from now on: one that was switched off stays failing, to prove itself when it is on
/// again.
pub(super) async fn settle(
    tx: &mut TenantTx,
    webhook: WebhookId,
    state: State,
    failing_since: Option<DateTime<Utc>>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update webhook_health
         set state = $3, failing_since = $4, changed_at = $5, accepted = false, gone = false,
             -- What has failed since the acceptance is to be looked at when the rest is over.
             due = $3 = 'healthy' and streak > 0
         where tenant_id = $1 and webhook_id = $2",
        tx.tenant().0,
        webhook.0,
        if state == State::Healthy { State::Healthy } else { State::Failing } as State,
        failing_since,
        tx.now(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Switches the webhook off; what is pending for it is held.
pub(super) async fn switch_off(
    tx: &mut TenantTx,
    webhook: WebhookId,
    reason: Reason,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update webhooks set active = false, disabled_reason = $3, version = version + 1,
                             updated_at = greatest(updated_at, $4)
         where tenant_id = $1 and id = $2",
        tx.tenant().0,
        webhook.0,
        reason.as_str(),
        tx.now(),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
