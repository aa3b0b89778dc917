//! Imports of contacts (requirement C-6).

mod apply;
mod broken;
mod crash;
mod formats;
mod heard;
mod large;
mod limits;
mod undo;
mod waiting;
mod whole;

use reqwest::Method;
use serde_json::{Value, json};
use tests::kit::{Answer, CONTACTS, Tenant};

/// Where imports live.
pub const IMPORTS: &str = "/api/v1/connection/contacts/imports";

/// Sends a file of any type.
async fn send(
    tenant: &Tenant,
    query: &str,
    media_type: &str,
    body: impl Into<reqwest::Body>,
) -> Answer {
    let path = format!("{CONTACTS}/import{query}");
    let request = tenant.request(Method::POST, &path).header("content-type", media_type);
    Answer::to(request.body(body)).await
}

/// Sends contacts as JSON.
pub async fn import(tenant: &Tenant, query: &str, contacts: Value) -> Answer {
    tenant.post(&format!("{CONTACTS}/import{query}"), json!({"contacts": contacts})).await
}

/// Sends CSV.
async fn csv(tenant: &Tenant, query: &str, text: &str) -> Answer {
    send(tenant, query, "text/csv", text.to_owned()).await
}

/// So many contacts, each with an address of its own.
pub fn people(count: usize) -> Value {
    (0..count)
        .map(|n| json!({"name": format!("Person {n}"), "email": format!("p{n}@example.com")}))
        .collect()
}

/// An import's path.
fn at(import: &Value) -> String {
    format!("{IMPORTS}/{}", import["id"].as_str().unwrap())
}

/// The counters: created, updated, skipped, failed.
fn counts(import: &Value) -> [i64; 4] {
    ["created", "updated", "skipped", "failed"].map(|name| import[name].as_i64().unwrap())
}

/// How many contacts there are.
async fn total(tenant: &Tenant) -> i64 {
    tenant.get(CONTACTS).await.page().pagination["total"].as_i64().unwrap()
}

/// The one contact with this name.
async fn named(tenant: &Tenant, name: &str) -> Value {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let query = query.append_pair("name", name).finish();
    let mut page = tenant.get(&format!("{CONTACTS}?{query}")).await.page();
    assert_eq!(page.items.len(), 1, "{name}: {:#?}", page.items);
    page.items.remove(0)
}
