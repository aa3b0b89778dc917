//! One request too many: what it is told, whom it counts for, and when it may come back.

use api::config::Config;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared::scope::Role;
use tests::kit::{Answer, CONTACTS, TestApp};

use super::addresses::loopback;
use super::limited;
use super::table::{TABLE, table};

/// Expects one request too many of this policy, and takes the whole body.
#[track_caller]
fn refused(answer: Answer, policy: &str) -> Value {
    assert_eq!(answer.header("retry-after").parse::<u32>().ok().filter(|wait| *wait > 0), {
        let said = answer.body["details"]["retryAfter"].as_str();
        said.and_then(|said| said.parse().ok())
    });
    assert_eq!(answer.header("x-ratelimit-remaining"), "0");
    assert!(answer.header("ratelimit-policy").starts_with(&format!("\"{policy}\";")));
    let body = answer.problem(429, "RATE_LIMITED");
    assert_eq!(body["details"]["policy"], policy);
    body
}

#[tokio::test]
async fn the_request_after_the_last_is_refused_in_the_envelope() {
    let app = TestApp::configured(limited(&[("RATE_LIMIT_READ", "2/15m")])).await;
    let acme = app.tenant("acme").await;
    for left in ["1", "0"] {
        let answer = acme.get(CONTACTS).await;
        assert_eq!(answer.header("x-ratelimit-remaining"), left);
        assert_eq!(answer.header("retry-after"), "");
        answer.page();
    }
    let answer = acme.get(CONTACTS).await;
    // 654.322 s to the end of the window, and half of the next one until one of the two has faded.
    assert_eq!(answer.header("retry-after"), "1105");
    assert_eq!(answer.header("ratelimit"), "\"read\";r=0;t=1105");
    assert_eq!(answer.header("x-ratelimit-reset"), "1767324150");
    let body = refused(answer, "read");
    assert_eq!(body["error"], "Too many requests");
    let details = json!({"policy": "read", "limit": "2/15m", "retryAfter": "1105"});
    assert_eq!(body["details"], details);
}

#[tokio::test]
async fn whoever_waits_as_told_is_admitted_and_a_second_earlier_nobody_is() {
    let app = TestApp::configured(limited(&[("RATE_LIMIT_READ", "7/1m")])).await;
    let acme = app.tenant("acme").await;
    for pause in [0, 1, 13, 29, 31, 47, 59, 3] {
        app.advance(TimeDelta::milliseconds(pause * 1_000 + 333));
        let refusal = loop {
            let answer = acme.get(CONTACTS).await;
            if answer.status == 429 {
                break answer;
            }
        };
        let wait: i64 = refusal.header("retry-after").parse().unwrap();
        assert!((1..=120).contains(&wait), "{wait}");
        app.advance(TimeDelta::seconds(wait - 1));
        refused(acme.get(CONTACTS).await, "read");
        app.advance(TimeDelta::seconds(1));
        acme.get(CONTACTS).await.page();
    }
}

#[tokio::test]
async fn a_refused_request_does_nothing() {
    let app = TestApp::configured(limited(&[("RATE_LIMIT_WRITE", "1/15m")])).await;
    let acme = app.tenant("acme").await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    refused(acme.post(CONTACTS, json!({"name": "Grace"})).await, "write");
    assert_eq!(acme.get(CONTACTS).await.page().names(), ["Ada"]);
    assert_eq!(app.announced().await, ["contact.created"]);
}

#[tokio::test]
async fn keys_users_and_tenants_are_counted_apart_and_reads_apart_from_writes() {
    let own = [("RATE_LIMIT_READ", "1/15m"), ("RATE_LIMIT_WRITE", "1/15m")];
    let app = TestApp::configured(limited(&own)).await;
    let acme = app.tenant("acme").await;
    let callers = [
        acme.clone(),
        acme.with_scopes(shared::scope::Scope::ALL).await,
        acme.with_role(Role::Member).await,
        acme.with_role(Role::Member).await,
        app.tenant("globex").await,
    ];
    for caller in &callers {
        caller.get(CONTACTS).await.page();
        caller.post(CONTACTS, json!({"name": "Ada"})).await.created();
    }
    for caller in &callers {
        refused(caller.get(CONTACTS).await, "read");
        refused(caller.post(CONTACTS, json!({"name": "Ada"})).await, "write");
    }
}

#[tokio::test]
async fn a_user_is_counted_once_whatever_token_is_shown() {
    let app = TestApp::configured(limited(&[("RATE_LIMIT_READ", "1/15m")])).await;
    let acme = app.tenant("acme").await;
    let user = acme.user(Role::Member).await;
    let (first, second) = (acme.as_user(user).await, acme.as_user(user).await);
    first.get(CONTACTS).await.page();
    refused(second.get(CONTACTS).await, "read");
}

