//! What became of each event at one webhook: the `WebhookEvent` of requirement W-9, with every attempt.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use shared::id::{DeliveryId, EventId, TenantId, WebhookId};
use shared::scope::Scope;
use shared::webhook::code::ErrorCode;
use shared::webhook::delivery::{DeliveryStatus, Trigger};
use shared::{TenantTx, clock};
use sqlx::types::Json;
use utoipa::ToSchema;
use utoipa::openapi::Object;
use uuid::Uuid;

use super::attempts::{self, Attempt};
use super::holds::Holds;
use super::{show, words_or_null};
use crate::changes::{self, Tracked};
use crate::error::{Error, Result};
use crate::http::doc::SchemaOf;
use crate::http::expand::Expansion;
use crate::http::{Listed, Representation, Resource, doc};
use crate::list::{Column, Kind, List, ListQuery, Source};

/// An event on its way to a webhook.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"event": "contact.created", "payload": {"name": "John Doe"}, "status": "delivered",
    "attempts": 1, "cycle": 1, "trigger": "automatic", "lastStatusCode": 200, "attemptLog": [
        {"id": "01a2036d-de90-7f80-adb3-9b61f9f3842d", "cycle": 1, "attempt": 1, "trigger": "automatic", "startedAt": "2026-01-02T03:04:05.678Z", "latencyMs": 42,
            "firstByteMs": 40, "statusCode": 200, "errorCode": null, "error": null, "excerpt": "ok"}]}))]
pub struct WebhookEvent {
    /// The same on every attempt and resend; receivers see it as `webhook-id`.
    #[schema(value_type = Uuid)]
    pub id: DeliveryId,
    /// The tenant it belongs to.
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    /// Where it goes.
    #[schema(value_type = Uuid)]
    pub webhook_id: WebhookId,
    /// The change, the same for every webhook that hears of it.
    #[schema(value_type = Uuid)]
    pub occurrence_id: EventId,
    /// The change's number in the tenant's log; `null` for those from before there was one.
    pub sequence: Option<i64>,
    /// The event's name.
    pub event: String,
    /// The `data` of the body that is sent.
    #[schema(value_type = Object)]
    pub payload: Json<Box<RawValue>>,
    /// Why it came; `null` of deliveries from before that was kept.
    #[schema(value_type = Option<Why>)]
    pub why: Option<Json<Why>>,
    /// What became of it.
    #[schema(schema_with = status_schema)]
    pub status: DeliveryStatus,
    /// Why it was skipped.
    #[schema(schema_with = skip_reason_schema)]
    pub skip_reason: Option<String>,
    /// Requests made in this cycle: at most 5, unless the operator has set another schedule.
    pub attempts: i32,
    /// 1, and one more for each time that it was sent again.
    pub cycle: i32,
    /// Why it is sent.
    #[schema(schema_with = trigger_schema)]
    pub trigger: Trigger,
    /// When the next attempt is due; `null` once final, while one is under way, and while held without an end that is
    /// known.
    #[serde(serialize_with = "clock::serialize_option")]
    pub next_retry: Option<DateTime<Utc>>,
    /// Why it waits although it may be due.
    #[schema(schema_with = held_reason_schema)]
    pub held_reason: Option<String>,
    /// The status of the last answer.
    pub last_status_code: Option<i32>,
    /// What went wrong last: a stable code.
    #[schema(value_type = Option<ErrorCode>)]
    pub last_error: Option<String>,
    /// When the change was made.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When the receiver accepted it.
    #[serde(serialize_with = "clock::serialize_option")]
    pub delivered_at: Option<DateTime<Utc>>,
    #[serde(skip)]
    #[schema(ignore)]
    #[sqlx(flatten)]
    holds: Holds,
    /// The attempts of all cycles, oldest first: the newest hundred, in lists the newest ten.
    #[sqlx(skip)]
    pub attempt_log: Vec<Attempt>,
}

/// What of the webhook let the event through when it was relayed; the webhook may be another one by now.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WebhookEventWhy)]
pub struct Why {
    /// Which of its `events` named the event.
    pub pattern: String,
    /// `true` when its filter passed the event, `null` when it had none.
    pub filter_passed: Option<bool>,
}

fn status_schema() -> Object {
    doc::words(
        "What became of it; `skipped`: not sent, because the webhook was off.",
        DeliveryStatus::NAMES,
    )
}

fn skip_reason_schema() -> Object {
    let what = "Why it was skipped; `webhook_disabled`: it was not the tenant who had switched the webhook off.";
    words_or_null(what, &["webhook_inactive", "webhook_disabled"])
}

pub(super) fn trigger_schema() -> Object {
    let what = "Why it is sent; `manual` is a resend, `replay` a bulk one, `redrive` one after a recovery, `test` a test event.";
    doc::words(what, Trigger::NAMES)
}

/// The same of a delivery that there may not be.
pub(crate) fn standing_schema() -> Object {
    words_or_null("How the delivery stands; `null` when there is none.", DeliveryStatus::NAMES)
}

pub(crate) fn held_reason_schema() -> Object {
    let what = "Why it waits although it may be due. `webhook_disabled`: it was not the tenant who had switched the webhook off; \
                `record_order`: behind another delivery of its record; `retry_after`: the receiver asked for time; `rate_limit`: \
                the webhook's own.";
    let reasons =
        ["webhook_inactive", "webhook_disabled", "record_order", "retry_after", "rate_limit"];
    words_or_null(what, &reasons)
}

impl WebhookEvent {
    fn hold(&mut self, now: DateTime<Utc>) {
        self.holds.apply(now, &mut self.next_retry, &mut self.held_reason);
    }
}

