//! Paths and methods that do not exist.

use api::http::routes::Access;
use reqwest::Method;
use serde_json::json;
use tests::kit::{Answer, CONTACTS, PIPELINES, TestApp, raw};

use super::problem;

#[tokio::test]
async fn an_unknown_path_is_not_found_for_everyone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for path in [
        "/",
        "/nowhere",
        "/api/v1",
        "/api/v1/connection/contacts/",
        "/api/v2/webhooks",
        "/api/v1/contact%FF",
    ] {
        problem(acme.get(path).await, 404, "NOT_FOUND", "No such route");
        problem(
            Answer::to(app.request(Method::POST, path)).await,
            404,
            "NOT_FOUND",
            "No such route",
        );
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_which_ones_are_right() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = format!("{CONTACTS}/00000000-0000-0000-0000-000000000000");
    for (method, path, allow) in [
        (Method::PUT, CONTACTS, "GET,HEAD,POST"),
        (Method::DELETE, CONTACTS, "GET,HEAD,POST"),
        (Method::POST, &contact, "DELETE,GET,HEAD,PATCH,PUT"),
        (Method::OPTIONS, &contact, "DELETE,GET,HEAD,PATCH,PUT"),
        (Method::GET, &format!("{contact}/restore"), "POST"),
        (Method::from_bytes(b"BREW").unwrap(), CONTACTS, "GET,HEAD,POST"),
    ] {
        let answer = acme.call(method, path, None).await;
        let mut allowed: Vec<&str> = answer.header("allow").split(',').map(str::trim).collect();
        allowed.sort_unstable();
        assert_eq!(allowed.join(","), allow, "{path}");
        problem(answer, 405, "METHOD_NOT_ALLOWED", "Method not allowed");
    }
}

#[tokio::test]
async fn a_request_that_is_no_http_is_refused_and_harms_nobody() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for nonsense in [
        "GET\r\n\r\n",
        "\x16\x03\x01\x02",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nbad header\r\n\r\n",
    ] {
        let answer = raw::exchange(app.address(), nonsense.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{nonsense:?}: {answer}");
    }
    acme.get(CONTACTS).await.page();
}

#[tokio::test]
async fn a_parameter_that_means_nothing_is_named_on_every_route() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let user = acme.as_user(acme.owner).await;
    let routes = api::routes();
    assert!(routes.len() > 100, "{} routes", routes.len());
    for route in routes {
        let path = route.path.replace("{id}", &acme.id.to_string());
        let path = path.replace("{eventId}", &acme.id.to_string());
        let user_only = matches!(route.access, Access::User | Access::Session);
        let caller = if user_only { &user } else { &acme };
        let body = route.doc.body.is_some().then(|| json!({"name": "Sales"}));
        let answer = caller.call(route.method, &format!("{path}?colour=red&size=1"), body).await;
        answer.invalid(&json!({"colour": "Unknown parameter", "size": "Unknown parameter"}));
    }
}

#[tokio::test]
async fn everything_that_is_wrong_with_a_query_is_told_at_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let pipeline = format!("{PIPELINES}/{}", acme.id);
    for (method, path, named) in [
        (
            Method::GET,
            format!("{CONTACTS}?fields=x&pageSize=101&colour=red"),
            "colour fields pageSize",
        ),
        (Method::GET, "/api/v1/events?colour=red&limit=0".to_owned(), "colour limit"),
        (
            Method::POST,
            format!("{CONTACTS}/import?colour=red&mode=x&dryRun=x"),
            "colour dryRun mode",
        ),
        (Method::DELETE, format!("{pipeline}?colour=red&moveLeadsTo=x"), "colour moveLeadsTo"),
    ] {
        let answer = acme.call(method, &path, None).await;
        let body = answer.problem(400, "VALIDATION_ERROR");
        let told: Vec<&String> = body["details"].as_object().unwrap().keys().collect();
        assert_eq!(told, named.split(' ').collect::<Vec<_>>(), "{path}");
    }
}
