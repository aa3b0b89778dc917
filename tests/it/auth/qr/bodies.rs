//! Bodies that break their rules, with every field.

use reqwest::Method;
use serde_json::{Value, json};
use tests::kit::{Answer, TestApp};

use super::{Desktop, PATH, decide, generate, phone};

const CODE: &str = "Must be the two digits that the other screen shows, as a string";
const CHALLENGE: &str = "Must be base64url of a SHA-256, 43 characters";
const VERIFIER: &str = "Must be 43 to 128 letters, digits, or - . _ ~";

#[tokio::test]
async fn a_session_is_made_from_nothing_at_all() {
    let app = TestApp::start().await;
    let path = format!("{PATH}/generate");
    Answer::to(app.request(Method::POST, &path)).await.created();
    generate(&app, json!({})).await.created();
    generate(&app, json!({"deviceName": null, "tenant": null, "cookie": null})).await.created();
}

#[tokio::test]
async fn every_wrong_field_of_a_request_is_named() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    let desktop = Desktop::start(&app).await;
    let body = json!({"deviceName": "", "tenant": "acme", "codeChallenge": "short", "cookie": "yes", "x": 1});
    generate(&app, body).await.invalid(&json!({
        "deviceName": "Must be 1 to 100 characters", "tenant": "Must be a UUID",
        "codeChallenge": CHALLENGE, "cookie": "Must be true or false", "x": "Unknown field",
    }));
    // The name is what a user is to recognise the screen by.
    let none = json!({"deviceName": "Must be 1 to 100 characters"});
    generate(&app, json!({"deviceName": "\u{200d}\u{200c}"})).await.invalid(&none);
    generate(&app, json!({"deviceName": "\u{645}\u{6cc}\u{200c}\u{62e}"})).await.created();
    for name in ["\u{202e}wolla", "My\u{200b}Phone", "\u{feff}"] {
        let fault = json!({"deviceName": "Must not contain control characters"});
        generate(&app, json!({"deviceName": name})).await.invalid(&fault);
    }
    let scan = phone.post(&format!("{PATH}/scan"), json!({"qrToken": 5, "x": 1})).await;
    scan.invalid(&json!({"qrToken": "Must be a string", "x": "Unknown field"}));
    let scan = phone.post(&format!("{PATH}/scan"), json!({})).await;
    scan.invalid(&json!({"qrToken": "Is required"}));
    decide(&phone, json!({"decision": "perhaps", "matchCode": 47, "x": 1})).await.invalid(&json!({
        "linkToken": "Is required", "decision": "Must be one of approve, deny", "matchCode": CODE,
        "x": "Unknown field",
    }));
    let undecided = decide(&phone, json!({})).await;
    undecided.invalid(&json!({"linkToken": "Is required", "matchCode": "Is required"}));
    for code in [json!("4"), json!("4٧"), json!("471"), json!("ab"), json!(""), json!(["47"])] {
        let body = json!({"linkToken": "ql_x", "matchCode": code});
        decide(&phone, body).await.invalid(&json!({"matchCode": CODE}));
    }
    let body = json!({"pollSecret": 5, "codeVerifier": "short", "x": 1});
    desktop.redeem_with(body).await.invalid(&json!({
        "pollSecret": "Must be a string", "codeVerifier": VERIFIER, "x": "Unknown field",
    }));
}

#[tokio::test]
async fn a_body_that_is_no_object_or_not_declared_is_refused() {
    let app = TestApp::start().await;
    let path = format!("{PATH}/generate");
    for (body, status, code) in
        [("{", 400, "INVALID_JSON"), ("[]", 400, "BAD_REQUEST"), ("null", 400, "BAD_REQUEST")]
    {
        let request = app.request(Method::POST, &path).header("content-type", "application/json");
        Answer::to(request.body(body)).await.problem(status, code);
    }
    let plain = app.request(Method::POST, &path).header("content-type", "text/plain").body("{}");
    Answer::to(plain).await.problem(415, "UNSUPPORTED_MEDIA_TYPE");
    let asked = app.request(Method::POST, &format!("{path}?dryRun=true"));
    Answer::to(asked).await.invalid(&json!({"dryRun": "Unknown parameter"}));
}

#[tokio::test]
async fn a_nul_character_is_refused_and_a_long_user_agent_cut() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    let nul = "Must not contain NUL characters";
    let body = json!({"deviceName": "a\0b", "tenant": "a\0b"});
    generate(&app, body).await.invalid(&json!({"deviceName": nul, "tenant": nul}));
    let scan = phone.post(&format!("{PATH}/scan"), json!({"qrToken": "qr_\0"})).await;
    scan.invalid(&json!({"qrToken": nul}));
    let request = app.request(Method::POST, &format!("{PATH}/generate"));
    let made = Answer::to(request.header("user-agent", "x".repeat(1_000))).await.created();
    let (_, token) = made["qrPayload"].as_str().unwrap().split_once('#').unwrap();
    let scanned = phone.post(&format!("{PATH}/scan"), json!({"qrToken": token})).await.ok();
    let agent: &Value = &scanned["requester"]["userAgent"];
    assert_eq!(agent, &json!("x".repeat(300)));
}
