//! `GET /api/v1/meta/enums`: what it lists is what is accepted.

use serde_json::{Value, json};
use tests::kit::{ACTIVITIES, COMPANIES, LEADS, TestApp, WEBHOOKS};

const ENUMS: &str = "/api/v1/meta/enums";

fn words(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_word_it_lists_is_accepted_where_it_belongs() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let enums = acme.get(ENUMS).await.ok();
    let industries = words(&enums["industries"]);
    assert!(industries.len() >= 25, "{industries:?}");
    for industry in industries {
        acme.post(COMPANIES, json!({"name": "A", "industry": industry})).await.created();
    }
    let currencies = words(&enums["currencies"]);
    assert!(currencies.len() > 150 && currencies.contains(&"EUR"), "{currencies:?}");
    for currency in currencies {
        acme.put("/api/v1/tenant/settings", json!({"currency": currency})).await.ok();
    }
    for status in words(&enums["leadStatuses"]) {
        acme.post(LEADS, json!({"title": "A", "status": status})).await.created();
    }
    for kind in words(&enums["activityTypes"]) {
        acme.get(&format!("{ACTIVITIES}?type={kind}")).await.page();
    }
    let patterns = words(&enums["webhookPatterns"]);
    assert!(patterns.contains(&"*") && patterns.contains(&"company.*"));
    acme.post(WEBHOOKS, json!({"url": "http://127.0.0.1:9/", "events": patterns})).await.created();
    for role in words(&enums["roles"]) {
        acme.get(&format!("/api/v1/users?role={role}")).await.page();
    }
    assert_eq!(words(&enums["eventTypes"]).len(), shared::event::EventType::ALL.len());
    assert_eq!(words(&enums["scopes"]).len(), shared::scope::Scope::ALL.len());
    let most = &enums["limits"]["maxPageSize"];
    acme.get(&format!("{COMPANIES}?pageSize={most}")).await.page();
    let more = most.as_i64().unwrap() + 1;
    acme.get(&format!("{COMPANIES}?pageSize={more}")).await.problem(400, "VALIDATION_ERROR");
    assert_eq!(enums["limits"]["maxBodyBytes"], api::http::MAX_BODY);
}

#[tokio::test]
async fn it_needs_a_credential_but_no_scope() {
    let app = TestApp::start().await;
    let nobody = app.tenant("acme").await.with_scopes(&[]).await;
    nobody.get(ENUMS).await.ok();
    let stranger = app.request(reqwest::Method::GET, ENUMS);
    tests::kit::Answer::to(stranger).await.problem(401, "UNAUTHORIZED");
}
