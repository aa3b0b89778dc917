//! Leads: requirements L-1 to L-12 and E-7 to E-11.

mod convert;
mod create;
mod lists;
mod moves;
mod remove;
mod told;
mod update;

use serde_json::{Value, json};
use tests::kit::{LEADS, Tenant};

/// The path of a lead.
pub(crate) fn at(lead: &Value) -> String {
    format!("{LEADS}/{}", lead["id"].as_str().unwrap())
}

/// A lead of which nothing is known but what must be.
pub(crate) async fn deal(tenant: &Tenant) -> Value {
    tenant.post(LEADS, json!({"title": "Deal", "status": "new"})).await.created()
}
