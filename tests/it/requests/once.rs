//! `Idempotency-Key`: a repeated write is carried out once.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tests::kit::{Answer, CONTACTS, Tenant, TestApp, WEBHOOKS, raw};

async fn contacts(tenant: &Tenant) -> Value {
    tenant.get(CONTACTS).await.page().pagination["total"].clone()
}

#[tokio::test]
async fn a_repetition_gets_the_same_answer_and_changes_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"name": "John"});
    let first = acme.post_once(CONTACTS, "order-1", &body).await;
    app.advance(TimeDelta::hours(23));
    let again = acme.post_once(CONTACTS, "order-1", &body).await;
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
async fn a_change_and_a_deletion_are_carried_out_once_too() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "John"})).await.created();
    let path = format!("{CONTACTS}/{}", contact["id"].as_str().unwrap());
    let send = async |method: Method, key: &str| {
        let request = acme.request(method.clone(), &path).header("idempotency-key", key);
        let request = request.header("if-match", "\"1\"");
        let request =
            if method == Method::DELETE { request } else { request.json(&json!({"name": "Jane"})) };
        Answer::to(request).await
    };
    let changed = send(Method::PATCH, "change").await.ok();
    let again = send(Method::PATCH, "change").await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!((&again.ok(), &changed["version"]), (&changed, &json!(2)));
    send(Method::PUT, "change").await.problem(422, "IDEMPOTENCY_KEY_REUSED");
    send(Method::PUT, "other").await.problem(412, "PRECONDITION_FAILED");

    let delete = async || {
        let request = acme.request(Method::DELETE, &path).header("idempotency-key", "deletion");
        Answer::to(request).await
    };
    delete().await.no_content();
    let again = delete().await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    again.no_content();
    acme.delete(&path).await.not_found("Contact not found");
    let events = ["contact.created", "contact.updated", "contact.deleted"];
    assert_eq!(app.announced().await, events);
}

#[tokio::test]
async fn a_secret_that_is_shown_once_is_shown_to_a_repetition_and_kept_sealed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"url": "https://example.com", "events": ["*"]});
    let first = acme.post_once(WEBHOOKS, "hook", &body).await.created();
    assert_eq!(acme.post_once(WEBHOOKS, "hook", &body).await.created()["secret"], first["secret"]);
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
    acme.post_once(CONTACTS, "k", &json!({"name": "John"})).await.created();
    let other_body = acme.post_once(CONTACTS, "k", &json!({"name": "Jane"})).await;
    other_body.problem(422, "IDEMPOTENCY_KEY_REUSED");
    let other_path =
        acme.post_once(&format!("{path}/restore"), "k", &json!({"name": "John"})).await;
    other_path.problem(422, "IDEMPOTENCY_KEY_REUSED");
}

#[tokio::test]
async fn a_repetition_may_name_the_host_or_not() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let first = acme.post_once(CONTACTS, "k", &json!({"name": "John"})).await;
    let (host, key, body) = (app.address(), acme.key(), json!({"name": "John"}).to_string());
    let send = async |path: &str| {
        let request = format!(
            "POST http://{host}{path} HTTP/1.1\r\nhost: {host}\r\nx-api-key: {key}\r\nidempotency-key: k\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        raw::exchange(host, request.as_bytes()).await
    };
    let absolute = send(CONTACTS).await;
    assert!(absolute.starts_with("HTTP/1.1 201"), "{absolute}");
    assert!(absolute.contains("idempotency-replayed: true"), "{absolute}");
    assert!(absolute.contains(first.created()["id"].as_str().unwrap()), "{absolute}");
    // The query belongs to the request.
    let other = send(&format!("{CONTACTS}?dryRun=false")).await;
    assert!(other.contains("IDEMPOTENCY_KEY_REUSED"), "{other}");
}

#[tokio::test]
async fn keys_belong_to_the_caller_that_sent_them() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let user = acme.with_role(shared::scope::Role::Admin).await;
    for caller in [&acme, &globex, &user] {
        let answer = caller.post_once(CONTACTS, "same", &json!({"name": "John"})).await;
        assert_eq!(answer.header("idempotency-replayed"), "");
        answer.created();
    }
}

