//! What a tenant's settings forbid.

use std::net::IpAddr;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tests::kit::{Answer, Tenant, TestApp};

use super::{Desktop, PATH, decide, phone};

const SETTINGS: &str = "/api/v1/tenant/settings";

async fn settle(tenant: &Tenant, change: Value) {
    tenant.call(Method::PUT, SETTINGS, Some(change)).await.ok();
}

fn forbidden(answer: Answer) {
    answer.problem(403, "FORBIDDEN");
}

#[tokio::test]
async fn a_tenant_can_forbid_signing_in_by_qr_code() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let phone = phone(&acme).await;
    let (scanned, fresh) = (Desktop::start(&app).await, Desktop::start(&app).await);
    let token = scanned.scan(&phone).await;
    settle(&acme, json!({"qrLoginAllowed": false})).await;
    forbidden(fresh.scanned_by(&phone).await);
    forbidden(scanned.approve(&phone, &token).await);
    assert_eq!(
        (fresh.status().await, scanned.status().await),
        ("pending".into(), "scanned".into())
    );
    decide(&phone, json!({"linkToken": token, "decision": "deny"})).await.ok();

    settle(&acme, json!({"qrLoginAllowed": true})).await;
    fresh.link(&phone).await;
}

#[tokio::test]
async fn a_tenant_can_want_the_phone_in_the_network_of_the_screen() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let phone = phone(&acme).await;
    settle(&acme, json!({"qrSameNetworkRequired": true})).await;
    Desktop::start(&app).await.link(&phone).await;

    let elsewhere = Client::builder().local_address(IpAddr::from([127, 0, 0, 2])).build().unwrap();
    let request = elsewhere.post(app.url(&format!("{PATH}/generate")));
    let made = Answer::to(request.json(&json!({}))).await.created();
    let payload = made["qrPayload"].as_str().unwrap();
    let (_, token) = payload.split_once('#').unwrap();
    forbidden(phone.post(&format!("{PATH}/scan"), json!({"qrToken": token})).await);

    // Behind a proxy that nobody has named, everybody has its address.
    let request = app.request(Method::POST, &format!("{PATH}/scan"));
    let request = request.bearer_auth(phone.key()).header("x-forwarded-for", "192.0.2.7");
    let near = Desktop::start(&app).await;
    forbidden(Answer::to(request.json(&json!({"qrToken": near.qr_token}))).await);

    settle(&acme, json!({"qrSameNetworkRequired": false})).await;
    let scanned = phone.post(&format!("{PATH}/scan"), json!({"qrToken": token})).await.ok();
    assert_eq!(scanned["sameNetwork"], false);
}
