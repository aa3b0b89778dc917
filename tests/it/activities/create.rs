//! Writing and showing.

use reqwest::Method;
use serde_json::{Value, json};
use shared::scope::Role;
use tests::kit::{ACTIVITIES, COMPANIES, CONTACTS, START, TestApp};
use uuid::Uuid;

use crate::leads::deal;
use crate::pipelines::{heard, only};

fn at(activity: &Value) -> String {
    format!("{ACTIVITIES}/{}", activity["id"].as_str().unwrap())
}

/// What its event tells: the activity, and the version that it always has.
fn announced(mut activity: Value) -> Value {
    activity["version"] = json!(1);
    activity
}

#[tokio::test]
async fn an_activity_is_written_by_whoever_is_signed_in() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = deal(&acme).await;
    let contact = acme.post(CONTACTS, json!({"name": "John"})).await.created();
    let user = acme.user(Role::Member).await;
    heard(&app).await;
    let body = json!({
        "type": "meeting", "subject": " Kick-off ", "body": "Agenda:\n\t- money\r\n", "leadId": lead["id"],
        "contactId": contact["id"], "occurredAt": "2026-02-03T10:00:00+01:00", "dueAt": "2026-02-04T00:00:00.1239Z",
        "actor": {"type": "system", "id": null},
    });

    let answer = acme.as_user(user).await.post(ACTIVITIES, body).await;

    let location = answer.header("location").to_owned();
    let activity = answer.created();
    assert_eq!(
        activity,
        json!({
            "id": activity["id"], "tenantId": acme.id, "type": "meeting", "subject": "Kick-off",
            "body": "Agenda:\n\t- money", "occurredAt": "2026-02-03T09:00:00.000Z",
            "dueAt": "2026-02-04T00:00:00.123Z", "contactId": contact["id"], "companyId": null,
            "leadId": lead["id"], "actor": {"type": "user", "id": user}, "createdAt": START,
        })
    );
    assert_eq!(location, at(&activity));
    assert_eq!(acme.get(&location).await.ok(), activity);
    let entries = acme.get("/api/v1/audit-log?action=activity.created").await.page().items;
    let event: Uuid =
        sqlx::query_scalar("select event_id from outbox where event = 'activity.created'")
            .fetch_one(app.database.admin())
            .await
            .unwrap();
    assert_eq!(entries[0]["id"], json!(event), "an event has one id everywhere");
    assert_eq!(heard(&app).await, [("activity.created".to_owned(), announced(activity))]);
}

#[tokio::test]
async fn what_is_not_said_is_null_and_it_happened_now() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = deal(&acme).await;
    let body = json!({"type": "note", "subject": "Called", "leadId": lead["id"], "body": null, "dueAt": null});
    let activity = acme.post(ACTIVITIES, body).await.created();
    assert_eq!((&activity["body"], &activity["dueAt"]), (&Value::Null, &Value::Null));
    assert_eq!(activity["occurredAt"], START);
    assert_eq!(activity["actor"]["type"], "api_key");
}

#[tokio::test]
async fn a_value_that_breaks_a_rule_is_refused_with_the_reason() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = deal(&acme).await;
    let types = "Must be one of note, call, email, meeting, task";
    let time = "Must be a time such as 2025-11-02T10:00:00Z";
    for (field, value, fault) in [
        ("type", json!(null), "Is required"),
        ("type", json!("system"), types),
        ("type", json!("fax"), types),
        ("subject", json!(null), "Is required"),
        ("subject", json!("é".repeat(201)), "Must be 1 to 200 characters"),
        ("subject", json!("a\nb"), "Must not contain control characters"),
        ("body", json!(" \n "), "Must be 1 to 10000 characters"),
        ("body", json!("é".repeat(10_001)), "Must be 1 to 10000 characters"),
        ("body", json!("\u{1b}[1m"), "Must not contain control characters"),
        ("body", json!("a\0"), "Must not contain NUL characters"),
        ("occurredAt", json!("yesterday"), time),
        ("occurredAt", json!(1_767_323_045), "Must be a string"),
        ("dueAt", json!("2026-02-30T00:00:00Z"), time),
        ("contactId", json!("x"), "Must be a UUID"),
        ("companyId", json!(Uuid::nil()), "No such company"),
        ("createdBy", json!("me"), "Unknown field"),
    ] {
        let mut body = json!({"type": "note", "subject": "Called", "leadId": lead["id"]});
        body[field] = value.clone();
        let answer = acme.post(ACTIVITIES, body).await;
        assert_eq!(answer.body["details"], json!({field: fault}), "{field} {value}");
        answer.problem(400, "VALIDATION_ERROR");
    }
    let long = "é".repeat(10_000);
    let body =
        json!({"type": "note", "subject": "s".repeat(200), "body": long, "leadId": lead["id"]});
    acme.post(ACTIVITIES, body).await.created();
}

#[tokio::test]
async fn an_activity_is_about_at_least_one_record_of_the_tenant() {
    let app = TestApp::start().await;
    let (acme, rival) = (app.tenant("acme").await, app.tenant("rival").await);
    let required = "One of contactId, companyId and leadId is required";
    let answer = acme.post(ACTIVITIES, json!({"type": "note", "leadId": null})).await;
    answer.invalid(&json!({
        "subject": "Is required", "contactId": required, "companyId": required, "leadId": required,
    }));
    let theirs = json!({
        "contactId": rival.post(CONTACTS, json!({"name": "Eve"})).await.created()["id"],
        "companyId": rival.post(COMPANIES, json!({"name": "Evil"})).await.created()["id"],
        "leadId": deal(&rival).await["id"],
    });
    let nobody = json!({"contactId": Uuid::nil(), "companyId": Uuid::nil(), "leadId": Uuid::nil()});
    for mut body in [theirs, nobody] {
        body["type"] = json!("note");
        body["subject"] = json!("Hello");
        acme.post(ACTIVITIES, body).await.invalid(&json!({
            "contactId": "No such contact", "companyId": "No such company", "leadId": "No such lead",
        }));
    }
    assert_eq!(acme.get(ACTIVITIES).await.page().items.len(), 0);
}

#[tokio::test]
async fn history_is_neither_changed_nor_deleted() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"type": "note", "subject": "Called", "leadId": deal(&acme).await["id"]});
    let activity = acme.post(ACTIVITIES, body.clone()).await.created();
    for (method, path, allowed) in [
        (Method::PUT, at(&activity), "GET,HEAD"),
        (Method::PATCH, at(&activity), "GET,HEAD"),
        (Method::DELETE, at(&activity), "GET,HEAD"),
        (Method::POST, at(&activity), "GET,HEAD"),
        (Method::DELETE, ACTIVITIES.to_owned(), "GET,HEAD,POST"),
    ] {
        let answer = acme.call(method, &path, Some(body.clone())).await;
        assert_eq!(answer.header("allow"), allowed, "{path}");
        answer.problem(405, "METHOD_NOT_ALLOWED");
    }
    acme.get(&format!("{ACTIVITIES}/x")).await.not_found("Activity not found");
    assert_eq!(acme.get(&at(&activity)).await.ok(), activity);
}

#[tokio::test]
async fn what_the_system_writes_is_told_of_like_everything_else() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = deal(&acme).await;
    heard(&app).await;
    acme.post(&format!("{}/convert", crate::leads::at(&lead)), json!({})).await.ok();
    let entry = acme.get(&format!("{ACTIVITIES}?type=system")).await.page().items.remove(0);
    assert_eq!(only(&heard(&app).await, "activity.created"), [announced(entry)]);
}
