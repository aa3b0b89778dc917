//! `dryRun=true`: everything is checked, nothing is kept.

use reqwest::Method;
use serde_json::json;
use tests::kit::{Answer, CONTACTS, TestApp, WEBHOOKS};

use super::contact;

#[tokio::test]
async fn a_rehearsal_answers_like_the_real_thing_names_its_events_and_keeps_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (before, path) = contact(&acme).await;
    let announced = app.announced().await.len();
    let calls = [
        (Method::POST, CONTACTS.to_owned(), Some(json!({"name": "Jane"})), 201, "contact.created"),
        (Method::PUT, path.clone(), Some(json!({"name": "Jane"})), 200, "contact.updated"),
        (Method::PATCH, path.clone(), Some(json!({"name": "Jane"})), 200, "contact.updated"),
    ];
    for (method, target, body, status, event) in calls {
        let answer = acme.call(method, &format!("{target}?dryRun=true"), body).await;
        assert_eq!(answer.status, status, "{:#}", answer.body);
        assert_eq!(answer.body["metadata"]["dryRun"], true);
        assert_eq!(answer.body["metadata"]["events"], json!([event]));
        assert_eq!(answer.body["data"]["name"], "Jane");
        assert_eq!((answer.header("location"), answer.header("etag")), ("", ""));
    }
    let gone = acme.delete(&format!("{path}?dryRun=true")).await;
    assert_eq!((gone.status.as_u16(), &gone.body["data"]), (200, &json!(null)));
    assert_eq!(gone.body["metadata"]["events"], json!(["contact.deleted"]));
    assert_eq!(acme.get(CONTACTS).await.page().items, [before]);
    assert_eq!(app.announced().await.len(), announced);
    let audited: i64 =
        sqlx::query_scalar("select count(*) from audit_log where record_type = 'contact'")
            .fetch_one(app.database.admin())
            .await
            .unwrap();
    assert_eq!(audited, 1);
}

#[tokio::test]
async fn a_rehearsal_is_refused_like_the_real_thing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let path = format!("{CONTACTS}?dryRun=true");
    acme.post(&path, json!({"name": ""})).await.problem(400, "VALIDATION_ERROR");
    let missing = format!("{CONTACTS}/{}?dryRun=true", uuid::Uuid::nil());
    acme.delete(&missing).await.not_found("Contact not found");
}

#[tokio::test]
async fn a_rehearsal_does_not_use_up_an_idempotency_key() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let post = |path: String| {
        let request = acme.request(Method::POST, &path).header("idempotency-key", "k");
        Answer::to(request.json(&json!({"name": "John"})))
    };
    post(format!("{CONTACTS}?dryRun=true")).await.created();
    let real = post(CONTACTS.to_owned()).await;
    assert_eq!(real.header("idempotency-replayed"), "");
    real.created();
}

#[tokio::test]
async fn the_switch_is_true_or_false_and_only_for_changes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"name": "John"});
    let wrong = acme.post(&format!("{CONTACTS}?dryRun=yes"), body.clone()).await;
    wrong.invalid(&json!({"dryRun": "Must be true or false"}));
    let twice = acme.post(&format!("{CONTACTS}?dryRun=true&dryRun=false"), body.clone()).await;
    twice.invalid(&json!({"dryRun": "Is given twice"}));
    acme.post(&format!("{CONTACTS}?dryRun=false"), body).await.created();
    for path in [CONTACTS, WEBHOOKS] {
        let reading = acme.get(&format!("{path}?dryRun=true")).await;
        reading.invalid(&json!({"dryRun": "Unknown parameter"}));
    }
}
