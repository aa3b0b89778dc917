//! Routes that are going away (RFC 9745, RFC 8594).

use api::http::deprecation::Deprecation;
use api::http::doc::Doc;
use api::http::routes::{Routes, router};
use api::http::{NoContent, layered};
use reqwest::Method;
use shared::scope::Scope;
use tests::kit::{Answer, CONTACTS, TestApp};

fn routes(app: api::App) -> axum::Router {
    let deprecation = Deprecation {
        since: "2026-01-01T00:00:00Z".parse().unwrap(),
        sunset: "2027-01-01T00:00:00Z".parse().unwrap(),
        guide: "https://example.com/upgrade",
    };
    let old = Routes::under("/old", "Old")
        .get("", Scope::ContactsRead, async || NoContent, Doc::done("old", "Old"))
        .deprecated(deprecation)
        .get("/new", Scope::ContactsRead, async || NoContent, Doc::done("new", "New"));
    layered(router(old.into_list(), &app), app)
}

#[tokio::test]
async fn a_route_that_is_going_away_says_so_on_every_answer_and_its_neighbours_do_not() {
    let app = TestApp::serving(|_| {}, routes).await;
    let acme = app.tenant("acme").await;
    let unknown = Answer::to(app.request(Method::GET, "/old")).await;
    for (answer, status) in [(acme.get("/old").await, 204), (unknown, 401)] {
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("deprecation"), "@1767225600");
        assert_eq!(answer.header("sunset"), "Fri, 01 Jan 2027 00:00:00 GMT");
        assert_eq!(
            answer.header("link"),
            "<https://example.com/upgrade>; rel=\"deprecation\"; type=\"text/html\""
        );
    }
    assert_eq!(acme.get("/old/new").await.header("deprecation"), "");
}

#[tokio::test]
async fn nothing_is_going_away_today() {
    assert!(api::routes().iter().all(|route| route.deprecation.is_none()));
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    assert_eq!(acme.get(CONTACTS).await.header("sunset"), "");
}
