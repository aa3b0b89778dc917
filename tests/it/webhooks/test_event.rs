//! Test events: an example, sent as a real event would be.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared::event::EventType;
use shared::scope::Scope;
use tests::kit::{Answer, Subscriber, Tenant, TestApp};

use crate::openapi::{document, faults};

async fn test(tenant: &Tenant, subscriber: &Subscriber, body: Value) -> Answer {
    tenant.post(&format!("{}/test", subscriber.path()), body).await
}

#[tokio::test]
async fn a_test_event_arrives_signed_and_marked_at_this_webhook_only_and_is_shown_like_others() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (tested, other) = (acme.subscribe(&["lead.*"]).await, acme.subscribe(&["*"]).await);
    let answer = test(&acme, &tested, json!({})).await;
    let location = answer.header("location").to_owned();
    let sent = answer.created();
    assert_eq!((&sent["event"], &sent["trigger"]), (&json!("lead.created"), &json!("test")));
    assert_eq!((&sent["status"], &sent["sequence"]), (&json!("pending"), &json!(null)));
    assert_eq!(app.announced().await, Vec::<String>::new());
    app.worker().drain().await.unwrap();

    let call = tested.receiver.only_call();
    call.assert_signed(&tested.secret);
    assert_eq!(call.header("x-webhook-trigger"), "test");
    assert_eq!(call.header("webhook-id"), sent["id"]);
    let body = call.json();
    assert_eq!((&body["test"], &body["sequence"]), (&json!(true), &json!(0)));
    assert_eq!((&body["data"], &body["data"]["tenantId"]), (&sent["payload"], &json!(acme.id)));
    assert_eq!((&body["id"], &body["occurrenceId"]), (&sent["id"], &sent["occurrenceId"]));
    assert_eq!(other.receiver.calls().len(), 0);
    let shown = acme.get(&location).await.ok();
    assert_eq!(
        (&shown["status"], &shown["attemptLog"][0]["trigger"]),
        (&json!("delivered"), &json!("test"))
    );
    assert_eq!(tested.only_delivery().await, shown);
    assert_eq!(acme.get("/api/v1/events?after=0").await.ok()["events"], json!([]));
    let entry = &acme.get("/api/v1/audit-log?action=webhook.tested").await.page().items[0];
    assert_eq!(entry["record"]["id"], json!(tested.id));
}

#[tokio::test]
async fn every_event_can_be_tested_whatever_the_webhook_listens_for() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["contact.created"]).await;
    let document = document();
    for event in EventType::ALL {
        let asked = json!({"event": event.as_str()});
        assert_eq!(test(&acme, &subscriber, asked).await.created()["event"], event.as_str());
    }
    app.worker().drain().await.unwrap();
    let calls = subscriber.receiver.calls();
    assert_eq!(calls.len(), EventType::ALL.len());
    for call in calls {
        let (body, event) = (call.json(), call.header("x-webhook-event"));
        let operation = &document["webhooks"][event]["post"];
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let faults = faults(&document, schema, &body);
        assert!(faults.is_empty(), "{event}: {faults:#?}\n{body:#}");
    }
    subscriber.switch(false).await;
    let refused = test(&acme, &subscriber, json!({})).await.problem(409, "CONFLICT");
    assert_eq!(refused["error"], "The webhook is off; set active to true first");
}

#[tokio::test]
async fn a_masked_webhook_is_tested_with_the_members_that_it_is_sent() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    for (fields, members) in [
        (json!([]), &["id", "version"][..]),
        (json!(["name", "email"]), &["email", "id", "name", "previous", "version"]),
        (json!(["previous.email"]), &["id", "previous", "version"]),
        (Value::Null, &["company", "companyId", "createdAt"]),
    ] {
        acme.put(&subscriber.path(), json!({"fields": fields})).await.ok();
        let event = json!({"event": "contact.updated"});
        let sent = test(&acme, &subscriber, event).await.created();
        let named: Vec<_> = sent["payload"].as_object().unwrap().keys().collect();
        assert_eq!(named[..members.len()], *members, "{fields}");
        assert!(fields.is_null() || named.len() == members.len(), "{named:?}");
    }
}

