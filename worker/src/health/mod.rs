//! Changes the state of webhooks: what outcomes have counted (worker/src/record) is judged by `rule`, and a change is
//! one commit with its event and its entry in the audit log. A mark on the row says whom to look at, so that a crash
//! between the outcome and the change loses nothing; the row's lock lets one worker announce it.

mod gauges;
pub(crate) mod rule;
mod store;

use std::time::{Duration, Instant};

use serde_json::json;
use shared::audit::Entry;
use shared::db::Origin;
use shared::db::step::{STEP, in_time};
use shared::id::{TenantId, WebhookId};
use shared::webhook::health::{HealthChange, MOST_COUNTED, State, pending};
use shared::{Db, TenantTx};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::background::{IDLE, Then, Wakeup, work};
use crate::replays::redrive;
use rule::{Change, Health};
use store::Due;

/// How often the gauges are set.
const MEASURED: Duration = Duration::from_secs(30);
/// Webhooks taken at once.
const BATCH: i64 = 100;

/// Changes states until `stop`, whenever it is woken.
pub(crate) async fn run(db: Db, wakeup: Wakeup, stop: CancellationToken) {
    let mut measured = None;
    let round = async move || {
        if measured.is_none_or(|at: Instant| at.elapsed() >= MEASURED) {
            match in_time(STEP, gauges::measure(&db)).await {
                Ok(()) => measured = Some(Instant::now()),
                Err(error) => {
                    tracing::warn!(%error, "webhooks could not be counted by their health");
                }
            }
        }
        // All that there was, so there is nothing more.
        advance(&db).await.map(|_| Then::Rest(IDLE))
    };
    work("judging", wakeup, stop, round).await;
}

/// Changes the states that have to change; says how many did.
///
/// # Errors
/// The database's, after all others were looked at: one webhook in trouble holds up no other.
pub async fn advance(db: &Db) -> sqlx::Result<u64> {
    let mut after = Due { tenant: TenantId(Uuid::nil()), webhook: WebhookId(Uuid::nil()) };
    let (mut changed, mut trouble) = (0, Ok(()));
    loop {
        let rested = db.clock().now() - rule::REST;
        let due = db.direct(async |conn| store::due(conn, after, rested, BATCH).await).await?;
        let Some(last) = due.last() else { return trouble.map(|()| changed) };
        after = *last;
        for due in due {
            match look(db, due).await {
                Ok(change) => changed += u64::from(change.is_some()),
                Err(error) => trouble = Err(error),
            }
        }
    }
}

/// Looks at one webhook; says what changed.
async fn look(db: &Db, due: Due) -> sqlx::Result<Option<Change>> {
    let mut tx = db.tenant(due.tenant, Origin::default()).await?;
    let change = judge(&mut tx, due.webhook).await;
    let change = tx.finish(change).await?;
    if let Some(change) = change {
        let (to, reason) = (change.state().as_str(), change.reason().map(rule::Reason::as_str));
        tracing::info!(tenant_id = %due.tenant, webhook_id = %due.webhook, to, reason, "a webhook's health changed");
        metrics::counter!("webhook_health_changes_total", "to" => to).increment(1);
    }
    Ok(change)
}

async fn judge(tx: &mut TenantTx, webhook: WebhookId) -> sqlx::Result<Option<Change>> {
    let parked = redrive::parked(tx, webhook).await?;
    let Some(health) = store::lock(tx, webhook).await? else { return Ok(None) };
    let change = rule::change(&health);
    match (change, parked) {
        (None, _) => store::dismiss(tx, webhook).await?,
        // It was accepted between the two statements; it stays due.
        (Some(Change::Recovered), None) => return Ok(None),
        (Some(change), parked) => apply(tx, webhook, &health, change, parked).await?,
    }
    Ok(change)
}

/// Writes a change down and announces it, in the transaction that both rows are locked in. Whatever else is to happen
/// with a change belongs here, to be in the same commit.
async fn apply(
    tx: &mut TenantTx,
    webhook: WebhookId,
    health: &Health,
    change: Change,
    parked: Option<i64>,
) -> sqlx::Result<()> {
    let failing_since = health.failing_since.or(health.streak_since);
    let kept = failing_since.filter(|_| change != Change::Recovered);
    store::settle(tx, webhook, change.state(), kept).await?;
    if let Change::Disabled(reason) = change {
        store::switch_off(tx, webhook, reason).await?;
    }
    let tenant = tx.tenant();
    let pending = pending(tx.conn(), tenant, webhook).await?;
    let told = HealthChange {
        id: webhook,
        url: health.url.clone(),
        state: change.state(),
        previous_state: health.state,
        reason: change.reason().map(rule::Reason::as_str),
        failure_streak: health.streak,
        failing_since,
        last_success_at: health.last_success_at,
        last_failure_at: health.last_failure_at,
        last_error: health.last_error.clone(),
        pending: pending.count.min(MOST_COUNTED),
        oldest_pending_at: pending.oldest,
        version: health.version + i32::from(change.reason().is_some()),
    };
    if change == Change::Recovered {
        redrive::begin(tx, webhook, parked.unwrap_or_default()).await?;
    }
    announce(tx, change, &told)
}

fn announce(tx: &mut TenantTx, change: Change, told: &HealthChange) -> sqlx::Result<()> {
    let event = tx.emit(change.event(), told)?;
    let shown = |state: State, reason: Option<&str>| match change {
        Change::Disabled(_) => {
            json!({"health": state, "active": reason.is_none(), "disabledReason": reason})
        }
        Change::Failing | Change::Recovered => json!({"health": state}),
    };
    tx.audit(Entry {
        id: event.0,
        action: change.event().as_str().to_owned(),
        record_type: "webhook",
        record_id: told.id.0,
        before: Some(shown(told.previous_state, None).to_string()),
        after: Some(shown(told.state, told.reason).to_string()),
    });
    Ok(())
}
