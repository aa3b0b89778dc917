//! Changing.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use tests::kit::{Answer, TestApp};

use super::{at, knock, let_in, reader, record, unknown};

#[tokio::test]
async fn a_change_counts_from_the_next_request_on() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (shown, key) = reader(&acme, json!({})).await;
    let_in(knock(&key).await);

    acme.put(&at(&shown), json!({"active": false})).await.ok();
    unknown(knock(&key).await);
    acme.patch(&at(&shown), json!({"active": true, "scopes": ["leads:read"]})).await.ok();
    knock(&key).await.problem(403, "INSUFFICIENT_SCOPE");
    acme.patch(&at(&shown), json!({"scopes": ["contacts:read"]})).await.ok();
    let_in(knock(&key).await);
    acme.patch(&at(&shown), json!({"allowedIps": ["192.0.2.1"]})).await.ok();
    knock(&key).await.problem(403, "FORBIDDEN");
    acme.patch(&at(&shown), json!({"allowedIps": null})).await.ok();
    let_in(knock(&key).await);
}

#[tokio::test]
async fn an_answer_can_be_edited_and_sent_back_and_nothing_new_changes_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let end = "2026-01-02T04:00:00.000Z";
    let (shown, _) = reader(&acme, json!({"expiresAt": end, "allowedIps": ["192.0.2.1"]})).await;
    let before = acme.get(&at(&shown)).await.ok();
    // Its time may have passed since.
    app.advance(TimeDelta::hours(2));
    assert_eq!(acme.put(&at(&shown), before.clone()).await.ok(), before);

    let mut edited = before.clone();
    edited["name"] = json!("Renamed");
    edited["prefix"] = json!("mine0000");
    edited["createdBy"] = json!(acme.owner);
    let after = acme.put(&at(&shown), edited).await.ok();
    assert_eq!((&after["name"], &after["version"]), (&json!("Renamed"), &json!(2)));
    assert_eq!((&after["prefix"], &after["createdBy"]), (&before["prefix"], &before["createdBy"]));
    let patch = json!({"expiresAt": "2026-01-02T04:30:00Z"});
    acme.put(&at(&shown), patch).await.invalid(&json!({"expiresAt": "Must be in the future"}));
    assert_eq!(
        acme.put(&at(&shown), json!({"expiresAt": null})).await.ok()["expiresAt"],
        json!(null)
    );
}

#[tokio::test]
async fn the_answer_that_shows_the_key_can_be_sent_back_and_the_key_stays_as_it_is() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (mut shown, key) = reader(&acme, json!({})).await;
    shown["name"] = json!("Renamed");
    let edited = acme.put(&at(&shown), shown.clone()).await.ok();
    assert_eq!((&edited["name"], &edited["version"]), (&json!("Renamed"), &json!(2)));
    let another = reader(&acme, json!({})).await.0;
    acme.put(&at(&shown), json!({"key": another["key"]})).await.ok();
    assert_eq!(acme.get(&at(&shown)).await.ok(), edited);
    let_in(knock(&key).await);
}

#[tokio::test]
async fn what_is_not_known_is_not_changed_by_the_way_and_required_fields_are_not_cleared() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (shown, _) = reader(&acme, json!({})).await;
    let body = json!({"hash": "00", "name": null, "scopes": null, "active": null});
    acme.put(&at(&shown), body).await.invalid(&json!({
        "hash": "Unknown field", "name": "Must not be null", "scopes": "Must not be null", "active": "Must not be null",
    }));
    assert_eq!(acme.get(&at(&shown)).await.ok(), record(&shown));
}

#[tokio::test]
async fn who_has_seen_another_version_changes_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (shown, key) = reader(&acme, json!({})).await;
    let rotate = format!("{}/rotate", at(&shown));
    for (method, path) in
        [(Method::PUT, at(&shown)), (Method::DELETE, at(&shown)), (Method::POST, rotate)]
    {
        let request = acme.request(method, &path).header("if-match", "\"7-x\"").json(&json!({}));
        Answer::to(request).await.problem(412, "PRECONDITION_FAILED");
    }
    let_in(knock(&key).await);
    assert_eq!(acme.get(&at(&shown)).await.ok()["version"], 1);
}
