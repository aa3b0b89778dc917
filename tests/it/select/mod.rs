//! What of a tenant's events a webhook gets: filters, masks, and why it came or did not.

mod bad;
mod explain;
mod filters;
mod masks;

use serde_json::{Value, json};
use tests::kit::{Subscriber, Tenant, TestApp};

/// Announces an event with this `data`, given as it is written, as if the tenant had made the change.
async fn tell(app: &TestApp, tenant: &Tenant, event: &str, data: &str) {
    sqlx::query(
        "insert into outbox (tenant_id, event_id, event, payload, occurred_at) values ($1, $2, $3, $4::json, $5)",
    )
    .bind(tenant.id.0)
    .bind(shared::id::fresh(app.clock.now()))
    .bind(event)
    .bind(data)
    .bind(app.clock.now())
    .execute(app.database.admin())
    .await
    .unwrap();
}

/// A webhook for these events that is made so.
async fn subscribed(acme: &Tenant, events: &[&str], change: &Value) -> Subscriber {
    let subscriber = acme.subscribe(events).await;
    acme.put(&subscriber.path(), change.clone()).await.ok();
    subscriber
}

/// The `data` of everything that arrived, as JSON.
fn arrived(subscriber: &Subscriber) -> Vec<Value> {
    subscriber.receiver.calls().iter().map(|call| call.json()["data"].clone()).collect()
}

fn filtered(filter: &Value) -> Value {
    json!({"filter": filter})
}
