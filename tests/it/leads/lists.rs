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
    let (acme, contact, sales) = four(&app).await;
    let text = |id: &Value| id.as_str().unwrap().to_owned();
    let (won, new) = (text(&stage(&sales, "Won")), text(&stage(&sales, "New")));
    for (query, found) in [
        (format!("owner={}", acme.owner), &["Cat"][..]),
        ("owner=null".to_owned(), &["Dog", "bee", "Ant"]),
        (format!("contactId={}", text(&contact["id"])), &["Cat"]),
        ("companyId=null&pageSize=2".to_owned(), &["Dog", "Cat"]),
        (format!("pipelineId={}", text(&sales["id"])), &["Cat"]),
        (format!("stageId[in]={won},{new}"), &["Cat"]),
        (format!("stageId={new}"), &[]),
    ] {
        assert_eq!(titles(&acme, &query).await, found, "{query}");
    }
    for (query, found) in [
        ("", &["Dog", "Cat", "bee", "Ant"][..]),
        ("sort=title", &["Ant", "bee", "Cat", "Dog"]),
        ("sort=value", &["bee", "Ant", "Dog", "Cat"]),
        ("sort=-value", &["Cat", "Dog", "Ant", "bee"]),
        ("value=1.5", &["Ant"]),
        ("value[lt]=100", &["Dog", "Ant"]), // none is not 0
        ("value[gte]=20&sort=value", &["Dog", "Cat"]),
        ("value[in]=100,20.00,7", &["Dog", "Cat"]),
        ("status=new", &["Cat", "Ant"]),
        ("status[in]=lost,qualified", &["Dog", "bee"]),
        ("title=BEE", &["bee"]),
        ("currency=EUR", &["Dog", "Cat"]),
        ("createdAt[gte]=2026-01-02T03:06:00Z", &["Dog", "Cat"]),
        ("q=CAT", &["Cat"]),
    ] {
        assert_eq!(titles(&acme, query).await, found, "{query}");
    }
    let answer =
        acme.get(&format!("{LEADS}?status=won&sort=owner&colour=red&value[gt]=1.005")).await;
    answer.invalid(&json!({
        "value[gt]": "Must be a number with at most 2 digits behind the point",
        "status": "Must be one of new, contacted, qualified, converted, lost",
        "sort": "Must be one of createdAt, updatedAt, title, value, with or without a leading -",
        "colour": "Unknown parameter",
    }));
}

#[tokio::test]
async fn a_list_by_value_goes_on_behind_leads_without_one() {
    let app = TestApp::start().await;
    let (acme, ..) = four(&app).await;
    let mut seen = Vec::new();
    let mut next = "sort=-value&pageSize=1".to_owned();
    loop {
        let page = acme.get(&format!("{LEADS}?{next}")).await.page();
        seen.extend(page.each("title").into_iter().map(ToOwned::to_owned));
        let Some(cursor) = page.pagination["nextCursor"].as_str() else { break };
        next = format!("cursor={cursor}&pageSize=1");
    }
    assert_eq!(seen, ["Cat", "Dog", "Ant", "bee"]);
}

#[tokio::test]
async fn what_a_lead_refers_to_can_be_seen_beside_it() {
    let app = TestApp::start().await;
    let (acme, contact, sales) = four(&app).await;
    let all = "expand=owner,contact,company,pipeline,stage";
    let cat = acme.get(&format!("{LEADS}?title=cat&{all}")).await.page().items.remove(0);
    assert_eq!(cat["ownerRecord"]["id"], json!(acme.owner));
    assert_eq!(cat["contactRecord"], contact);
    assert_eq!(cat["companyRecord"], Value::Null);
    assert_eq!(cat["pipelineRecord"], sales);
    assert_eq!(cat["stageRecord"], sales["stages"][1]);
    assert_eq!(acme.get(&format!("{}?{all}", super::at(&cat))).await.ok(), cat);
    let off = format!("update users set active = false where id = '{}'", acme.owner);
    app.database.execute(&off).await;
    let of_owner = acme.get(&format!("{}?expand=owner", super::at(&cat))).await.ok();
    assert_eq!(of_owner["ownerRecord"]["active"], false, "switched off, and still to be seen");
    acme.delete(&format!("{CONTACTS}/{}", contact["id"].as_str().unwrap())).await.no_content();
    let cat = acme.get(&format!("{}?{all}", super::at(&cat))).await.ok();
    assert_eq!((&cat["contactId"], &cat["contactRecord"]), (&contact["id"], &Value::Null));
}
