//! `Accept: application/problem+json`: errors as RFC 9457 has them.

use reqwest::Method;
use serde_json::json;
use tests::kit::{Answer, CONTACTS, TestApp};

#[tokio::test]
async fn errors_come_as_problems_to_whom_asks_for_them() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for accept in ["application/problem+json", "application/json, application/problem+json;q=0.9"] {
        let request = acme.request(Method::POST, CONTACTS).header("accept", accept);
        let answer = Answer::to(request.json(&json!({"email": "x"}))).await;
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let id = answer.header("x-request-id").to_owned();
        assert_eq!(
            answer.body,
            json!({
                "type": "urn:liaison:problem:VALIDATION_ERROR",
                "title": "Bad Request",
                "status": 400,
                "detail": "Validation failed",
                "instance": format!("urn:request:{id}"),
                "code": "VALIDATION_ERROR",
                "errors": {"email": "Invalid email format", "name": "Is required"},
            })
        );
    }
}

#[tokio::test]
async fn the_same_goes_for_answers_that_no_handler_gives() {
    let app = TestApp::start().await;
    for (method, path, status) in [
        (Method::GET, "/nowhere", 404),
        (Method::DELETE, CONTACTS, 405),
        (Method::GET, CONTACTS, 401),
    ] {
        let request = app.request(method, path).header("accept", "application/problem+json");
        let answer = Answer::to(request).await;
        assert_eq!(answer.header("content-type"), "application/problem+json");
        assert_eq!((answer.status.as_u16(), &answer.body["status"]), (status, &json!(status)));
    }
}

#[tokio::test]
async fn what_went_well_comes_in_the_envelope_all_the_same() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let request = acme.request(Method::GET, CONTACTS).header("accept", "application/problem+json");
    let answer = Answer::to(request).await;
    assert_eq!(answer.header("content-type"), "application/json");
    answer.page();
}