#[tokio::test]
async fn a_request_that_failed_can_be_sent_again_corrected() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.post_once(CONTACTS, "k", &json!({"name": ""})).await.problem(400, "VALIDATION_ERROR");
    acme.post_once(CONTACTS, "k", &json!({"name": "John"})).await.created();
}

#[tokio::test]
async fn a_repetition_that_comes_meanwhile_gets_the_answer_and_not_what_it_met_with() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let (_, path) = super::contact(&acme).await;
    let body = json!({"name": "John", "externalId": "7"});
    let hold = app.database.hold("lock table contacts in share row exclusive mode").await;
    let waiting = async {
        app.database.waiting(2).await;
        hold.release().await;
    };
    let (one, other, ()) = tokio::join!(
        acme.post_once(CONTACTS, "k", &body),
        acme.post_once(CONTACTS, "k", &body),
        waiting
    );
    assert_eq!(one.created(), other.created(), "although the external id is taken by then");
    let hold = app.database.hold("select from contacts for update").await;
    let waiting = async {
        app.database.waiting(2).await;
        hold.release().await;
    };
    let delete = || Answer::to(acme.request(Method::DELETE, &path).header("idempotency-key", "d"));
    let (one, other, ()) = tokio::join!(delete(), delete(), waiting);
    one.no_content();
    other.no_content();
}

#[tokio::test]
async fn whose_key_is_in_use_for_too_long_is_told_so_and_nothing_is_done() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.post_once(CONTACTS, "k", &json!({"name": "John"})).await.created();
    let other = "insert into idempotency_keys (tenant_id, principal, key, fingerprint, answer, expires_at)
                 select tenant_id, principal, 'other', fingerprint, answer, expires_at from idempotency_keys";
    let hold = app.database.hold(other).await;
    let jane = json!({"name": "Jane"});
    acme.post_once(CONTACTS, "other", &jane).await.problem(409, "IDEMPOTENCY_CONFLICT");
    assert_eq!(acme.get(CONTACTS).await.page().names(), ["John"]);
    assert_eq!(app.announced().await, ["contact.created"]);
    hold.release().await;
    acme.post_once(CONTACTS, "other", &jane).await.created();
    assert_eq!(contacts(&acme).await, 2);
}

#[tokio::test]
async fn after_a_day_a_key_is_forgotten() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"name": "John"});
    acme.post_once(CONTACTS, "k", &body).await.created();
    app.advance(TimeDelta::hours(24));
    let later = acme.post_once(CONTACTS, "k", &body).await;
    assert_eq!(later.header("idempotency-replayed"), "");
    later.created();
    assert_eq!(contacts(&acme).await, 2);
}

#[tokio::test]
async fn the_worker_removes_what_is_forgotten_and_nothing_else() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let worker = app.worker_db();
    let body = json!({"name": "John"});
    acme.post_once(CONTACTS, "old", &body).await.created();
    app.advance(TimeDelta::hours(23));
    acme.post_once(CONTACTS, "new", &body).await.created();
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
    let kept = acme.post_once(CONTACTS, "new", &body).await;
    assert_eq!(kept.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn an_answer_that_was_just_renewed_is_not_removed_in_its_place() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let worker = app.worker_db();
    acme.post_once(CONTACTS, "nightly", &json!({"name": "John"})).await.created();
    app.advance(TimeDelta::hours(24));
    let renewed = "update idempotency_keys set expires_at = expires_at + interval '1 day'";
    let hold = app.database.hold(renewed).await;
    let sweep = tokio::spawn(async move { worker::sweep::forget_answers(&worker).await });
    app.database.waiting(1).await;
    hold.commit().await;
    assert_eq!(sweep.await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn of_many_requests_at_once_one_is_carried_out_and_all_get_its_answer() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"name": "John"});
    let calls = (0..12).map(|_| acme.post_once(CONTACTS, "burst", &body));
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
        acme.post_once(CONTACTS, key, &json!({"name": "John"})).await.invalid(&fault);
    }
    acme.post_once(CONTACTS, &"k".repeat(255), &json!({"name": "John"})).await.created();
}
