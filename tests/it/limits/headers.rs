//! Every answer says how much is left, in both families of headers.

use std::time::Duration;

use api::http::routes::Class;
use reqwest::Method;
use serde_json::json;
use tests::kit::{Answer, CONTACTS, TestApp};
use uuid::Uuid;

use crate::openapi::{document, operations, resolved};

use super::limited;
use super::table::{TABLE, table};

const FAMILIES: [&str; 5] = [
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "ratelimit-policy",
    "ratelimit",
];

/// A quota of its own for each class.
const EACH: [(&str, &str); 6] = [
    ("RATE_LIMIT_LOGIN", "1001/1h"),
    ("RATE_LIMIT_QR", "1002/1h"),
    ("RATE_LIMIT_QR_POLL", "1003/1h"),
    ("RATE_LIMIT_REFRESH", "1004/1h"),
    ("RATE_LIMIT_WRITE", "1005/1h"),
    ("RATE_LIMIT_READ", "1006/1h"),
];

fn policy(class: Class) -> &'static str {
    match class {
        Class::Login => "\"login\";q=1001;w=3600",
        Class::Qr => "\"qr\";q=1002;w=3600",
        Class::QrPoll => "\"qr_poll\";q=1003;w=3600",
        Class::Refresh => "\"refresh\";q=1004;w=3600",
        Class::Write => "\"write\";q=1005;w=3600",
        Class::Read => "\"read\";q=1006;w=3600",
    }
}

#[track_caller]
fn counted(answer: &Answer, status: u16, class: Class) {
    assert_eq!(answer.status.as_u16(), status, "{:#}", answer.body);
    assert_eq!(answer.header("ratelimit-policy"), policy(class), "{status}");
    for name in FAMILIES {
        assert!(!answer.header(name).is_empty(), "{status} has no {name}");
    }
}

#[tokio::test]
async fn a_read_and_a_write_say_the_documents_numbers() {
    let own = [("RATE_LIMIT_READ", "100/15m"), ("RATE_LIMIT_WRITE", "1000/15m")];
    let app = TestApp::configured(limited(&own)).await;
    let acme = app.tenant("acme").await;
    let said = |answer: &Answer| FAMILIES.map(|name| answer.header(name).to_owned());
    // It is 03:04:05.678; the window ends at 03:15.
    let read = acme.get(CONTACTS).await;
    assert_eq!(
        said(&read),
        ["100", "99", "1767323700", "\"read\";q=100;w=900", "\"read\";r=99;t=655"]
    );
    let write = acme.post(CONTACTS, json!({"name": "Ada"})).await;
    assert_eq!(
        said(&write),
        ["1000", "999", "1767323700", "\"write\";q=1000;w=900", "\"write\";r=999;t=655"]
    );
    assert_eq!(acme.get(CONTACTS).await.header("x-ratelimit-remaining"), "98");
}

#[tokio::test]
async fn every_route_of_the_api_answers_with_the_headers_of_its_own_class() {
    let app = TestApp::configured(limited(&EACH)).await;
    let acme = app.tenant("acme").await;
    let routes = api::routes();
    assert!(routes.len() >= 15);
    for route in routes {
        let parts = route.path.split('/').map(|part| {
            let id = Uuid::from_u128(rand::random()).to_string();
            if part.starts_with('{') { id } else { part.to_owned() }
        });
        let path = parts.collect::<Vec<_>>().join("/");
        let answer = acme.call(route.method.clone(), &path, Some(json!({}))).await;
        let what = format!("{} {path}: {}", route.method, answer.status);
        assert_eq!(answer.header("ratelimit-policy"), policy(route.class), "{what}");
        for name in FAMILIES {
            assert!(!answer.header(name).is_empty(), "{what} has no {name}");
        }
    }
}

#[tokio::test]
async fn reads_are_counted_as_reads_and_changes_as_writes() {
    for route in api::routes() {
        let expected = if route.method == Method::GET { Class::Read } else { Class::Write };
        if route.path.starts_with("/api/v1/connection/")
            || route.path.starts_with("/api/v1/webhooks")
        {
            assert_eq!(route.class, expected, "{} {}", route.method, route.path);
        }
    }
}

#[test]
fn the_document_promises_the_refusal_and_its_headers_of_every_operation() {
    let document = document();
    for (name, operation) in operations(&document) {
        let refusal = resolved(&document, &operation["responses"]["429"]);
        let headers = refusal["headers"].as_object();
        let headers = headers.unwrap_or_else(|| panic!("{name} has no 429"));
        let named = |name: &&str| headers.keys().any(|key| key.eq_ignore_ascii_case(name));
        assert!(FAMILIES.iter().all(named), "{name}: {headers:?}");
        assert!(named(&"retry-after"), "{name}");
    }
}

#[tokio::test]
async fn an_answer_of_any_status_says_it() {
    let app = TestApp::configured(limited(&EACH)).await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await;
    counted(&contact, 201, Class::Write);
    let path = contact.header("location").to_owned();
    counted(&acme.get(&path).await, 200, Class::Read);
    counted(&acme.call(Method::HEAD, &path, None).await, 200, Class::Read);
    counted(&acme.put(&path, json!({"name": 5})).await, 400, Class::Write);
    counted(&acme.get(&format!("{CONTACTS}?colour=red")).await, 400, Class::Read);
    counted(&Answer::to(app.request(Method::GET, &path)).await, 401, Class::Read);
    counted(&acme.with_scopes(&[]).await.get(&path).await, 403, Class::Read);
    counted(&acme.delete(&path).await, 204, Class::Write);
    counted(&acme.get(&path).await, 404, Class::Read);
    let text = acme.request(Method::POST, CONTACTS).body("{}");
    counted(&Answer::to(text).await, 415, Class::Write);
}

#[tokio::test]
async fn an_answer_that_the_route_did_not_give_itself_says_it_too() {
    let app = TestApp::serving(limited(&EACH), table).await;
    for path in ["/panics", "/broken"] {
        let answer = Answer::to(app.request(Method::GET, &format!("{TABLE}{path}"))).await;
        counted(&answer, 500, Class::Read);
    }
    let limits = limited(&EACH);
    let app = TestApp::configured(|config| {
        limits(config);
        config.request_timeout = Duration::from_secs(2);
    })
    .await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await;
    let hold = app.database.hold("select from contacts for update").await;
    counted(&acme.delete(contact.header("location")).await, 503, Class::Write);
    hold.release().await;
}

#[tokio::test]
async fn a_limit_that_is_off_is_not_mentioned() {
    let app = TestApp::configured(limited(&[("RATE_LIMIT_WRITE", "5/15m")])).await;
    let acme = app.tenant("acme").await;
    let answer = acme.get(CONTACTS).await;
    for name in FAMILIES {
        assert_eq!(answer.header(name), "", "{name}");
    }
    assert_eq!(acme.post(CONTACTS, json!({})).await.header("x-ratelimit-remaining"), "4");
}
