//! Scopes and roles.

use reqwest::Method;
use serde_json::{Value, json};
use shared::scope::{Role, Scope};
use tests::kit::{Answer, CONTACTS, TestApp, WEBHOOKS};

#[tokio::test]
async fn a_key_may_do_what_its_scopes_say_and_is_told_which_one_is_missing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let reader = acme.with_scopes(&[Scope::ContactsRead]).await;
    let writer = acme.with_scopes(&[Scope::ContactsWrite]).await;
    let ada = json!({"name": "Ada"});

    reader.get(CONTACTS).await.page();
    missing(reader.post(CONTACTS, ada.clone()).await, "contacts:write");
    missing(reader.get(WEBHOOKS).await, "webhooks:read");
    writer.post(CONTACTS, ada).await.created();
    missing(writer.get(CONTACTS).await, "contacts:read");
    missing(writer.post(WEBHOOKS, json!({})).await, "webhooks:write");
}

#[tokio::test]
async fn a_key_without_a_scope_or_with_one_that_nobody_knows_may_do_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let nothing = acme.with_scopes(&[]).await;
    missing(nothing.get(CONTACTS).await, "contacts:read");
    app.database.execute("update api_keys set scopes = array['contacts:*', '*', 'Contacts:Read'] where name = 'Limited'").await;
    missing(nothing.get(CONTACTS).await, "contacts:read");
}

#[tokio::test]
async fn a_missing_scope_is_told_before_anything_about_the_request_or_the_record() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let reader = acme.with_scopes(&[Scope::ContactsRead]).await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let there = format!("{CONTACTS}/{}", contact["id"].as_str().unwrap());
    let not_there = format!("{CONTACTS}/nobody");
    for path in [there, not_there] {
        missing(reader.put(&path, json!({"name": 5})).await, "contacts:write");
        missing(reader.delete(&path).await, "contacts:write");
    }
    let broken = reader.request(Method::POST, CONTACTS).body("{");
    missing(Answer::to(broken).await, "contacts:write");
}

#[tokio::test]
async fn a_role_stands_for_its_scopes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let hook = json!({"url": "https://example.com/hook", "events": ["*"]});
    for (role, writes_contacts, writes_webhooks) in [
        (Role::Owner, true, true),
        (Role::Admin, true, true),
        (Role::Member, true, false),
        (Role::ReadOnly, false, false),
    ] {
        let user = acme.with_role(role).await;
        user.get(CONTACTS).await.page();
        user.get(WEBHOOKS).await.page();
        may(writes_contacts, user.post(CONTACTS, json!({"name": "Ada"})).await, "contacts:write");
        may(writes_webhooks, user.post(WEBHOOKS, hook.clone()).await, "webhooks:write");
    }
}

#[tokio::test]
async fn a_role_is_asked_anew_and_not_believed_from_the_token() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let user = acme.with_role(Role::Owner).await;
    user.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.database.execute("update users set role = 'read_only'").await;
    missing(user.post(CONTACTS, json!({"name": "Grace"})).await, "contacts:write");
    user.get(CONTACTS).await.page();
}

#[track_caller]
fn may(allowed: bool, answer: Answer, scope: &str) {
    if allowed {
        answer.created();
    } else {
        missing(answer, scope);
    }
}

/// Expects 403 naming the scope.
#[track_caller]
fn missing(answer: Answer, scope: &str) {
    let body: Value = answer.problem(403, "INSUFFICIENT_SCOPE");
    assert_eq!(body["error"], format!("This needs the scope {scope}"));
    assert_eq!(body["details"], json!({"scope": scope}));
}