#[tokio::test]
async fn a_tested_update_tells_what_it_replaced() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    for event in [
        "contact.updated",
        "company.updated",
        "lead.updated",
        "pipeline.updated",
        "tenant.settings.updated",
    ] {
        let sent = test(&acme, &subscriber, json!({"event": event})).await.created();
        let data = &sent["payload"];
        let previous = data["previous"].as_object().unwrap();
        assert_eq!(previous.len(), 1, "{event}");
        for (name, former) in previous {
            assert_ne!(&data[name], former, "{event} {name}");
        }
    }
}

#[tokio::test]
async fn without_an_event_it_is_the_first_that_the_webhook_listens_for() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (pattern, event) in [
        ("*", "contact.created"),
        ("contact.*", "contact.created"),
        ("pipeline.*", "pipeline.stage.updated"),
        ("activity.created", "activity.created"),
        ("contact.erased", "contact.erased"),
    ] {
        let subscriber = acme.subscribe(&[pattern]).await;
        let answer = acme.call(Method::POST, &format!("{}/test", subscriber.path()), None).await;
        assert_eq!(answer.created()["event"], event, "{pattern}");
    }
}

#[tokio::test]
async fn a_test_event_that_fails_is_tried_again_and_can_be_resent() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["contact.created"]).await;
    subscriber.receiver.script([500_u16, 200]);
    let sent = test(&acme, &subscriber, json!({})).await.created();
    let mut worker = app.worker();
    worker.drain().await.unwrap();
    app.advance(TimeDelta::minutes(2));
    worker.drain().await.unwrap();
    subscriber.resend(&sent).await.ok();
    worker.drain().await.unwrap();
    let calls = subscriber.receiver.calls();
    let told: Vec<_> = calls
        .iter()
        .map(|call| (call.header("x-webhook-attempt"), call.header("x-webhook-trigger")))
        .collect();
    // It stays a test: no replay and no redrive is to take it for an event.
    assert_eq!(told, [("1", "test"), ("2", "test"), ("1", "test")]);
    assert!(calls.iter().all(|call| call.body == calls[0].body));
}

#[tokio::test]
async fn what_cannot_be_tested_is_refused_and_trying_sends_nothing() {
    let app = TestApp::start().await;
    let (acme, stranger) = (app.tenant("acme").await, app.tenant("other").await);
    let subscriber = acme.subscribe(&["*"]).await;
    for body in
        [json!({"event": "contact.exploded"}), json!({"event": "contact.*"}), json!({"event": 5})]
    {
        let fault = test(&acme, &subscriber, body).await.problem(400, "VALIDATION_ERROR");
        assert!(
            fault["details"]["event"]
                .as_str()
                .unwrap()
                .starts_with("Must be one of contact.created")
        );
    }
    let fault = test(&acme, &subscriber, json!({"events": ["*"]})).await;
    assert!(fault.problem(400, "VALIDATION_ERROR")["details"]["events"].is_string());
    test(&stranger, &subscriber, json!({})).await.not_found("Webhook not found");
    let reader = acme.with_scopes(&[Scope::WebhooksRead]).await;
    test(&reader, &subscriber, json!({})).await.problem(403, "INSUFFICIENT_SCOPE");
    let tried = acme.post(&format!("{}/test?dryRun=true", subscriber.path()), json!({})).await;
    assert_eq!(tried.status, 201);
    assert_eq!(app.count("pending").await, 0);

    let once = async || {
        let path = format!("{}/test", subscriber.path());
        acme.post_once(&path, "one", &json!({})).await.created()
    };
    assert_eq!(once().await["id"], once().await["id"]);
    assert_eq!(app.count("pending").await, 1);
    acme.delete(&subscriber.path()).await.no_content();
    test(&acme, &subscriber, json!({})).await.not_found("Webhook not found");
}
