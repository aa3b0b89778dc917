//! A user's own sessions: seen, and ended at once.

use serde_json::{Value, json};
use shared::scope::Role;
use tests::kit::{Credential, Tenant, TestApp};

use super::{alive, dead, demo_app, sign_in, unauthorized};

const SESSIONS: &str = "/api/v1/auth/sessions";
const INVALID: &str = "The access token is not valid";

/// The caller that a pair of tokens is for.
async fn caller(app: &TestApp, pair: &Value) -> Tenant {
    let any = app.tenant("Any").await;
    any.with(Credential::Bearer(pair["accessToken"].as_str().unwrap().into()))
}

#[tokio::test]
async fn the_list_shows_ones_own_sessions_and_which_one_asks() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (user, other) = (acme.user(Role::Member).await, acme.user(Role::Member).await);
    let first = acme.as_user(user).await;
    app.advance(chrono::TimeDelta::seconds(1));
    let second = acme.as_user(user).await;
    acme.as_user(other).await;
    let page = second.get(SESSIONS).await.page();
    assert_eq!(page.pagination["total"], 2);
    let current: Vec<_> = page.items.iter().map(|session| session["current"].clone()).collect();
    assert_eq!(current, [json!(true), json!(false)]);
    let session = &page.items[1];
    assert_eq!(first.get(SESSIONS).await.page().items[1]["id"], session["id"]);
    let expected = json!({
        "id": session["id"], "current": false, "createdVia": "admin", "approvedBy": null, "deviceName": null, "userAgent": null,
        "ipAddress": "127.0.0.1", "createdAt": "2026-01-02T03:04:05.678Z", "lastUsedAt": "2026-01-02T03:04:05.678Z",
        "expiresAt": "2026-01-02T04:04:05.678Z",
    });
    assert_eq!(session, &expected);
    let none = second.get(&format!("{SESSIONS}?createdAt[lt]=2026-01-01T00:00:00Z")).await.page();
    assert_eq!(none.items.len(), 0);
    let unknown = second.get(&format!("{SESSIONS}?createdVia=qr")).await;
    unknown.invalid(&json!({"createdVia": "Unknown parameter"}));
    // One that has ended by itself is not shown.
    app.advance(chrono::TimeDelta::hours(1) - chrono::TimeDelta::seconds(1));
    assert_eq!(second.get(SESSIONS).await.page().items.len(), 1);
}

#[tokio::test]
async fn logging_out_works_on_the_very_next_request_and_ends_this_session_only() {
    let app = demo_app().await;
    let (mine, other) = (sign_in(&app).await, sign_in(&app).await);
    let me = caller(&app, &mine).await;
    me.post("/api/v1/auth/logout", json!({})).await.no_content();
    dead(&app, &mine).await;
    unauthorized(super::refresh::refresh(&app, &mine).await, "The refresh token is not valid");
    unauthorized(me.post("/api/v1/auth/logout", json!({})).await, INVALID);
    alive(&app, &other).await;
}

#[tokio::test]
async fn logging_out_everywhere_ends_all_of_ones_sessions_and_nobody_elses() {
    let app = demo_app().await;
    let (mine, other) = (sign_in(&app).await, sign_in(&app).await);
    let colleague = super::sign_in_as(&app, json!({"role": "member"})).await;
    let me = caller(&app, &mine).await;
    me.post("/api/v1/auth/logout-all", json!({})).await.no_content();
    dead(&app, &mine).await;
    dead(&app, &other).await;
    alive(&app, &colleague).await;
}

#[tokio::test]
async fn one_session_ends_another_of_the_same_user_and_no_other() {
    let app = demo_app().await;
    let (mine, other) = (sign_in(&app).await, sign_in(&app).await);
    let colleague = super::sign_in_as(&app, json!({"role": "member"})).await;
    let me = caller(&app, &mine).await;
    let path = |pair: &Value| format!("{SESSIONS}/{}", pair["session"]["id"].as_str().unwrap());
    me.delete(&path(&colleague)).await.not_found("Session not found");
    me.delete(&format!("{SESSIONS}/nobody")).await.not_found("Session not found");
    me.delete(&path(&other)).await.no_content();
    dead(&app, &other).await;
    me.delete(&path(&other)).await.not_found("Session not found");
    alive(&app, &colleague).await;
    assert_eq!(me.get(SESSIONS).await.page().items.len(), 1);
    let reasons: Vec<String> = sqlx::query_scalar(
        "select after->>'revokedReason' from audit_log where action = 'session.revoked'",
    )
    .fetch_all(app.database.admin())
    .await
    .unwrap();
    assert_eq!(reasons, ["removed"]);
}
