//! What the three secrets open, and what opens nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tests::kit::{Answer, Program, TestApp};

use super::{Desktop, PATH, decide, generate, phone, unknown, wrong_state};

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

#[tokio::test]
async fn without_the_poll_secret_a_session_does_not_exist() {
    let app = TestApp::start().await;
    let (mine, other) = (Desktop::start(&app).await, Desktop::start(&app).await);
    let cut = &mine.secret[..mine.secret.len() - 1];
    for secret in ["", "qps_", "hunter2", &mine.qr_token, &other.secret, cut] {
        for (method, under) in [(Method::GET, ""), (Method::GET, "/events"), (Method::DELETE, "")] {
            let request = app.request(method, &format!("{}{under}", mine.path()));
            unknown(Answer::to(request.header("x-qr-poll-secret", secret)).await);
        }
        unknown(mine.redeem_with(json!({"pollSecret": secret})).await);
    }
    unknown(Answer::to(app.request(Method::GET, &mine.path())).await);
    unknown(mine.redeem_with(json!({})).await);
    assert_eq!(mine.status().await, "pending");
    for id in ["nobody", "0199aaaa-0000-7000-8000-000000000000"] {
        let request = app.request(Method::GET, &format!("{PATH}/{id}"));
        unknown(Answer::to(request.header("x-qr-poll-secret", &mine.secret)).await);
    }
}

#[tokio::test]
async fn a_code_that_nobody_made_cannot_be_scanned_nor_a_link_token_be_guessed() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    let (one, other) = (Desktop::start(&app).await, Desktop::start(&app).await);
    let link_token = one.scan(&phone).await;
    // The id of one with the secret of the other.
    let mixed = |a: &str, b: &str| format!("{}{}", &a[..20], &b[20..]);
    for token in
        ["", "qr_", "hunter2", &one.secret, &link_token, &mixed(&one.qr_token, &other.qr_token)]
    {
        unknown(phone.post(&format!("{PATH}/scan"), json!({"qrToken": token})).await);
    }
    for token in ["", "ql_", &one.qr_token, &mixed(&link_token, &other.qr_token)] {
        unknown(decide(&phone, json!({"linkToken": token, "decision": "deny"})).await);
    }
    assert_eq!((one.status().await, other.status().await), ("scanned".into(), "pending".into()));
}

#[tokio::test]
async fn an_api_key_neither_scans_nor_approves() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let desktop = Desktop::start(&app).await;
    desktop.scanned_by(&acme).await.problem(403, "FORBIDDEN");
    let token = desktop.scan(&phone(&acme).await).await;
    desktop.approve(&acme, &token).await.problem(403, "FORBIDDEN");
    assert_eq!(desktop.status().await, "scanned");
}

#[tokio::test]
async fn only_users_of_the_tenant_that_was_hinted_at_may_scan() {
    let app = TestApp::start().await;
    // A name would say nothing: each tenant calls itself what it likes.
    let (acme, globex) = (app.tenant("Acme").await, app.tenant("Acme").await);
    let (ours, theirs) = (phone(&acme).await, phone(&globex).await);
    let hint = acme.id.to_string();
    for hint in [hint.to_uppercase(), hint] {
        let desktop = Desktop::with(&app, json!({"tenant": hint})).await;
        unknown(desktop.scanned_by(&theirs).await);
        assert_eq!(desktop.status().await, "pending");
        desktop.scan(&ours).await;
    }
}

#[tokio::test]
async fn a_desktop_that_sent_a_challenge_must_prove_it_and_no_other_may_try() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    let desktop = Desktop::with(&app, json!({"codeChallenge": challenge()})).await;
    desktop.link(&phone).await;
    let redeem = |verifier: Value| {
        desktop.redeem_with(json!({"pollSecret": desktop.secret, "codeVerifier": verifier}))
    };
    redeem(Value::Null).await.invalid(&json!({"codeVerifier": "Is required"}));
    unknown(redeem(json!("x".repeat(43))).await);
    assert_eq!(desktop.status().await, "linked");
    redeem(json!(VERIFIER)).await.ok();

    let plain = Desktop::start(&app).await;
    plain.link(&phone).await;
    let body = json!({"pollSecret": plain.secret, "codeVerifier": VERIFIER});
    let fault = json!({"codeVerifier": "The session was made without a codeChallenge"});
    plain.redeem_with(body).await.invalid(&fault);
    plain.redeem().await.ok();
}

