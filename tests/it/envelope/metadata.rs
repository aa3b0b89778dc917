//! Metadata and headers.

use reqwest::Method;
use serde_json::{Value, json};
use tests::kit::{Answer, CONTACTS, START, TestApp};
use uuid::{Uuid, Version};

#[tokio::test]
async fn a_record_comes_in_the_documents_success_envelope() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let answer = acme.post(CONTACTS, json!({"name": "Ada"})).await;
    let id = answer.header("x-request-id");
    let data = answer.body["data"].clone();
    let metadata = json!({"timestamp": START, "requestId": id});
    assert_eq!(answer.body, json!({"success": true, "data": data, "metadata": metadata}));
    assert_eq!(data["name"], "Ada");
}

#[tokio::test]
async fn a_list_comes_in_the_documents_list_envelope() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let answer = acme.get(CONTACTS).await;
    let metadata = json!({"timestamp": START, "requestId": answer.header("x-request-id")});
    let pagination = json!({
        "total": 0, "page": 1, "pageSize": 20, "pages": 0, "totalIsEstimate": false, "hasMore": false,
        "nextCursor": null,
    });
    assert_eq!(
        answer.body,
        json!({"success": true, "data": [], "pagination": pagination, "metadata": metadata})
    );
}

#[tokio::test]
async fn a_refused_body_comes_in_the_documents_error_envelope() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let answer = acme.post(CONTACTS, json!({"name": "Ada", "email": "ada"})).await;
    let metadata = json!({"timestamp": START, "requestId": answer.header("x-request-id")});
    assert_eq!(
        answer.body,
        json!({
            "success": false,
            "error": "Validation failed",
            "code": "VALIDATION_ERROR",
            "details": {"email": "Invalid email format"},
            "metadata": metadata,
        })
    );
}

#[tokio::test]
async fn every_answer_has_a_request_id_even_one_without_a_body() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let path = format!("{CONTACTS}/{}", contact["id"].as_str().unwrap());
    let mut ids = Vec::new();
    for (method, path, status) in [
        (Method::GET, &*path, 200),
        (Method::DELETE, &path, 204),
        (Method::GET, &path, 404),
        (Method::PATCH, CONTACTS, 405),
        (Method::GET, "/nowhere", 404),
    ] {
        let answer = acme.call(method, path, None).await;
        assert_eq!(answer.status, status, "{path}");
        let id: Uuid = answer.header("x-request-id").parse().unwrap();
        assert_eq!(id.get_version(), Some(Version::SortRand));
        if status != 204 {
            assert_eq!(answer.body["metadata"]["requestId"], json!(id));
        }
        ids.push(id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[tokio::test]
async fn a_callers_own_request_id_is_kept_when_it_is_short_and_printable() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let longest = "x".repeat(128);
    for id in ["req-123", "0", "a/b:c~!", &longest] {
        let answer =
            Answer::to(acme.request(Method::GET, CONTACTS).header("x-request-id", id)).await;
        assert_eq!(
            (answer.header("x-request-id"), &answer.body["metadata"]["requestId"]),
            (id, &json!(id))
        );
    }
}

#[tokio::test]
async fn any_other_request_id_is_replaced() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let too_long = "x".repeat(129);
    for id in ["", "two words", "tab\there", "naïve", &too_long] {
        let answer =
            Answer::to(acme.request(Method::GET, CONTACTS).header("x-request-id", id)).await;
        assert!(answer.header("x-request-id").parse::<Uuid>().is_ok(), "{id:?}");
    }
}

#[tokio::test]
async fn answers_are_for_the_caller_alone_and_not_for_caches() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for path in [CONTACTS, "/nowhere"] {
        let answer = acme.get(path).await;
        assert_eq!(answer.header("cache-control"), "no-store, private");
        assert_eq!(answer.header("vary"), "Accept, Authorization, X-API-Key");
        assert_eq!(answer.header("content-type"), "application/json");
    }
}

#[tokio::test]
async fn a_head_request_is_answered_like_a_get_without_the_body() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let answer = acme.call(Method::HEAD, CONTACTS, None).await;
    assert_eq!((answer.status.as_u16(), answer.body.clone()), (200, Value::Null));
    assert_eq!(answer.header("content-type"), "application/json");
}
