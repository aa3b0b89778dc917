//! How a request can be put: once only, only if unchanged, only to try, with some members only.

mod conditional;
mod deprecation;
mod dry_run;
mod fields;
mod once;
mod problem;

use serde_json::{Value, json};
use tests::kit::{CONTACTS, Tenant};

/// A contact, and its path.
async fn contact(tenant: &Tenant) -> (Value, String) {
    let body = json!({"name": "John Doe", "email": "john@example.com"});
    let created = tenant.post(CONTACTS, body).await.created();
    let path = format!("{CONTACTS}/{}", created["id"].as_str().unwrap());
    (created, path)
}