#[tokio::test]
async fn a_page_may_have_the_poll_secret_as_a_cookie_that_no_script_reads() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    let answer = generate(&app, json!({"cookie": true})).await;
    let cookie = answer.header("set-cookie").to_owned();
    let made = answer.created();
    assert_eq!(made["pollSecret"], Value::Null);
    for attribute in ["Secure", "HttpOnly", "SameSite=Strict", &format!("Path={PATH}")] {
        assert!(cookie.split("; ").any(|part| part == attribute), "{cookie}");
    }
    let (pair, _) = cookie.split_once(';').unwrap();
    let (_, secret) = pair.split_once('=').unwrap();
    let (_, qr_token) = made["qrPayload"].as_str().unwrap().split_once('#').unwrap();
    let desktop = Desktop {
        app: &app,
        id: made["id"].as_str().unwrap().into(),
        qr_token: qr_token.into(),
        secret: secret.into(),
        match_code: made["matchCode"].as_str().unwrap().into(),
    };
    let with_cookie = |method: Method, under: &str| {
        let request = app.request(method, &format!("{}{under}", desktop.path()));
        request.header("cookie", format!("theme=dark; {pair}; other=1"))
    };
    let polled = Answer::to(with_cookie(Method::GET, "")).await.ok();
    assert_eq!(polled["status"], "pending");
    desktop.link(&phone).await;
    Answer::to(with_cookie(Method::POST, "/token").json(&json!({}))).await.ok();
    wrong_state(Answer::to(with_cookie(Method::DELETE, "")).await, "consumed");
    // Nor does it open another session.
    let other = Desktop::start(&app).await;
    let request = app.request(Method::GET, &other.path()).header("cookie", pair);
    unknown(Answer::to(request).await);
}

#[tokio::test]
async fn the_database_cannot_tell_any_of_the_secrets() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    let desktop = Desktop::start(&app).await;
    let link_token = desktop.scan(&phone).await;
    desktop.approve(&phone, &link_token).await.ok();
    let pair = desktop.redeem().await.ok();
    let rows: String = sqlx::query_scalar(
        "select string_agg(t, ' ') from (
             select to_jsonb(q)::text || encode(poll_hash || scan_hash || link_hash, 'escape') as t from qr_sessions q
             union all select to_jsonb(r)::text || encode(hash, 'escape') from refresh_tokens r
             union all select to_jsonb(s)::text from sessions s
             union all select to_jsonb(a)::text from audit_log a) rows",
    )
    .fetch_one(app.database.admin())
    .await
    .unwrap();
    assert!(rows.contains(&desktop.id), "{rows}");
    let refresh = pair["refreshToken"].as_str().unwrap();
    for secret in [&desktop.secret, &desktop.qr_token, &link_token, refresh] {
        let (_, random) = secret.split_once('_').unwrap();
        assert!(random.len() >= 43 && !rows.contains(random), "{rows}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_of_a_sign_in_is_in_the_log_even_at_debug() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let user = acme.user(shared::scope::Role::Member).await;
    let mut api = Program::api(&app.database.app_url(), &[("LOG", "debug")]).await;
    let token = acme.token(user, shared::Clock::system().now()).await;
    let phone = acme.with(tests::kit::Credential::Bearer(token)).through(api.url());
    let made = phone.post(&format!("{PATH}/generate"), json!({})).await.created();
    let (_, qr_token) = made["qrPayload"].as_str().unwrap().split_once('#').unwrap();
    let scanned = phone.post(&format!("{PATH}/scan"), json!({"qrToken": qr_token})).await.ok();
    let decision = json!({"linkToken": scanned["linkToken"], "matchCode": made["matchCode"]});
    phone.post(&format!("{PATH}/link"), decision).await.ok();
    let redeem = format!("{PATH}/{}/token", made["id"].as_str().unwrap());
    let pair = phone.post(&redeem, json!({"pollSecret": made["pollSecret"]})).await.ok();
    let refresh = json!({"refreshToken": pair["refreshToken"]});
    let fresh = phone.post("/api/v1/auth/refresh", refresh).await.ok();
    api.stop().await;
    let log = api.log();
    assert!(log.contains("/api/v1/auth/qr-session/scan"), "{log}");
    assert!(log.contains(r#""level":"DEBUG""#), "it says no more than usual: {log}");
    for secret in [
        &made["pollSecret"],
        &json!(qr_token),
        &scanned["linkToken"],
        &pair["accessToken"],
        &pair["refreshToken"],
        &fresh["accessToken"],
        &fresh["refreshToken"],
    ] {
        let secret = secret.as_str().unwrap();
        let line = log.lines().find(|line| line.contains(secret));
        assert!(line.is_none(), "{line:?}");
    }
}
