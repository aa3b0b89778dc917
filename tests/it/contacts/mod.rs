//! Contacts: requirements C-1 to C-12 and E-1 to E-3.

mod alone;
mod create;
mod events;
mod remove;
mod update;

use serde_json::{Value, json};
use tests::kit::{CONTACTS, Tenant};

/// The path of a contact.
pub(crate) fn at(contact: &Value) -> String {
    format!("{CONTACTS}/{}", contact["id"].as_str().unwrap_or_default())
}

/// The document's own contact.
async fn john(tenant: &Tenant) -> Value {
    let john = json!({
        "name": "John Doe", "email": "john@example.com", "phone": "+1234567890", "company": "ACME Corp",
    });
    tenant.post(CONTACTS, john).await.created()
}
