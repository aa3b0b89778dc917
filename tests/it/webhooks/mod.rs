//! Webhooks as a tenant manages them: requirements W-1 to W-12.

mod crud;
mod debug;
mod events;
mod published;
mod reveal;
mod rotate;
mod rules;
mod secret;
mod targets;
mod test_event;

use serde_json::{Value, json};
use tests::kit::{Tenant, WEBHOOKS};

/// The document's own webhook.
async fn sample(tenant: &Tenant) -> Value {
    let sample = json!({"url": "https://example.com/webhook", "events": ["contact.created", "contact.updated"]});
    tenant.post(WEBHOOKS, sample).await.created()
}

/// The path of a webhook.
fn at(webhook: &Value) -> String {
    format!("{WEBHOOKS}/{}", webhook["id"].as_str().unwrap_or_default())
}
