//! `ETag`, `If-None-Match` and `If-Match` (RFC 9110, 13).

use api::http::routes::Access;
use reqwest::Method;
use serde_json::{Value, json};
use tests::kit::{Answer, CONTACTS, Tenant, TestApp};

use super::contact;

async fn with(
    tenant: &Tenant,
    method: Method,
    path: &str,
    header: (&str, &str),
    body: Option<Value>,
) -> Answer {
    let request = tenant.request(method, path).header(header.0, header.1);
    Answer::to(match body {
        Some(body) => request.json(&body),
        None => request,
    })
    .await
}

#[tokio::test]
async fn what_is_known_already_is_not_sent_again() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, path) = contact(&acme).await;
    for path in [path.clone(), CONTACTS.to_owned(), format!("{path}?fields=name")] {
        let first = acme.get(&path).await;
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"'), "{path}: {tag}");
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".into()] {
            let again = with(&acme, Method::GET, &path, ("if-none-match", &known), None).await;
            assert_eq!((again.status.as_u16(), again.body.clone()), (304, Value::Null), "{path}");
            assert_eq!(again.header("etag"), tag);
            assert_ne!(again.header("x-request-id"), "");
        }
        let other = with(&acme, Method::GET, &path, ("if-none-match", "\"other\""), None).await;
        assert_eq!(other.status, 200);
    }
}

#[tokio::test]
async fn a_change_changes_the_tag_and_the_answer_to_it_carries_the_new_one() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, path) = contact(&acme).await;
    let before = acme.get(&path).await.header("etag").to_owned();
    let changed = acme.put(&path, json!({"name": "Jane"})).await.header("etag").to_owned();
    assert_ne!(changed, before);
    assert_eq!(acme.get(&path).await.header("etag"), changed);
    let request = with(&acme, Method::GET, &path, ("if-none-match", &before), None).await;
    assert_eq!(request.status, 200);
}

#[tokio::test]
async fn a_writer_that_has_not_seen_the_last_change_is_refused_and_changes_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, path) = contact(&acme).await;
    let stale = acme.get(&path).await.header("etag").to_owned();
    acme.put(&path, json!({"name": "Jane"})).await.ok();

    for (method, body) in [
        (Method::PUT, Some(json!({"name": "Joan"}))),
        (Method::PATCH, Some(json!({"name": "Joan"}))),
        (Method::DELETE, None),
    ] {
        let refused = with(&acme, method, &path, ("if-match", &stale), body).await;
        let problem = refused.problem(412, "PRECONDITION_FAILED");
        assert_eq!(problem["details"]["version"], "2");
    }
    let kept = acme.get(&path).await;
    let fresh = kept.header("etag").to_owned();
    assert_eq!(kept.ok()["name"], "Jane");

    let body = Some(json!({"name": "Joan"}));
    let changed = with(&acme, Method::PUT, &path, ("if-match", &fresh), body).await;
    assert_eq!(changed.ok()["version"], 3);
    with(&acme, Method::DELETE, &path, ("if-match", "\"3\""), None).await.no_content();
}

#[tokio::test]
async fn several_lines_of_a_condition_are_one_list() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, path) = contact(&acme).await;
    let tag = acme.get(&path).await.header("etag").to_owned();
    let send = |method: Method, name: &str| {
        acme.request(method, &path).header(name, "\"other\"").header(name, &tag)
    };
    assert_eq!(Answer::to(send(Method::GET, "if-none-match")).await.status, 304);
    let change = send(Method::PUT, "if-match").json(&json!({"name": "Jane"}));
    assert_eq!(Answer::to(change).await.ok()["version"], 2);
    let late = send(Method::PUT, "if-match").json(&json!({"name": "Joan"}));
    Answer::to(late).await.problem(412, "PRECONDITION_FAILED");
}

#[tokio::test]
async fn a_condition_that_names_no_version_of_ours_fails() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, path) = contact(&acme).await;
    for tag in ["\"\"", "\"x\"", "nonsense", "\"2\"", "W/\"0-abc\"", ","] {
        let body = Some(json!({"name": "Joan"}));
        let refused = with(&acme, Method::PUT, &path, ("if-match", tag), body).await;
        refused.problem(412, "PRECONDITION_FAILED");
    }
    let body = Some(json!({"name": "Joan"}));
    with(&acme, Method::PUT, &path, ("if-match", "*"), body).await.ok();
}

#[tokio::test]
async fn of_two_writers_that_have_seen_the_same_one_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, path) = contact(&acme).await;
    let tag = acme.get(&path).await.header("etag").to_owned();
    let write = |name: &'static str| {
        with(&acme, Method::PUT, &path, ("if-match", &tag), Some(json!({ "name": name })))
    };
    let (a, b) = tokio::join!(write("Anna"), write("Bert"));
    let mut statuses = [a.status.as_u16(), b.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
}

#[test]
fn every_route_that_changes_a_record_by_its_id_is_documented_to_answer_412() {
    // An action on a record may be conditional too.
    for route in api::routes().into_iter().filter(|route| route.method != Method::POST) {
        // The settings are a record too, the only one of their kind.
        let one = route.path.ends_with("{id}") || route.path.ends_with("/settings");
        let by_id = one && matches!(route.access, Access::Scope(_));
        let changes = [Method::PUT, Method::PATCH, Method::DELETE].contains(&route.method);
        assert_eq!(
            route.doc.conditional,
            by_id && changes,
            "{} {}: Doc::conditional() goes with IfMatch",
            route.method,
            route.path
        );
    }
}
