//! The flood guard, which stands in front of everything.

use std::time::{Duration, Instant};

use reqwest::Method;
use tests::kit::{Answer, CONTACTS, TestApp};

use super::addresses::loopback;
use super::{limited, stranger};

#[tokio::test]
async fn a_flood_is_refused_before_anybody_asks_who_it_is() {
    // So slow to refill that a slow machine sees the same.
    let app = TestApp::configured(limited(&[("FLOOD_GUARD", "3/24h")])).await;
    let acme = app.tenant("acme").await;
    acme.get(CONTACTS).await.page();
    acme.get("/nowhere").await.not_found("No such route");
    Answer::to(app.request(Method::GET, CONTACTS)).await.problem(401, "UNAUTHORIZED");
    app.database.execute("revoke execute on all functions in schema public from crm_app").await;

    let answer = acme.get(CONTACTS).await;

    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=28_801).contains(&wait), "{wait}");
    assert_eq!(answer.header("ratelimit-policy"), "\"flood\";q=3;w=86400");
    assert_eq!(answer.header("x-ratelimit-remaining"), "0");
    assert!(!answer.header("x-request-id").is_empty());
    let body = answer.problem(429, "RATE_LIMITED");
    assert_eq!(body["details"]["policy"], "flood");
    assert_eq!(body["details"]["limit"], "3/24h");
    assert_eq!(body["details"]["retryAfter"], wait.to_string());
    acme.get("/nowhere").await.problem(429, "RATE_LIMITED");
}

#[tokio::test]
async fn each_address_has_a_flood_guard_of_its_own() {
    let limits = limited(&[("FLOOD_GUARD", "1/24h")]);
    let app = TestApp::configured(|config| {
        limits(config);
        config.proxies = loopback();
    })
    .await;
    stranger(&app, "198.51.100.1").await.problem(401, "UNAUTHORIZED");
    stranger(&app, "198.51.100.2").await.problem(401, "UNAUTHORIZED");
    stranger(&app, "198.51.100.1").await.problem(429, "RATE_LIMITED");
}

#[tokio::test]
async fn whoever_waits_as_the_flood_guard_says_is_admitted() {
    let app = TestApp::configured(limited(&[("FLOOD_GUARD", "2/2s")])).await;
    let ask = async || Answer::to(app.request(Method::GET, "/nowhere")).await;
    let deadline = Instant::now() + Duration::from_mins(1);
    let refusal = loop {
        let answer = ask().await;
        if answer.status == 429 {
            break answer;
        }
        assert!(Instant::now() < deadline, "no refusal in a minute");
    };
    let wait = refusal.header("retry-after").parse().unwrap();
    tokio::time::sleep(Duration::from_secs(wait)).await;
    ask().await.not_found("No such route");
}
