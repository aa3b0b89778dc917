//! Listing.

use serde_json::{Value, json};
use tests::kit::{CONTACTS, LEADS, Tenant, TestApp};

use crate::pipelines::{pipeline, stage};

async fn titles(tenant: &Tenant, query: &str) -> Vec<String> {
    let page = tenant.get(&format!("{LEADS}?{query}")).await.page();
    page.each("title").into_iter().map(ToOwned::to_owned).collect()
}

/// Ant (1.5 USD), bee (no value), Cat (100 EUR) and Dog (20 EUR), a minute apart; Cat has an owner, a contact and a
/// stage.
async fn four(app: &TestApp) -> (Tenant, Value, Value) {
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "John"})).await.created();
    let sales = pipeline(&acme, "Sales", &["New", "Won"]).await;
    for lead in [
        json!({"title": "Ant", "status": "new", "value": 1.5}),
        json!({"title": "bee", "status": "lost"}),
        json!({
            "title": "Cat", "status": "new", "value": 100, "currency": "EUR", "owner": acme.owner,
            "contactId": contact["id"], "stageId": stage(&sales, "Won"),
        }),
        json!({"title": "Dog", "status": "qualified", "value": 20, "currency": "EUR"}),
    ] {
        acme.post(LEADS, lead).await.created();
        app.advance(chrono::TimeDelta::minutes(1));
    }
    (acme, contact, sales)
}

#[tokio::test]
async fn leads_are_found_by_what_they_are_and_sorted_by_it() {
    let app = TestApp::start().await;
    let (acme, ..) = four(&app).await;
    for (query, found) in [
        ("", &["Dog", "Cat", "bee", "Ant"][..]),
        ("sort=title", &["Ant", "bee", "Cat", "Dog"]),
        ("sort=value", &["bee", "Ant", "Dog", "Cat"]),
        ("sort=-value", &["Cat", "Dog", "Ant", "bee"]),
        ("status=new", &["Cat", "Ant"]),
        ("status[in]=lost,qualified", &["Dog", "bee"]),
        ("title=BEE", &["bee"]),
        ("currency=EUR", &["Dog", "Cat"]),
        ("createdAt[gte]=2026-01-02T03:06:00Z", &["Dog", "Cat"]),
        ("q=CAT", &["Cat"]),
    ] {
        assert_eq!(titles(&acme, query).await, found, "{query}");
    }
    let answer = acme.get(&format!("{LEADS}?status=won&sort=owner&colour=red")).await;
    answer.invalid(&json!({
        "status": "Must be one of new, contacted, qualified, converted, lost",
        "sort": "Must be one of createdAt, updatedAt, title, value, with or without a leading -",
        "colour": "Unknown parameter",
    }));
}
