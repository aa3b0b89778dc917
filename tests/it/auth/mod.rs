//! Who may call: API keys, access tokens, scopes and roles; and how users sign in and out.

mod connections;
mod demo;
mod keys;
mod lineage;
mod oidc;
mod qr;
mod refresh;
mod rights;
mod secrets;
mod sessions;
mod together;
mod tokens;

use reqwest::Method;
use serde_json::{Value, json};
use tests::kit::{Answer, CONTACTS, TestApp};

/// Asks for the contacts with these headers.
async fn ask(app: &TestApp, headers: &[(&str, &str)]) -> Answer {
    let request = app.request(Method::GET, CONTACTS);
    Answer::to(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
        .await
}

/// Expects 401 for this reason, with the challenge that RFC 9110 asks for, which says so when a credential was no good
/// (RFC 6750 §3.1).
#[track_caller]
fn unauthorized(answer: Answer, reason: &str) {
    let brought = reason.starts_with("The ");
    let fault = if brought { ", error=\"invalid_token\"" } else { "" };
    assert_eq!(answer.header("www-authenticate"), format!("Bearer realm=\"liaison\"{fault}"));
    let body = answer.problem(401, "UNAUTHORIZED");
    assert_eq!(body["error"], reason);
    assert_eq!(body.get("details"), None);
}

/// An api with demo login and the tenant that it opens.
async fn demo_app() -> TestApp {
    let app = TestApp::configured(|config| config.demo_login = true).await;
    app.demo("demo").await;
    app
}

/// A pair of tokens of a new session, always of the same user.
async fn sign_in(app: &TestApp) -> Value {
    sign_in_as(app, json!({})).await
}

async fn sign_in_as(app: &TestApp, body: Value) -> Value {
    Answer::to(app.request(Method::POST, "/api/v1/auth/demo-login").json(&body)).await.ok()
}

/// What the api says to the pair's access token.
async fn with_access(app: &TestApp, pair: &Value) -> Answer {
    let token = pair["accessToken"].as_str().unwrap();
    Answer::to(app.request(Method::GET, CONTACTS).bearer_auth(token)).await
}

async fn works(app: &TestApp, pair: &Value) -> bool {
    with_access(app, pair).await.status == 200
}

async fn alive(app: &TestApp, pair: &Value) {
    with_access(app, pair).await.page();
}

async fn dead(app: &TestApp, pair: &Value) {
    let answer = with_access(app, pair).await;
    assert_eq!(answer.status, 401, "{:#}", answer.body);
}
