//! Test events: an example of an event, sent to one webhook as a real one would be (docs/decisions/0022). It is a
//! delivery without an event behind it, so the tenant's log and its other webhooks know nothing of it.

mod http;
mod input;
mod store;

use serde_json::Value;
use shared::TenantTx;
use shared::event::{self, EventType};
use shared::id::{EventId, TenantId, WebhookId};
use shared::webhook::body::{Body, delivery_id};

use super::Webhook;
use super::deliveries::{self, WebhookEvent};
use crate::changes;
use crate::error::{Error, Result};
use crate::http::openapi;
pub use http::routes;

/// What a test event's deliveries say of themselves, as `X-Webhook-Trigger` too.
const TRIGGER: &str = "test";

/// Sends an example of the event, or of one that the webhook listens for, with the usual attempts. That the webhook was
/// tested is kept in the audit log.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] while the webhook is off.
pub async fn send(
    tx: &mut TenantTx,
    id: WebhookId,
    event: Option<EventType>,
) -> Result<WebhookEvent> {
    let webhook = super::show(tx, id).await?;
    if !webhook.active {
        return Err(Error::Conflict("The webhook is off; set active to true first".into()));
    }
    let event = event.unwrap_or_else(|| first_wanted(&webhook));
    let mut data = example(event, tx.tenant()).to_string();
    if let Some(fields) = &webhook.fields {
        data = store::masked(tx, &data, fields).await?;
    }
    let (now, occurrence) = (tx.now(), EventId::fresh(tx.now()));
    let body = Body {
        id: delivery_id(occurrence, id),
        event: event.as_str(),
        timestamp: now,
        data: &data,
        occurrence,
        sequence: 0,
    };
    store::insert(tx, id, &body).await?;
    changes::noted(tx, &webhook, "tested");
    tx.wake();
    deliveries::find_one(tx, id, body.id).await
}

/// An example of what the event tells of this tenant.
fn example(event: EventType, tenant: TenantId) -> Value {
    let mut data = openapi::sample(event);
    if let Some(own) = data.get_mut("tenantId") {
        *own = tenant.to_string().into();
    }
    data
}

/// The first event that the webhook listens for.
fn first_wanted(webhook: &Webhook) -> EventType {
    let wanted = webhook.events.iter().flat_map(|pattern| event::matching(pattern));
    wanted.min().unwrap_or(EventType::ContactCreated)
}
