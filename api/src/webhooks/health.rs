//! How a webhook is doing: its state, what waits for it, and how attempts went in the last hour and day, from counts
//! that the worker keeps (worker/src/record). Every question reads a bounded number of rows, however much is sent.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use shared::id::WebhookId;
use shared::webhook::code::ErrorCode;
use shared::webhook::health::{MOST_COUNTED, State, pending};
use shared::webhook::histogram::{self, FAILED, RESENT, percentile};
use shared::{TenantTx, clock};
use utoipa::ToSchema;

use super::{Webhook, show};
use crate::error::Result;
use crate::http::Representation;

/// How a webhook is doing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"webhookId": "01a2036c-0d4c-7400-87c8-25f570a5ef40", "health": "failing", "active": true,
    "disabledReason": null, "changedAt": "2026-01-02T03:06:05.702Z", "failureStreak": 7,
    "failingSince": "2026-01-02T03:04:05.678Z", "lastSuccessAt": "2026-01-02T03:04:04.912Z",
    "lastFailureAt": "2026-01-02T03:07:12.340Z", "lastError": "connect_failed",
    "pending": {"count": 12, "countIsEstimate": false, "oldestAt": "2026-01-02T03:04:05.678Z", "oldestAgeSeconds": 194},
    "failed": {"count": 0, "countIsEstimate": false},
    "lastHour": {"from": "2026-01-02T02:00:00.000Z", "attempts": 1007, "accepted": 1000, "failed": 7,
        "successRate": 0.993, "timeToDeliver": {"count": 1000, "p50Ms": 23.0, "p95Ms": 41.0, "p99Ms": 118.99}},
    "last24Hours": {"from": "2026-01-01T03:00:00.000Z", "attempts": 24007, "accepted": 24000, "failed": 7,
        "successRate": 0.9997, "timeToDeliver": {"count": 24000, "p50Ms": 22.0, "p95Ms": 40.0, "p99Ms": 97.5}}}))]
pub struct WebhookHealth {
    /// Whose health it is.
    #[schema(value_type = Uuid)]
    pub webhook_id: WebhookId,
    /// `failing` after five failures in a row over a minute or more, or when a delivery was given up and nothing was
    /// accepted for as long as its attempts took, until one is accepted; `disabled` when it was not the tenant who
    /// switched it off.
    pub health: State,
    /// Whether deliveries are sent.
    pub active: bool,
    /// Why it was switched off, when it was not the tenant who did it.
    #[schema(schema_with = super::disabled_reason_schema)]
    pub disabled_reason: Option<String>,
    /// When its health last changed; `null` when it never did.
    #[schema(required)]
    #[serde(serialize_with = "clock::serialize_option")]
    pub changed_at: Option<DateTime<Utc>>,
    /// Attempts that failed since the last one that was accepted.
    pub failure_streak: i32,
    /// The first of the failures that made it failing; `null` while it is healthy.
    #[schema(required)]
    #[serde(serialize_with = "clock::serialize_option")]
    pub failing_since: Option<DateTime<Utc>>,
    /// When an attempt was last accepted.
    #[schema(required)]
    #[serde(serialize_with = "clock::serialize_option")]
    pub last_success_at: Option<DateTime<Utc>>,
    /// When an attempt last failed.
    #[schema(required)]
    #[serde(serialize_with = "clock::serialize_option")]
    pub last_failure_at: Option<DateTime<Utc>>,
    /// What went wrong then: a stable code, see the webhook guide.
    #[schema(required, value_type = Option<ErrorCode>)]
    pub last_error: Option<String>,
    /// What waits to be sent.
    pub pending: PendingCount,
    /// What has failed and can be sent again.
    pub failed: FailedCount,
    /// How the last hour went.
    pub last_hour: Window,
    /// How the last day went.
    #[serde(rename = "last24Hours")]
    pub last_day: Window,
}

/// Deliveries that wait.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingCount {
    /// How many, counted to 10,000.
    pub count: i64,
    /// Whether there are more than that.
    pub count_is_estimate: bool,
    /// When the change was made that has waited longest.
    #[schema(required)]
    #[serde(serialize_with = "clock::serialize_option")]
    pub oldest_at: Option<DateTime<Utc>>,
    /// How long ago that was.
    #[schema(required)]
    pub oldest_age_seconds: Option<i64>,
}

/// Deliveries that have failed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedCount {
    /// How many, counted to 10,000.
    pub count: i64,
    /// Whether there are more than that.
    pub count_is_estimate: bool,
}

/// How attempts went. What was our own fault is not counted.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Window {
    /// Since when, on a whole ten minutes; until now.
    #[serde(serialize_with = "clock::serialize")]
    pub from: DateTime<Utc>,
    /// Attempts that ended since then.
    pub attempts: i64,
    /// Those that were accepted.
    pub accepted: i64,
    /// Those that failed.
    pub failed: i64,
    /// `accepted` of `attempts`, 0 to 1; `null` without any.
    #[schema(required)]
    pub success_rate: Option<f64>,
    /// From the change to the answer that accepted it; resent events are not counted.
    pub time_to_deliver: Times,
}

/// Percentiles of a time in milliseconds, each within 1 % of the exact one.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// How many deliveries they are of.
    pub count: i64,
    /// Half of them took no longer.
    #[schema(required)]
    pub p50_ms: Option<f64>,
    /// 95 of 100 took no longer.
    #[schema(required)]
    pub p95_ms: Option<f64>,
    /// 99 of 100 took no longer.
    #[schema(required)]
    pub p99_ms: Option<f64>,
}

