//! Deleting, and bringing back within 30 days.

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{CONTACTS, TestApp};

use super::{at, john};

#[tokio::test]
async fn a_deleted_contact_is_gone_from_everywhere() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (gone, kept) = (john(&acme).await, john(&acme).await);

    acme.delete(&at(&gone)).await.no_content();

    acme.get(&at(&gone)).await.not_found("Contact not found");
    acme.put(&at(&gone), json!({"name": "Jane"})).await.not_found("Contact not found");
    acme.patch(&at(&gone), json!({"name": "Jane"})).await.not_found("Contact not found");
    acme.delete(&at(&gone)).await.not_found("Contact not found");
    assert_eq!(acme.get(CONTACTS).await.page().items, std::slice::from_ref(&kept));
    assert_eq!(acme.get(&format!("{CONTACTS}?q=john")).await.page().items, [kept]);
    assert_eq!(app.announced().await, ["contact.created", "contact.created", "contact.deleted"]);
}

#[tokio::test]
async fn a_deleted_contact_comes_back_as_it_was() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let before = john(&acme).await;
    acme.delete(&at(&before)).await.no_content();
    app.advance(TimeDelta::days(30));

    let restored = acme.post(&format!("{}/restore", at(&before)), json!({})).await.ok();

    let mut expected = before.clone();
    expected["version"] = json!(3);
    expected["updatedAt"] = json!("2026-02-01T03:04:05.678Z");
    assert_eq!(restored, expected);
    assert_eq!(acme.get(&at(&before)).await.ok(), expected);
    assert_eq!(acme.get(CONTACTS).await.page().items, [expected]);
}

#[tokio::test]
async fn after_thirty_days_a_deleted_contact_stays_gone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = john(&acme).await;
    acme.delete(&at(&contact)).await.no_content();
    app.advance(TimeDelta::days(30) + TimeDelta::milliseconds(1));

    acme.post(&format!("{}/restore", at(&contact)), json!({})).await.not_found("Contact not found");

    assert_eq!(app.announced().await, ["contact.created", "contact.deleted"]);
}

#[tokio::test]
async fn restoring_a_contact_that_is_there_changes_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = john(&acme).await;
    app.advance(TimeDelta::minutes(1));

    let restored = acme.post(&format!("{}/restore", at(&contact)), json!({})).await.ok();

    assert_eq!(restored, contact);
    assert_eq!(app.announced().await, ["contact.created"]);
}

#[tokio::test]
async fn restoring_needs_no_body() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = john(&acme).await;
    acme.delete(&at(&contact)).await.no_content();
    let answer = acme.call(reqwest::Method::POST, &format!("{}/restore", at(&contact)), None).await;
    assert_eq!(answer.ok()["id"], contact["id"]);
}
