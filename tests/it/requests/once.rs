//! `Idempotency-Key`: a repeated POST is carried out once.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared::Db;
use shared::db::{DatabaseUrl, DbConfig};
use shared::settings::Value as _;
use tests::kit::{Answer, CONTACTS, Tenant, TestApp, WEBHOOKS};

async fn post(tenant: &Tenant, path: &str, key: &str, body: &Value) -> Answer {
    let request = tenant.request(Method::POST, path).header("idempotency-key", key);
    Answer::to(request.json(body)).await
}

async fn contacts(tenant: &Tenant) -> Value {
    tenant.get(CONTACTS).await.page().pagination["total"].clone()
}

#[tokio::test]
async fn a_repetition_gets_the_same_answer_and_changes_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"name": "John"});
    let first = post(&acme, CONTACTS, "order-1", &body).await;
    app.advance(TimeDelta::hours(23));
    let again = post(&acme, CONTACTS, "order-1", &body).await;
    assert_eq!(
        (first.header("idempotency-replayed"), again.header("idempotency-replayed")),
        ("", "true")
    );
    for header in ["location", "etag"] {
        assert_ne!(first.header(header), "");
        assert_eq!(first.header(header), again.header(header));
    }
    assert_ne!(first.header("x-request-id"), again.header("x-request-id"));
    assert_eq!(first.created(), again.created());
    assert_eq!(contacts(&acme).await, 1);
    assert_eq!(app.announced().await, ["contact.created"]);
}

#[tokio::test]
async fn a_secret_that_is_shown_once_is_shown_to_a_repetition_and_kept_sealed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"url": "https://example.com", "events": ["*"]});
    let first = post(&acme, WEBHOOKS, "hook", &body).await.created();
    assert_eq!(post(&acme, WEBHOOKS, "hook", &body).await.created()["secret"], first["secret"]);
    let kept: Vec<u8> = sqlx::query_scalar("select answer from idempotency_keys")
        .fetch_one(app.database.admin())
        .await
        .unwrap();
    let id = first["id"].as_str().unwrap().as_bytes();
    assert!(!kept.windows(id.len()).any(|part| part == id), "the answer lies open");
}

#[tokio::test]
async fn a_key_of_another_request_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, path) = super::contact(&acme).await;
    post(&acme, CONTACTS, "k", &json!({"name": "John"})).await.created();
    let other_body = post(&acme, CONTACTS, "k", &json!({"name": "Jane"})).await;
    other_body.problem(422, "IDEMPOTENCY_KEY_REUSED");
    let other_path = post(&acme, &format!("{path}/restore"), "k", &json!({"name": "John"})).await;
    other_path.problem(422, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn keys_belong_to_the_caller_that_sent_them() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let user = acme.with_role(shared::scope::Role::Admin).await;
    for caller in [&acme, &globex, &user] {
        let answer = post(caller, CONTACTS, "same", &json!({"name": "John"})).await;
        assert_eq!(answer.header("idempotency-replayed"), "");
        answer.created();
    }
}

#[tokio::test]
async fn a_request_that_failed_can_be_sent_again_corrected() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    post(&acme, CONTACTS, "k", &json!({"name": ""})).await.problem(400, "VALIDATION_ERROR");
    post(&acme, CONTACTS, "k", &json!({"name": "John"})).await.created();
}

#[tokio::test]
async fn after_a_day_a_key_is_forgotten() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"name": "John"});
    post(&acme, CONTACTS, "k", &body).await.created();
    app.advance(TimeDelta::hours(24));
    let later = post(&acme, CONTACTS, "k", &body).await;
    assert_eq!(later.header("idempotency-replayed"), "");
    later.created();
    assert_eq!(contacts(&acme).await, 2);
}

#[tokio::test]
async fn the_worker_removes_what_is_forgotten_and_nothing_else() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let url = DatabaseUrl::parse(&app.database.worker_url()).unwrap();
    let config = DbConfig { url, connections: 1, application: "sweep", settings: &[] };
    let worker = Db::new(&config, app.clock.clone());
    let body = json!({"name": "John"});
    post(&acme, CONTACTS, "old", &body).await.created();
    app.advance(TimeDelta::hours(23));
    post(&acme, CONTACTS, "new", &body).await.created();
    app.advance(TimeDelta::hours(1));
    assert_eq!(worker::sweep::forget_answers(&worker).await.unwrap(), 1);
    assert_eq!(worker::sweep::forget_answers(&worker).await.unwrap(), 0);
    // However many there are.
    app.database
        .execute(
            "insert into idempotency_keys (tenant_id, principal, key, fingerprint, answer, expires_at)
             select id, 'somebody', n::text, '', '', '2026-01-01' from tenants, generate_series(1, 2500) n",
        )
        .await;
    assert_eq!(worker::sweep::forget_answers(&worker).await.unwrap(), 2500);
    let kept = post(&acme, CONTACTS, "new", &body).await;
    assert_eq!(kept.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn of_many_requests_at_once_one_is_carried_out_and_all_get_its_answer() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"name": "John"});
    let calls = (0..12).map(|_| post(&acme, CONTACTS, "burst", &body));
    let answers = futures_util::future::join_all(calls).await;
    let fresh = answers.iter().filter(|answer| answer.header("idempotency-replayed").is_empty());
    assert_eq!(fresh.count(), 1);
    let ids: Vec<Value> =
        answers.into_iter().map(|answer| answer.created()["id"].clone()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    assert_eq!(contacts(&acme).await, 1);
}

#[tokio::test]
async fn a_key_that_is_none_is_named() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let fault = json!({"Idempotency-Key": "Must be 1 to 255 visible ASCII characters"});
    for key in ["", " ", "a b", &"k".repeat(256)] {
        post(&acme, CONTACTS, key, &json!({"name": "John"})).await.invalid(&fault);
    }
    post(&acme, CONTACTS, &"k".repeat(255), &json!({"name": "John"})).await.created();
}
