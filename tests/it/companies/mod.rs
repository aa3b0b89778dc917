//! Companies: requirements CO-1 to CO-10 and E-4 to E-6, and the contacts that belong to them (requirement C-10).

mod create;
mod events;
mod list;
mod members;
mod remove;
mod update;

use serde_json::{Value, json};
use tests::kit::{COMPANIES, Tenant};

/// The path of a company.
fn at(company: &Value) -> String {
    format!("{COMPANIES}/{}", company["id"].as_str().unwrap_or_default())
}

/// A company with everything.
async fn globex(tenant: &Tenant) -> Value {
    let globex = json!({
        "name": "Globex", "industry": "energy", "website": "https://globex.example", "employees": 250,
    });
    tenant.post(COMPANIES, globex).await.created()
}
