//! Keeping: nothing is told that did not happen, nothing is taken back, and no secret is told.

use serde_json::json;
use shared::db::Origin;
use sqlx::AssertSqlSafe;
use tests::kit::{API_KEYS, CONTACTS, TestApp, WEBHOOKS};

use super::AUDIT;
use crate::contacts::at;

/// Entries of a new tenant.
const NEW: usize = 1;

#[tokio::test]
async fn a_change_that_was_rolled_back_leaves_no_entry() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.database.execute("alter table outbox add constraint full_up check (false) not valid").await;
    acme.post(CONTACTS, json!({"name": "Bob"})).await.problem(500, "INTERNAL_ERROR");
    acme.put(&at(&contact), json!({"name": "Bob"})).await.problem(500, "INTERNAL_ERROR");
    acme.delete(&at(&contact)).await.problem(500, "INTERNAL_ERROR");
    assert_eq!(acme.get(AUDIT).await.page().items.len(), NEW + 1);
}

#[tokio::test]
async fn a_change_whose_entry_cannot_be_written_does_not_happen() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.database
        .execute("alter table audit_log add constraint full_up check (false) not valid")
        .await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.problem(500, "INTERNAL_ERROR");
    assert_eq!(acme.get(CONTACTS).await.page().items, [json!(null); 0]);
    assert!(app.announced().await.is_empty());
}

#[tokio::test]
async fn a_change_that_changes_nothing_leaves_no_entry() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    acme.put(&at(&contact), json!({"name": "Ada"})).await.ok();
    acme.post(&format!("{}/restore", at(&contact)), json!({})).await.ok();
    assert_eq!(acme.get(AUDIT).await.page().items.len(), NEW + 1);
}

#[tokio::test]
async fn the_api_itself_can_neither_change_nor_remove_an_entry() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let before = acme.get(AUDIT).await.page().items;
    for sql in [
        "update audit_log set action = 'contact.nothing'",
        "update audit_log set created_at = now()",
        "delete from audit_log",
        "truncate audit_log",
        "alter table audit_log disable trigger all",
        "drop table audit_log",
    ] {
        let mut tx = app.api.db.tenant(acme.id, Origin::default()).await.unwrap();
        let error = sqlx::query(AssertSqlSafe(sql)).execute(tx.conn()).await.unwrap_err();
        let code = error.as_database_error().unwrap().code().unwrap().into_owned();
        assert_eq!(code, "42501", "{sql}: {error}");
        tx.rollback().await.unwrap();
    }
    assert_eq!(acme.get(AUDIT).await.page().items, before);
}

#[tokio::test]
async fn no_secret_is_in_the_log() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let body = json!({"url": "http://127.0.0.1:9/", "events": ["*"], "secret": secret});
    let webhook = acme.post(WEBHOOKS, body).await.created();
    assert_eq!(webhook["secret"], secret);
    let path = format!("{WEBHOOKS}/{}", webhook["id"].as_str().unwrap());
    acme.put(&path, json!({"description": "mine"})).await.ok();
    acme.delete(&path).await.no_content();

    let body = json!({"name": "Robot", "scopes": ["contacts:read"]});
    let key = acme.post(API_KEYS, body).await.created();
    let path = format!("{API_KEYS}/{}/rotate", key["id"].as_str().unwrap());
    let rotated = acme.post(&path, json!({})).await;
    assert!(rotated.status.is_success(), "{:#}", rotated.body);
    let keys = [key["key"].as_str().unwrap(), rotated.body["data"]["key"].as_str().unwrap()];

    let entries = acme.get(AUDIT).await.page().items;
    assert!(entries.len() >= 5, "{entries:#?}");
    let told = json!(entries).to_string();
    assert!(told.contains("mine"), "{told}");
    for part in [secret, &secret["whsec_".len()..], acme.key(), keys[0], keys[1]] {
        assert!(!told.contains(part), "{told}");
    }
}
