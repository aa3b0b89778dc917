//! What an attempt tells: named faults, phases, headers, what follows.

mod again;
mod catalogue;
mod detail;
mod faults;

use serde_json::Value;
use tests::kit::{Tenant, WEBHOOKS};

/// The last attempt of a webhook's only delivery, in full, with the delivery's status.
pub async fn last_attempt(tenant: &Tenant, webhook: &str) -> (String, Value) {
    let delivery = tenant.only_delivery(webhook).await;
    let attempt = delivery["attemptLog"].as_array().unwrap().last().expect("an attempt");
    let (event, id) = (delivery["id"].as_str().unwrap(), attempt["id"].as_str().unwrap());
    let path = format!("{WEBHOOKS}/{webhook}/events/{event}/attempts/{id}");
    (delivery["status"].as_str().unwrap().to_owned(), tenant.get(&path).await.ok())
}
