//! How a webhook is doing: its state, what is told of a change of it, and what waits for it. The worker's record
//! counts (worker/src/record), its health step decides (worker/src/health), the api shows.

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::code::ErrorCode;
use crate::clock;
use crate::id::{TenantId, WebhookId};
use crate::{described_words, stored_words, words};

/// Deliveries are counted to here.
pub const MOST_COUNTED: i64 = 10_000;

words! {
    /// How a webhook is doing.
    pub enum State {
        /// Nothing is known to be wrong.
        Healthy = "healthy",
        /// Attempts have failed in a row, and none was accepted since.
        Failing = "failing",
        /// It was switched off, not by its tenant.
        Disabled = "disabled",
    }
}
stored_words!(State);
described_words!(State as "WebhookHealthState");

/// A webhook's change of state, as `webhook.failing`, `webhook.recovered` and `webhook.disabled` tell it.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookHealthChange)]
#[schema(example = json!({"id": "01a2036c-0d4c-7400-87c8-25f570a5ef40", "url": "https://example.com/webhook",
    "state": "failing", "previousState": "healthy", "reason": null, "failureStreak": 5,
    "failingSince": "2026-01-02T03:04:05.678Z", "lastSuccessAt": "2026-01-02T03:04:04.912Z",
    "lastFailureAt": "2026-01-02T03:06:05.691Z", "lastError": "connect_failed", "pending": 12,
    "oldestPendingAt": "2026-01-02T03:04:05.678Z", "version": 3}))]
pub struct HealthChange {
    /// The webhook whose state it is.
    #[schema(value_type = Uuid)]
    pub id: WebhookId,
    /// Its address.
    pub url: String,
    /// Its state from now on.
    pub state: State,
    /// Its state until now.
    pub previous_state: State,
    /// Why it was switched off: `gone` or `failing`; `null` when it was not.
    #[schema(required)]
    pub reason: Option<&'static str>,
    /// Attempts that failed since the last one that was accepted.
    pub failure_streak: i32,
    /// The first of the failures that made it failing, also when that is over now.
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
    /// What went wrong last: a stable code.
    #[schema(required, value_type = Option<ErrorCode>)]
    pub last_error: Option<String>,
    /// Deliveries that wait, counted to 10,000.
    pub pending: i64,
    /// When the change was made that has waited longest.
    #[schema(required)]
    #[serde(serialize_with = "clock::serialize_option")]
    pub oldest_pending_at: Option<DateTime<Utc>>,
    /// The webhook's: only to be switched off counts.
    pub version: i32,
}

/// What waits for a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Deliveries, counted to [`MOST_COUNTED`] and one more.
    pub count: i64,
    /// When the oldest of their changes was made.
    pub oldest: Option<DateTime<Utc>>,
}

/// Looks what waits for a webhook, in bounded time however much it is.
///
/// # Errors
/// The database's.
pub async fn pending(
    conn: &mut PgConnection,
    tenant: TenantId,
    webhook: WebhookId,
) -> sqlx::Result<Pending> {
    let (tenant, webhook) = (tenant.0, webhook.0);
    sqlx::query_as!(
        Pending,
        r#"select (select count(*) from (
               select from webhook_queue where tenant_id = $1 and webhook_id = $2 limit $3) q) as "count!",
           (select created_at from webhook_events where tenant_id = $1 and id = (
               select id from webhook_queue where tenant_id = $1 and webhook_id = $2 order by id limit 1)) as oldest"#,
        tenant,
        webhook,
        MOST_COUNTED + 1,
    )
    .fetch_one(conn)
    .await
}
