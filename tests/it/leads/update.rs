//! Changing.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, LEADS, TestApp, with};

use super::{at, deal};
use crate::pipelines::{heard, pipeline, stage};

#[tokio::test]
async fn absent_fields_stay_null_clears_and_a_status_may_follow_any() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"title": "Deal", "status": "lost", "value": 7, "currency": "EUR", "owner": acme.owner});
    let lead = acme.post(LEADS, body).await.created();
    heard(&app).await;
    app.advance(TimeDelta::seconds(1));

    let change = json!({"status": "new", "value": null, "currency": null, "owner": null});
    let after = acme.put(&at(&lead), change).await.ok();

    let mut expected = lead.clone();
    for (member, value) in [
        ("status", json!("new")),
        ("value", Value::Null),
        ("currency", json!("USD")),
        ("owner", Value::Null),
        ("version", json!(2)),
        ("updatedAt", json!("2026-01-02T03:04:06.678Z")),
    ] {
        expected[member] = value;
    }
    assert_eq!(after, expected);
    let previous = json!({"status": "lost", "value": 7, "currency": "EUR", "owner": acme.owner});
    assert_eq!(
        heard(&app).await,
        [("lead.updated".to_owned(), with(&after, "previous", previous))]
    );
    for field in ["title", "status"] {
        acme.patch(&at(&lead), json!({field: null}))
            .await
            .invalid(&json!({field: "Must not be null"}));
    }
}

#[tokio::test]
async fn an_answer_sent_back_changes_nothing_even_when_what_it_refers_to_is_gone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "John"})).await.created();
    let sales = pipeline(&acme, "Sales", &["New"]).await;
    let body = json!({
        "title": "Deal", "status": "new", "value": 1.50, "contactId": contact["id"], "stageId": stage(&sales, "New"),
        "owner": acme.owner,
    });
    let lead = acme.post(LEADS, body).await.created();
    acme.delete(&format!("{CONTACTS}/{}", contact["id"].as_str().unwrap())).await.no_content();
    app.database.execute("update users set active = false").await;
    heard(&app).await;
    app.advance(TimeDelta::seconds(1));
    assert_eq!(acme.put(&at(&lead), lead.clone()).await.ok(), lead);
    assert_eq!(heard(&app).await, []);
    let other = deal(&acme).await;
    let answer = acme.put(&at(&other), json!({"contactId": contact["id"]})).await;
    answer.invalid(&json!({"contactId": "No such contact"}));
}

#[tokio::test]
async fn converted_at_tells_since_when_the_status_is_converted() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = deal(&acme).await;
    app.advance(TimeDelta::seconds(1));
    let converted = acme.put(&at(&lead), json!({"status": "converted"})).await.ok();
    assert_eq!(converted["convertedAt"], "2026-01-02T03:04:06.678Z");
    app.advance(TimeDelta::seconds(1));
    let change = json!({"status": "converted", "title": "Deal!", "convertedAt": null});
    let titled = acme.put(&at(&lead), change).await.ok();
    assert_eq!(titled["convertedAt"], converted["convertedAt"], "only the api sets it");
    let lost = acme.put(&at(&lead), json!({"status": "lost"})).await.ok();
    assert_eq!(lost["convertedAt"], Value::Null);
}

#[tokio::test]
async fn a_conversion_by_the_status_alone_is_in_the_timeline_beside_what_else_it_did() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let sales = pipeline(&acme, "Sales", &["New"]).await;
    let lead = deal(&acme).await;
    acme.put(&at(&lead), json!({"stageId": stage(&sales, "New")})).await.ok();
    app.advance(TimeDelta::seconds(1));
    acme.put(&at(&lead), json!({"status": "converted", "pipelineId": null})).await.ok();
    acme.put(&at(&lead), json!({"title": "Deal!"})).await.ok();
    let entries = acme.get(&format!("{}/timeline", at(&lead))).await.page().items;
    let mut subjects: Vec<&Value> = entries.iter().map(|entry| &entry["subject"]).collect();
    subjects.sort_by_key(ToString::to_string);
    assert_eq!(subjects, ["Converted", "Left New", "Moved to New"]);
}

#[tokio::test]
async fn a_writer_may_insist_on_what_it_has_seen() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = deal(&acme).await;
    let tag = acme.get(&at(&lead)).await.header("etag").to_owned();
    acme.put(&at(&lead), json!({"title": "Other"})).await.ok();
    for (method, path) in [
        (reqwest::Method::PUT, at(&lead)),
        (reqwest::Method::DELETE, at(&lead)),
        (reqwest::Method::POST, format!("{}/convert", at(&lead))),
    ] {
        let request = acme.request(method, &path).header("if-match", &tag).json(&json!({}));
        tests::kit::Answer::to(request).await.problem(412, "PRECONDITION_FAILED");
    }
}
