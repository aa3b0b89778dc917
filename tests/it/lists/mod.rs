//! Lists: pages, cursors, filters, sorts, search, expansions, and how the database finds them.

mod cursors;
mod expand;
mod filters;
mod hostile;
mod links;
mod pages;
pub mod plans;
mod search;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, Tenant, TestApp};

/// Ada, Bob and Cy, created in this order, an hour apart.
async fn three(app: &TestApp) -> Tenant {
    let acme = app.tenant("acme").await;
    let contacts = [
        json!({"name": "Bob", "email": "bob@example.com", "company": "Globex", "phone": "+49 30 1234567"}),
        json!({"name": "ada", "email": "Ada@Example.com", "company": "ACME Corp", "phone": "+44 20 7946-0958"}),
        json!({"name": "Cy"}),
    ];
    for contact in contacts {
        acme.post(CONTACTS, contact).await.created();
        app.advance(TimeDelta::hours(1));
    }
    acme
}

/// The names that a query finds.
async fn names(tenant: &Tenant, query: &[(&str, &str)]) -> Vec<String> {
    let page = list(tenant, query).await.page();
    assert_eq!(page.pagination["total"], json!(page.items.len()), "{query:?}");
    page.names().into_iter().map(ToOwned::to_owned).collect()
}

/// Asks for a list, with every parameter properly escaped.
async fn list(tenant: &Tenant, query: &[(&str, &str)]) -> tests::kit::Answer {
    let mut url = url::form_urlencoded::Serializer::new(String::new());
    url.extend_pairs(query);
    tenant.get(&format!("{CONTACTS}?{}", url.finish())).await
}

/// Expects exactly these parameters to be refused, for these reasons.
async fn refused(tenant: &Tenant, query: &[(&str, &str)], details: Value) {
    list(tenant, query).await.invalid(&details);
}

/// Contacts of one instant, faster than the api would make them.
async fn fill(app: &TestApp, tenant: &Tenant, count: u32) {
    app.advance(TimeDelta::seconds(1));
    let (tenant, now) = (tenant.id, shared::clock::rfc3339(app.clock.now()));
    app.database
        .execute(&format!(
            "insert into contacts (tenant_id, id, name, created_at, updated_at)
             select '{tenant}', gen_random_uuid(), 'Contact ' || n, '{now}', '{now}' from generate_series(1, {count}) n"
        ))
        .await;
}
