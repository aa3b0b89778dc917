//! What has failed is sent again when its webhook has recovered, for those that want it: a replay that the worker
//! begins by itself, in the commit that says so.

use chrono::TimeDelta;
use serde_json::json;
use shared::id::{ReplayId, WebhookId};
use shared::{TenantTx, changes};
use sqlx::Result;

/// Cycles begun in a second, at most.
const MOST: i32 = 100;
/// Failures counted, at most, so that a webhook with more of them recovers, too: of those its redrive has this as its
/// total.
const COUNTED: i64 = 1_000_000;
/// Longer than anybody keeps deliveries: all that is there.
const EVERYTHING: TimeDelta = TimeDelta::days(91);

/// Begins a redrive of so many failures for a webhook that has recovered, if there are any. One that is under way goes
/// on, slowly again, begins from the oldest once more when it is through, and has these failures to send beside what it
/// has begun.
///
/// # Errors
/// The database's.
pub(crate) async fn begin(tx: &mut TenantTx, webhook: WebhookId, total: i64) -> Result<()> {
    if go_on(tx, webhook, total).await? || total == 0 {
        return Ok(());
    }
    let id = ReplayId::fresh(tx.now());
    insert(tx, webhook, id, total).await?;
    let told = json!({"webhookId": webhook, "trigger": "redrive", "total": total});
    changes::logged(tx, ("webhook_replay", id.0), "created", &told)
}

/// Whether there was one.
async fn go_on(tx: &mut TenantTx, webhook: WebhookId, parked: i64) -> Result<bool> {
    let (tenant, now) = (tx.tenant(), tx.now());
    let gone_on = sqlx::query!(
        "update webhook_replays
         set until = $3, total = replayed + $4, again = true, pace = 1, batch = 1, paced_until = $3, updated_at = $3,
             due_at = case when state = 'running' then $3::timestamptz end
         where tenant_id = $1 and webhook_id = $2 and trigger = 'redrive' and state in ('running', 'paused')",
        tenant.0,
        webhook.0,
        now,
        parked,
    );
    Ok(gone_on.execute(tx.conn()).await?.rows_affected() > 0)
}

/// How many failures are parked of a webhook that is recovering, if it wants them sent, up to [`COUNTED`]: all that a
/// redrive will find. To be asked before its health is locked, which recorders wait for; a count of many takes a while.
/// `None` when it is not recovering.
///
/// # Errors
/// The database's.
pub(crate) async fn parked(tx: &mut TenantTx, webhook: WebhookId) -> Result<Option<i64>> {
    let tenant = tx.tenant();
    let parked = sqlx::query_scalar!(
        "select (select count(*) from (
                     select from webhook_events e
                     where w.auto_redrive and e.tenant_id = w.tenant_id and e.webhook_id = w.id and e.status = 'failed'
                       and e.trigger <> 'test' and e.last_error is distinct from 'delivery_abandoned'
                     limit $3) parked)
         from webhook_health h join webhooks w on w.tenant_id = h.tenant_id and w.id = h.webhook_id
         where h.tenant_id = $1 and h.webhook_id = $2 and h.state = 'failing' and h.accepted",
        tenant.0,
        webhook.0,
        COUNTED,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(parked.flatten())
}

async fn insert(tx: &mut TenantTx, webhook: WebhookId, id: ReplayId, total: i64) -> Result<()> {
    let (tenant, now) = (tx.tenant(), tx.now());
    sqlx::query!(
        "insert into webhook_replays (tenant_id, id, webhook_id, trigger, state, since, until, statuses, rate, total, due_at,
                                      created_at, updated_at)
         values ($1, $2, $3, 'redrive', 'running', $4, $5, '{failed}', $6, $7, $5, $5, $5)",
        tenant.0,
        id.0,
        webhook.0,
        now - EVERYTHING,
        now,
        MOST,
        total,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
