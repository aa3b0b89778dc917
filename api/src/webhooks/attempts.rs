//! The requests of deliveries: in short in each delivery's log, in full one by one.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::id::{AttemptId, DeliveryId, WebhookId};
use shared::webhook::attempt::AttemptDetail;
use shared::webhook::code::ErrorCode;
use shared::webhook::delivery::Trigger;
use shared::{TenantTx, clock};
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::deliveries::trigger_schema;
use crate::error::Result;
use crate::http::{Representation, Resource};

/// One request of a delivery.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    #[serde(skip)]
    pub(super) delivery_id: Uuid,
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: AttemptId,
    /// The cycle it belongs to.
    pub cycle: i32,
    /// From 1 within its cycle, as `X-Webhook-Attempt` said.
    pub attempt: i32,
    /// Why the cycle was begun.
    #[schema(schema_with = trigger_schema)]
    pub trigger: Trigger,
    /// When the request began.
    #[serde(serialize_with = "clock::serialize")]
    pub started_at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    pub latency_ms: i32,
    /// How long the answer took to begin, in milliseconds.
    pub first_byte_ms: Option<i32>,
    /// The status of the answer.
    pub status_code: Option<i32>,
    /// What went wrong: a stable code, see the webhook guide.
    #[schema(value_type = Option<ErrorCode>)]
    pub error_code: Option<String>,
    /// What went wrong, for people.
    pub error: Option<String>,
    /// The first bytes of the answer, at most 1,024; control characters but tabs and line ends are replaced.
    pub excerpt: Option<String>,
}

/// A request with everything that its owner needs to find a fault.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"id": "01a2036d-de90-7f80-adb3-9b61f9f3842d", "cycle": 1, "attempt": 1, "trigger": "automatic",
    "startedAt": "2026-01-02T03:04:05.678Z", "latencyMs": 42, "firstByteMs": 40, "statusCode": 503,
    "errorCode": "http_status", "error": "The receiver answered 503 Service Unavailable", "excerpt": "try later",
    "phase": "response", "warning": null, "sentAgain": 0,
    "timings": {"dns": 1.204, "connect": 9.871, "tls": 18.44, "request": 0.052, "firstByte": 10.433, "body": 0.31},
    "connection": {"address": "192.0.2.7:443", "reused": false, "proxied": false, "made": true, "httpVersion": "HTTP/1.1",
        "tlsVersion": "TLSv1.3", "tlsCipher": "TLS13_AES_256_GCM_SHA384"},
    "requestHeaders": {"webhook-id": "01a2036d-dd90-8f80-adb3-9b61f9f3842d", "webhook-signature": "v1,…"},
    "responseHeaders": {"retry-after": "300"}, "next": {"at": "2026-01-02T03:09:05.720Z", "why": "retry_after"}}))]
pub struct FullAttempt {
    /// What the log shows of it.
    #[serde(flatten)]
    pub attempt: Attempt,
    /// Everything else; absent for attempts of before it was kept.
    #[serde(flatten)]
    #[schema(value_type = AttemptDetail)]
    pub detail: Option<AttemptDetail>,
}

impl Representation for FullAttempt {}

impl Resource for AttemptId {
    const NAME: &'static str = "Attempt";
}

/// Attempts that a delivery shows: its newest, twenty cycles of five.
pub(super) const SHOWN: i64 = 100;

/// Attempts that each delivery of a list shows: of a hundred deliveries with a kibibyte each, they stay below some 2
/// MiB.
pub(super) const LISTED: i64 = 10;

/// The newest requests of these deliveries, `most` of each, oldest first; or `only` one.
pub(super) async fn log(
    tx: &mut TenantTx,
    deliveries: &[Uuid],
    most: i64,
    only: Option<AttemptId>,
) -> sqlx::Result<Vec<Attempt>> {
    sqlx::query_as!(
        Attempt,
        r#"select a.delivery_id, a.id as "id: AttemptId", a.cycle, a.attempt, a.trigger as "trigger: Trigger", a.started_at, a.latency_ms,
                  a.first_byte_ms, a.status_code, a.error_code, a.error, a.excerpt
           from unnest($1::uuid[]) d (id) cross join lateral (
               select * from webhook_attempts where delivery_id = d.id and ($3::uuid is null or id = $3)
               order by id desc limit $2) a
           order by a.started_at, a.id"#,
        deliveries,
        most,
        only.map(|id| id.0),
    )
    .fetch_all(tx.conn())
    .await
}

/// One request in full.
///
/// # Errors
/// [`Error::NotFound`](crate::error::Error::NotFound) without such a webhook, event or attempt.
pub async fn find_one(
    tx: &mut TenantTx,
    webhook: WebhookId,
    delivery: DeliveryId,
    id: AttemptId,
) -> Result<FullAttempt> {
    super::deliveries::find_one(tx, webhook, delivery).await?;
    let found = log(tx, &[delivery.0], 1, Some(id)).await?.pop();
    let attempt = found.ok_or_else(AttemptId::not_found)?;
    let detail = sqlx::query_scalar!(
        r#"select detail as "detail: Json<AttemptDetail>" from webhook_attempts where delivery_id = $1 and id = $2"#,
        delivery.0,
        id.0,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(FullAttempt { attempt, detail: detail.flatten().map(|Json(detail)| detail) })
}