impl Representation for WebhookEvent {}

impl Tracked for WebhookEvent {
    const TYPE: &'static str = "webhook_event";

    fn id(&self) -> Uuid {
        self.id.0
    }
}

impl Resource for DeliveryId {
    const NAME: &'static str = "Webhook event";
}

/// What lists of a webhook's events can be asked.
pub static LIST: List = List {
    columns: &[
        Column { name: "status", sql: "status", kind: Kind::OneOf(DeliveryStatus::NAMES) },
        Column { name: "event", sql: "event", kind: Kind::Event },
        Column { name: "createdAt", sql: "created_at", kind: Kind::Time },
    ],
    sorts: &[("createdAt", "created_at")],
    default_sort: "-createdAt",
    search: None,
    expansions: &[Expansion {
        name: "webhook",
        member: "webhookId",
        schema: SchemaOf::of::<super::Webhook>(),
        scope: Scope::WebhooksRead,
        load: |tx, ids| Box::pin(super::referred(tx, ids)),
    }],
};

/// Columns of [`WebhookEvent`]. A lease is a due time in the future: no business of the tenant's.
const COLUMNS: &str = "id, tenant_id, webhook_id, occurrence_id, sequence, event, body->'data' as payload,
    case when pattern is not null then json_build_object('pattern', pattern, 'filterPassed', filter_passed) end as why,
    status, skip_reason,
    attempts, cycle, trigger, case when lease_id is null and held_reason is null then off_shelf(next_retry) end as next_retry, held_reason,
    last_status_code, last_error, created_at, delivered_at, held_until, paced_until";

const TABLE: &str = "(select e.*, q.next_retry, q.lease_id, w.held_until,
        opens_at(w.rate_limit, w.paced_until) as paced_until,
        held_reason(e.status, w.active, w.disabled_reason, q.next_retry) as held_reason
    from webhook_events e join webhooks w on w.tenant_id = e.tenant_id and w.id = e.webhook_id
    left join webhook_queue q on q.tenant_id = e.tenant_id and q.webhook_id = e.webhook_id and q.id = e.id) as events";

fn source(webhook: WebhookId) -> Source {
    Source {
        columns: COLUMNS,
        table: TABLE,
        condition: "true",
        inside: Some(("webhook_id", webhook.0)),
    }
}

/// One page of a webhook's events, newest first.
///
/// # Errors
/// [`Error::NotFound`] without such a webhook.
pub async fn list(
    tx: &mut TenantTx,
    webhook: WebhookId,
    query: &ListQuery,
) -> Result<Listed<WebhookEvent>> {
    show(tx, webhook).await?;
    let mut page: Listed<WebhookEvent> = query.fetch(tx, &source(webhook)).await?;
    let mut log = attempts::log(tx, &ids(&page.items), attempts::LISTED, None).await?;
    for event in &mut page.items {
        event.hold(tx.now());
        event.attempt_log =
            log.extract_if(.., |attempt| attempt.delivery_id == event.id.0).collect();
    }
    Ok(page)
}

fn ids(events: &[WebhookEvent]) -> Vec<Uuid> {
    events.iter().map(|event| event.id.0).collect()
}

/// One event of a webhook.
///
/// # Errors
/// [`Error::NotFound`] without such a webhook or event.
pub async fn find_one(
    tx: &mut TenantTx,
    webhook: WebhookId,
    id: DeliveryId,
) -> Result<WebhookEvent> {
    show(tx, webhook).await?;
    let mut event = find(tx, webhook, id).await?.ok_or_else(DeliveryId::not_found)?;
    event.attempt_log = attempts::log(tx, &[event.id.0], attempts::SHOWN, None).await?;
    Ok(event)
}

/// Begins a new cycle of attempts for a delivery that has ended, with the same id and bytes.
///
/// # Errors
/// [`Error::NotFound`], or [`Error::Conflict`] while it is still pending.
pub async fn resend(tx: &mut TenantTx, webhook: WebhookId, id: DeliveryId) -> Result<WebhookEvent> {
    show(tx, webhook).await?;
    let now = tx.now();
    let begun = sqlx::query!(
        "with begun as (
             update webhook_events
             set status = 'pending', skip_reason = null, attempts = 0, cycle = cycle + 1, delivered_at = null,
                 trigger = case trigger when 'test' then 'test' else 'manual' end
             where id = $1 and webhook_id = $2 and status <> 'pending'
             returning tenant_id, id, webhook_id
         )
         insert into webhook_queue (tenant_id, id, webhook_id, next_retry)
         select tenant_id, id, webhook_id, $3 from begun",
        id.0,
        webhook.0,
        now,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    let mut event = find(tx, webhook, id).await?.ok_or_else(DeliveryId::not_found)?;
    if begun == 0 {
        return Err(Error::Conflict(
            "The event is still pending; it is sent again when it has ended".into(),
        ));
    }
    event.attempt_log = attempts::log(tx, &[event.id.0], attempts::SHOWN, None).await?;
    changes::noted(tx, &event, "resent");
    tx.wake();
    Ok(event)
}

async fn find(
    tx: &mut TenantTx,
    webhook: WebhookId,
    id: DeliveryId,
) -> sqlx::Result<Option<WebhookEvent>> {
    let mut query = sqlx::QueryBuilder::new("select ");
    query.push(COLUMNS).push(" from ").push(TABLE).push(" where id = ").push_bind(id.0);
    query.push(" and webhook_id = ").push_bind(webhook.0);
    let mut event: Option<WebhookEvent> = query.build_query_as().fetch_optional(tx.conn()).await?;
    if let Some(event) = &mut event {
        event.hold(tx.now());
    }
    Ok(event)
}
