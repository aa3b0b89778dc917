//! `/openapi.json` and `/docs`, for anyone and from no other host.

use http::StatusCode;
use serde_json::Value;
use tests::kit::{Answer, TestApp};

use super::document;
use crate::boot::process::Environment;

async fn text(app: &TestApp, path: &str) -> (http::HeaderMap, String) {
    let response = app.request(http::Method::GET, path).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    (response.headers().clone(), response.text().await.unwrap())
}

#[tokio::test]
async fn the_document_is_served_as_the_command_prints_it() {
    let app = TestApp::start().await;
    let (headers, served) = text(&app, "/openapi.json").await;
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!(served, Environment::empty().run(&["openapi"]).await.success());
    assert_eq!(serde_json::from_str::<Value>(&served).unwrap(), document());
}

#[tokio::test]
async fn the_reference_loads_nothing_from_any_other_host() {
    let app = TestApp::start().await;
    let (headers, page) = text(&app, "/docs/").await;
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'self';"), "{policy}");
    assert!(!policy.contains("http") && !policy.contains('*'), "{policy}");
    let parts = page.split(['"', '\'']);
    let links: Vec<&str> = parts.filter(|part| part.starts_with("./")).collect();
    assert!(links.len() >= 3, "{links:?}");
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
    for link in links {
        assert!(!link.contains("//"), "{link}");
        text(&app, &format!("/docs/{}", link.trim_start_matches("./"))).await;
    }
    let (_, start) = text(&app, "/docs/swagger-initializer.js").await;
    assert!(start.contains("/openapi.json") && !start.contains("://"), "{start}");
}

#[tokio::test]
async fn the_reference_is_found_without_its_slash_and_has_an_envelope_for_what_it_has_not() {
    let app = TestApp::start().await;
    assert!(text(&app, "/docs").await.1.contains("swagger"));
    let answer = Answer::to(app.request(http::Method::GET, "/docs/nothing.js")).await;
    assert_eq!((answer.status, &answer.body["code"]), (StatusCode::NOT_FOUND, &"NOT_FOUND".into()));
    let answer = Answer::to(app.request(http::Method::POST, "/openapi.json")).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}