impl Representation for WebhookHealth {}

/// How the webhook is doing now.
///
/// # Errors
/// [`Error::NotFound`](crate::error::Error::NotFound).
pub async fn of(tx: &mut TenantTx, id: WebhookId) -> Result<WebhookHealth> {
    let webhook = show(tx, id).await?;
    let (tenant, now) = (tx.tenant(), tx.now());
    let counted = find(tx, id).await?;
    let waiting = pending(tx.conn(), tenant, id).await?;
    let failed = failed(tx, id).await?;
    let since = |ago| histogram::slot(now - ago);
    let (hour, day) = (since(TimeDelta::hours(1)), since(TimeDelta::hours(24)));
    let outcomes = outcomes(tx, id, day, hour).await?;
    Ok(WebhookHealth {
        webhook_id: id,
        health: webhook.health,
        active: webhook.active,
        disabled_reason: webhook.disabled_reason,
        changed_at: counted.changed_at,
        failure_streak: webhook.failure_streak,
        failing_since: counted.failing_since,
        last_success_at: webhook.last_success_at,
        last_failure_at: counted.last_failure_at,
        last_error: counted.last_error,
        pending: PendingCount {
            count: waiting.count.min(MOST_COUNTED),
            count_is_estimate: waiting.count > MOST_COUNTED,
            oldest_at: waiting.oldest,
            oldest_age_seconds: waiting.oldest.map(|oldest| (now - oldest).num_seconds()),
        },
        failed: FailedCount {
            count: failed.min(MOST_COUNTED),
            count_is_estimate: failed > MOST_COUNTED,
        },
        last_hour: window(hour, &added(outcomes.iter().filter(|outcome| outcome.recent))),
        last_day: window(day, &added(outcomes.iter())),
    })
}

/// Lets a webhook that is switched on again begin anew: with no failure counted, and failing, when it was not the
/// tenant who had switched it off, until something is accepted.
///
/// # Errors
/// The database's.
pub(super) async fn begin_anew(tx: &mut TenantTx, webhook: &mut Webhook) -> sqlx::Result<()> {
    webhook.failure_streak = 0;
    let state = sqlx::query_scalar!(
        r#"update webhook_health
           set streak = 0, streak_since = null, failed_days = 0, accepted = false, gone = false, given_up = null, due = false
           where webhook_id = $1 returning state as "state: State""#,
        webhook.id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    webhook.health = state.unwrap_or(State::Healthy);
    Ok(())
}

#[derive(Default)]
struct Counted {
    changed_at: Option<DateTime<Utc>>,
    failing_since: Option<DateTime<Utc>>,
    last_failure_at: Option<DateTime<Utc>>,
    last_error: Option<String>,
}

async fn find(tx: &mut TenantTx, id: WebhookId) -> sqlx::Result<Counted> {
    let found = sqlx::query_as!(
        Counted,
        "select changed_at, failing_since, last_failure_at, last_error from webhook_health where webhook_id = $1",
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(found.unwrap_or_default())
}

/// Deliveries that have failed, counted to [`MOST_COUNTED`] and one more.
async fn failed(tx: &mut TenantTx, id: WebhookId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from (
               select from webhook_events
               where webhook_id = $1 and status = 'failed' and trigger <> 'test' limit $2) failed"#,
        id.0,
        MOST_COUNTED + 1,
    )
    .fetch_one(tx.conn())
    .await
}

/// How often something came out.
struct Tally {
    outcome: i32,
    /// Within the shorter window.
    recent: bool,
    count: i64,
}

async fn outcomes(
    tx: &mut TenantTx,
    id: WebhookId,
    since: DateTime<Utc>,
    recent: DateTime<Utc>,
) -> sqlx::Result<Vec<Tally>> {
    sqlx::query_as!(
        Tally,
        r#"select outcome, slot >= $3 as "recent!", sum(count)::bigint as "count!" from webhook_outcomes
           where webhook_id = $1 and slot >= $2 group by 1, 2 order by 1, 2"#,
        id.0,
        since,
        recent,
    )
    .fetch_all(tx.conn())
    .await
}

/// The counts of each outcome, in its order.
fn added<'a>(outcomes: impl Iterator<Item = &'a Tally>) -> Vec<(i32, i64)> {
    outcomes.fold(Vec::new(), |mut added, one| {
        match added.last_mut() {
            Some((outcome, count)) if *outcome == one.outcome => *count += one.count,
            _ => added.push((one.outcome, one.count)),
        }
        added
    })
}

fn window(from: DateTime<Utc>, counts: &[(i32, i64)]) -> Window {
    let of =
        |outcome| counts.iter().filter(|(one, _)| *one == outcome).map(|(_, count)| count).sum();
    let (failed, resent): (i64, i64) = (of(FAILED), of(RESENT));
    let times: Vec<_> = counts.iter().copied().filter(|(outcome, _)| *outcome >= 0).collect();
    let count = times.iter().map(|(_, count)| count).sum();
    let accepted = count + resent;
    let attempts = accepted + failed;
    Window {
        from,
        attempts,
        accepted,
        failed,
        success_rate: (attempts > 0).then(|| rate(accepted, attempts)),
        time_to_deliver: Times {
            count,
            p50_ms: percentile(&times, 50),
            p95_ms: percentile(&times, 95),
            p99_ms: percentile(&times, 99),
        },
    }
}

/// To four decimals.
#[expect(clippy::cast_precision_loss, reason = "attempts of a day are far below 2^52")]
fn rate(part: i64, whole: i64) -> f64 {
    (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0
}