#[tokio::test]
async fn who_fails_to_authenticate_is_counted_by_address_and_disturbs_nobody_who_does() {
    let app = TestApp::configured(limited(&[("RATE_LIMIT_READ", "2/15m")])).await;
    let acme = app.tenant("acme").await;
    for _ in 0..2 {
        Answer::to(app.request(Method::GET, CONTACTS)).await.problem(401, "UNAUTHORIZED");
    }
    let wrong = app.request(Method::GET, CONTACTS).header("x-api-key", "crm_live_wrong");
    refused(Answer::to(wrong).await, "read");
    acme.get(CONTACTS).await.page();
}

#[tokio::test]
async fn a_token_that_has_expired_is_told_so_however_many_share_its_address() {
    let app = TestApp::configured(limited(&[("RATE_LIMIT_READ", "2/15m")])).await;
    let acme = app.tenant("acme").await;
    let user = acme.user(Role::Member).await;
    let session = acme.as_user(user).await;
    app.advance(TimeDelta::hours(2));
    for _ in 0..4 {
        session.get(CONTACTS).await.problem(401, "TOKEN_EXPIRED");
    }
}

#[tokio::test]
async fn a_missing_scope_counts_for_the_caller() {
    let app = TestApp::configured(limited(&[("RATE_LIMIT_READ", "1/15m")])).await;
    let nobody = app.tenant("acme").await.with_scopes(&[]).await;
    nobody.get(CONTACTS).await.problem(403, "INSUFFICIENT_SCOPE");
    refused(nobody.get(CONTACTS).await, "read");
}

#[tokio::test]
async fn signing_in_is_limited_by_address_and_by_whatever_the_handler_sees() {
    let app = TestApp::serving(limited(&[("RATE_LIMIT_LOGIN", "3/15m")]), table).await;
    let login = async |identity: &'static str, from: &str| {
        let path = format!("{TABLE}/login");
        let request = app.request(Method::POST, &path).header("x-forwarded-for", from);
        Answer::to(request.body(identity)).await
    };
    // Nobody trusts this machine's word: it is one address.
    for identity in ["ada", "grace", "ada"] {
        login(identity, "198.51.100.1").await.no_content();
    }
    refused(login("linus", "198.51.100.2").await, "login");
}

#[tokio::test]
async fn one_identity_is_limited_from_many_addresses() {
    let limits = limited(&[("RATE_LIMIT_LOGIN", "3/15m")]);
    let trusting = |config: &mut api::config::Config| {
        limits(config);
        config.proxies = super::addresses::loopback();
    };
    let app = TestApp::serving(trusting, table).await;
    let login = async |identity: &'static str, from: u8| {
        let path = format!("{TABLE}/login");
        let request = app.request(Method::POST, &path);
        let request = request.header("x-forwarded-for", format!("198.51.100.{from}"));
        Answer::to(request.body(identity)).await
    };
    for from in 1..=3 {
        login("ada", from).await.no_content();
    }
    refused(login("ada", 4).await, "login");
    login("grace", 4).await.no_content();
}

#[tokio::test]
async fn polling_is_counted_by_qr_session_and_address() {
    let limits = limited(&[("RATE_LIMIT_QR_POLL", "2/1m")]);
    let behind = |config: &mut Config| {
        limits(config);
        config.proxies = loopback();
    };
    let app = TestApp::serving(behind, table).await;
    let poll_from = async |address: &str, session: &str| {
        let request = app.request(Method::GET, &format!("{TABLE}/qr/{session}/status"));
        Answer::to(request.header("x-forwarded-for", address)).await
    };
    let poll = async |session: &str| poll_from("198.51.100.1", session).await;
    for _ in 0..2 {
        poll("one").await.no_content();
        poll("two").await.no_content();
    }
    refused(poll("one").await, "qr_poll");
    // The same session in another spelling.
    refused(poll("%6Fne").await, "qr_poll");
    // Whoever saw the code knows the session, and takes nothing from its screen.
    poll_from("198.51.100.2", "one").await.no_content();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    poll(id).await.no_content();
    poll(&id.to_uppercase()).await.no_content();
    refused(poll(&id.replace('-', "")).await, "qr_poll");
    app.advance(TimeDelta::minutes(2));
    poll("one").await.no_content();
}

#[tokio::test]
async fn a_route_with_a_class_of_its_own_is_counted_by_caller_in_that_class() {
    let app = TestApp::serving(limited(&[("RATE_LIMIT_QR", "1/1m")]), table).await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let scan = format!("{TABLE}/scan");
    acme.call(Method::POST, &scan, None).await.no_content();
    globex.call(Method::POST, &scan, None).await.no_content();
    refused(acme.call(Method::POST, &scan, None).await, "qr");
    acme.delete(&format!("{TABLE}/record")).await.no_content();
}
