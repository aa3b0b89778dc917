//! When the api, its database or its patience fails.

use std::time::Duration;

use api::auth::api_key;
use api::http::layered;
use axum::Router;
use axum::routing::get;
use reqwest::Method;
use serde_json::json;
use shared::settings::Value as _;
use tests::kit::{Answer, CONTACTS, Nobody, START, TestApp, until};
use uuid::Uuid;

use super::problem;

const UNAVAILABLE: &str = "The service is temporarily unavailable";

#[tokio::test]
async fn a_handler_that_panics_answers_500_and_tells_nothing() {
    async fn panics() {
        panic!("the password is hunter2");
    }
    let app =
        TestApp::serving(|_| {}, |api| layered(Router::new().route("/panics", get(panics)), api))
            .await;
    for _ in 0..2 {
        let answer = Answer::to(app.request(Method::GET, "/panics")).await;
        problem(answer, 500, "INTERNAL_ERROR", "Internal server error");
    }
}

#[tokio::test]
async fn a_database_that_refuses_a_statement_tells_the_caller_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.database.execute("revoke select on contacts from crm_app").await;
    problem(acme.get(CONTACTS).await, 500, "INTERNAL_ERROR", "Internal server error");
}

#[tokio::test]
async fn without_its_database_the_api_is_unavailable() {
    let nobody = Nobody::here();
    let url = format!("postgres://crm_app@{}/gone", nobody.address());
    let app =
        TestApp::configured(|config| config.db.url = shared::db::DatabaseUrl::parse(&url).unwrap())
            .await;
    let key = api_key::generate();
    let answer =
        Answer::to(app.request(Method::GET, CONTACTS).header("x-api-key", key.text.expose())).await;
    assert_eq!(answer.header("retry-after"), "1");
    problem(answer, 503, "SERVICE_UNAVAILABLE", UNAVAILABLE);
}

/// Changes settings of the api's role, and ends its sessions: later ones have them.
async fn begin_anew(app: &TestApp, settings: &[&str]) {
    for setting in settings {
        let sql = format!("alter role crm_app in database {} {setting}", app.database.name());
        app.database.execute(&sql).await;
    }
    app.database
        .execute(
            "select pg_terminate_backend(pid, 60000) from pg_stat_activity
             where usename = 'crm_app' and datname = current_database()",
        )
        .await;
}

#[tokio::test]
async fn a_restart_of_the_database_goes_unnoticed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    tokio::join!(acme.get(CONTACTS), acme.get(CONTACTS), acme.get(CONTACTS));
    begin_anew(&app, &[]).await;
    acme.get(CONTACTS).await.page();
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_and_still_done() {
    let app =
        TestApp::configured(|config| config.request_timeout = Duration::from_millis(500)).await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    // Not through the api, which has half a second for each request of this test.
    let insert = format!(
        "insert into contacts (tenant_id, id, name, created_at, updated_at)
         values ('{}', gen_random_uuid(), 'Ada', '{START}', '{START}')",
        acme.id
    );
    app.database.execute(&insert).await;
    let id: Uuid = sqlx::query_scalar("select id from contacts")
        .fetch_one(app.database.admin())
        .await
        .unwrap();
    let hold = app.database.hold("select from contacts for update").await;

    let answer = acme.put(&format!("{CONTACTS}/{id}"), json!({"name": "Grace"})).await;

    assert_eq!(answer.header("retry-after"), "1");
    problem(answer, 503, "SERVICE_UNAVAILABLE", UNAVAILABLE);
    app.database.waiting(1).await;
    hold.release().await;
    until("it is done", async || app.announced().await == ["contact.updated"]).await;
}

#[tokio::test]
async fn a_row_that_somebody_keeps_is_waited_for_only_so_long() {
    let app = TestApp::start().await;
    let database = app.database.name();
    app.database
        .execute(&format!("alter role crm_app in database {database} set lock_timeout = '100ms'"))
        .await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let hold = app.database.hold("select from contacts for update").await;

    let answer = acme.delete(&format!("{CONTACTS}/{}", contact["id"].as_str().unwrap())).await;

    assert_eq!(answer.header("retry-after"), "1");
    problem(answer, 503, "SERVICE_UNAVAILABLE", UNAVAILABLE);
    hold.release().await;
    assert_eq!(acme.get(CONTACTS).await.page().items, [contact]);
}

#[tokio::test]
async fn a_statement_that_takes_too_long_is_given_up_and_nothing_of_it_stays() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let announced = app.announced().await;
    // Only now: a slow machine may need longer for what has to succeed.
    begin_anew(&app, &["set lock_timeout = '1min'", "set statement_timeout = '100ms'"]).await;
    let hold = app.database.hold("select from contacts for update").await;

    let answer = acme.delete(&format!("{CONTACTS}/{}", contact["id"].as_str().unwrap())).await;

    problem(answer, 503, "SERVICE_UNAVAILABLE", UNAVAILABLE);
    hold.release().await;
    begin_anew(&app, &["reset all"]).await;
    assert_eq!(acme.get(CONTACTS).await.page().items, [contact]);
    assert_eq!(app.announced().await, announced);
}
