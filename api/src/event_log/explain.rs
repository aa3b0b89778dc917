//! Why an event went to some webhooks and not to others: what the relay decided when it took the event, not what it
//! would decide by the webhooks as they are now.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::id::EventId;
use shared::webhook::code::ErrorCode;
use shared::{TenantTx, clock, described_words, stored_words, words};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{show, store};
use crate::error::Result;
use crate::http::Representation;
use crate::webhooks::deliveries::{held_reason_schema, standing_schema};
use crate::webhooks::holds::Holds;

/// Webhooks that one answer tells of.
const MOST: usize = 200;

/// What became of an event at each webhook, and why.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"event": "lead.updated", "sequence": 42, "webhooks": [
    {"webhookId": "01a2036c-0d4c-7400-87c8-25f570a5ef22", "url": "https://example.com/webhook", "deleted": false,
     "outcome": "not_matched", "reason": "filtered", "pattern": null, "deliveryId": null, "status": null,
     "attempts": null, "nextRetry": null, "heldReason": null, "lastError": null}], "hasMore": false}))]
pub struct Explanation {
    /// The event.
    #[schema(value_type = Uuid)]
    pub id: EventId,
    /// Its name.
    pub event: String,
    /// Its number.
    pub sequence: i64,
    /// The tenant's webhooks, those first that it went to, at most 200.
    pub webhooks: Vec<Verdict>,
    /// Whether there are more than these.
    pub has_more: bool,
}

impl Representation for Explanation {}

/// What became of an event at one webhook.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The webhook.
    pub webhook_id: Uuid,
    /// Its address, as it is now.
    pub url: String,
    /// Whether it is deleted by now.
    pub deleted: bool,
    /// What the relay did.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// Which of its `events` named the event.
    pub pattern: Option<String>,
    /// The delivery, if there is one.
    pub delivery_id: Option<Uuid>,
    /// How the delivery stands; `null` when there is none.
    #[schema(schema_with = standing_schema)]
    pub status: Option<String>,
    /// Its attempts in this cycle.
    pub attempts: Option<i32>,
    /// When its next attempt is due.
    #[serde(serialize_with = "clock::serialize_option")]
    pub next_retry: Option<DateTime<Utc>>,
    /// Why it waits although it may be due.
    #[schema(schema_with = held_reason_schema)]
    pub held_reason: Option<String>,
    /// What went wrong with it last.
    #[schema(value_type = Option<ErrorCode>)]
    pub last_error: Option<String>,
}

/// What the relay did with an event for a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = WebhookOutcome)]
pub enum Outcome {
    /// There is a delivery to be made, or that was made.
    Matched,
    /// There is a delivery that is not made, because the webhook was off.
    Skipped,
    /// The webhook was there and did not want the event.
    NotMatched,
    /// The webhook was not there, or nobody knows any more.
    NotConsidered,
}

words! {
    /// Why.
    // In the order of docs/webhooks.md, which explains each; a test holds the two together.
    pub enum Reason {
        /// Its `events` named the event, and it had no filter.
        EventWanted = "event_wanted",
        /// Its `events` named the event, and its filter passed it.
        FilterPassed = "filter_passed",
        /// It was switched off by the tenant.
        WebhookInactive = "webhook_inactive",
        /// It was switched off by something else.
        WebhookDisabled = "webhook_disabled",
        /// None of its `events` named the event.
        EventNotWanted = "event_not_wanted",
        /// The event tells of its own health.
        ItsOwnHealth = "its_own_health",
        /// Its filter did not pass the event.
        Filtered = "filtered",
        /// It was created after the event was relayed.
        WebhookCreatedLater = "webhook_created_later",
        /// It was deleted before the event was relayed.
        WebhookDeleted = "webhook_deleted",
        /// The event is from before this was kept, or there were too many webhooks.
        NotRecorded = "not_recorded",
    }
}
stored_words!(Reason);
described_words!(Reason as "WebhookReason");

/// A webhook beside an event, as they are stored.
pub(super) struct Considered {
    pub webhook_id: Uuid,
    pub url: String,
    pub deleted: bool,
    /// Why there is no delivery, if there is none.
    pub absence: Reason,
    pub delivery_id: Option<Uuid>,
    pub pattern: Option<String>,
    pub filter_passed: Option<bool>,
    pub status: Option<String>,
    pub skip_reason: Option<String>,
    pub attempts: Option<i32>,
    pub last_error: Option<String>,
    pub held_reason: Option<String>,
    pub next_retry: Option<DateTime<Utc>>,
    pub held_until: Option<DateTime<Utc>>,
    pub paced_until: Option<DateTime<Utc>>,
}

impl Considered {
    fn verdict(&self) -> (Outcome, Reason) {
        if self.delivery_id.is_some() {
            return match self.skip_reason.as_deref() {
                Some("webhook_inactive") => (Outcome::Skipped, Reason::WebhookInactive),
                Some(_) => (Outcome::Skipped, Reason::WebhookDisabled),
                None if self.pattern.is_none() => (Outcome::Matched, Reason::NotRecorded),
                None if self.filter_passed.is_some() => (Outcome::Matched, Reason::FilterPassed),
                None => (Outcome::Matched, Reason::EventWanted),
            };
        }
        let there = matches!(
            self.absence,
            Reason::EventNotWanted | Reason::ItsOwnHealth | Reason::Filtered
        );
        (if there { Outcome::NotMatched } else { Outcome::NotConsidered }, self.absence)
    }
}

impl Verdict {
    fn of(mut one: Considered, now: DateTime<Utc>) -> Self {
        let (outcome, reason) = one.verdict();
        let holds = Holds { held_until: one.held_until, paced_until: one.paced_until };
        holds.apply(now, &mut one.next_retry, &mut one.held_reason);
        Self {
            webhook_id: one.webhook_id,
            url: one.url,
            deleted: one.deleted,
            outcome,
            reason,
            pattern: one.pattern,
            delivery_id: one.delivery_id,
            status: one.status,
            attempts: one.attempts,
            next_retry: one.next_retry,
            held_reason: one.held_reason,
            last_error: one.last_error,
        }
    }
}

/// What became of the event at each of the tenant's webhooks.
///
/// # Errors
/// [`Error::NotFound`](crate::error::Error::NotFound).
pub async fn explain(tx: &mut TenantTx, id: EventId) -> Result<Explanation> {
    let event = show(tx, id).await?;
    let limit = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let mut webhooks = store::considered(tx, id, limit).await?;
    let has_more = webhooks.len() > MOST;
    webhooks.truncate(MOST);
    let webhooks = webhooks.into_iter().map(|one| Verdict::of(one, tx.now())).collect();
    Ok(Explanation { id, event: event.event, sequence: event.sequence, webhooks, has_more })
}
