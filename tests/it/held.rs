//! Webhooks that are switched off or deleted: nothing is sent, nothing is lost silently.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, Receiver, Reply, START, Subscriber, Tenant, TestApp};

#[tokio::test]
async fn a_webhook_that_is_off_gets_no_new_events_and_they_are_shown_as_skipped() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.switch(false).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.drain().await.unwrap();

    subscriber.switch(true).await;
    worker.drain().await.unwrap();
    let skipped = subscriber.only_delivery().await;
    assert_eq!(
        (&skipped["status"], &skipped["skipReason"]),
        (&json!("skipped"), &json!("webhook_inactive"))
    );
    assert!(subscriber.receiver.calls().is_empty());
}

#[tokio::test]
async fn what_is_pending_when_a_webhook_is_switched_off_is_held_and_goes_out_when_it_is_on_again() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.relay().await.unwrap();

    subscriber.switch(false).await;
    assert_eq!(worker.drain().await.unwrap(), 0);
    let held = subscriber.only_delivery().await;
    assert_eq!(
        (&held["status"], &held["heldReason"]),
        (&json!("pending"), &json!("webhook_inactive"))
    );
    assert_eq!((&held["attempts"], &held["nextRetry"]), (&json!(0), &json!(null)));

    subscriber.switch(true).await;
    assert_eq!(worker.drain().await.unwrap(), 1);
    subscriber.receiver.only_call().assert_signed(&subscriber.secret);
    let sent = subscriber.only_delivery().await;
    assert_eq!((&sent["status"], &sent["heldReason"]), (&json!("delivered"), &json!(null)));
}

/// What a delivery of this contact and what its event say of when it is sent, and why not before.
async fn told(acme: &Tenant, subscriber: &Subscriber, name: &str) -> [Value; 2] {
    let deliveries = subscriber.deliveries().await;
    let one = deliveries.iter().find(|one| one["payload"]["name"] == name).unwrap();
    let event = one["occurrenceId"].as_str().unwrap();
    let explained = acme.get(&format!("/api/v1/events/{event}/webhooks")).await.ok();
    let verdict = &explained["webhooks"][0];
    assert_eq!(
        [&verdict["heldReason"], &verdict["nextRetry"]],
        [&one["heldReason"], &one["nextRetry"]]
    );
    [one["heldReason"].clone(), one["nextRetry"].clone()]
}

#[tokio::test]
async fn what_waits_because_its_receiver_asked_for_time_says_so_and_until_when() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.script([Reply::status(429).header("retry-after", "200")]);
    let mut worker = app.worker();
    for name in ["Ada", "Bob"] {
        acme.post(CONTACTS, json!({"name": name})).await.created();
        worker.drain().await.unwrap();
    }
    let asked = json!("2026-01-02T03:07:25.678Z");
    assert_eq!(told(&acme, &subscriber, "Bob").await, [json!("retry_after"), asked.clone()]);
    // It is the first one's own time.
    assert_eq!(told(&acme, &subscriber, "Ada").await, [Value::Null, asked]);
    app.advance(TimeDelta::seconds(200));
    assert_eq!(told(&acme, &subscriber, "Bob").await, [Value::Null, json!(START)]);
    worker.drain().await.unwrap();
    assert_eq!(told(&acme, &subscriber, "Bob").await, [Value::Null, Value::Null]);
}

#[tokio::test]
async fn another_address_is_not_held_for_what_the_one_before_asked() {
    for moved_first in [false, true] {
        let app = TestApp::start().await;
        let acme = app.tenant("acme").await;
        let (subscriber, elsewhere) = (acme.subscribe(&["*"]).await, Receiver::start().await);
        subscriber.receiver.script([Reply::status(503).header("retry-after", "200")]);
        let mut worker = app.worker();
        acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
        worker.relay().await.unwrap();
        let claimed = worker.claim().await.unwrap();
        let moved = json!({"url": elsewhere.url()});
        if moved_first {
            acme.put(&subscriber.path(), moved).await.ok();
            worker.deliver(claimed).await.unwrap();
        } else {
            worker.deliver(claimed).await.unwrap();
            acme.put(&subscriber.path(), moved).await.ok();
        }
        // As long as the process itself remembers what it heard.
        app.advance(TimeDelta::seconds(6));
        acme.post(CONTACTS, json!({"name": "Bob"})).await.created();
        worker.drain().await.unwrap();
        assert_eq!(elsewhere.calls().len(), 1, "moved first: {moved_first}");
    }
}

#[tokio::test]
async fn what_waits_for_its_rate_limit_says_so_until_the_limit_is_gone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.put(&subscriber.path(), json!({"rateLimit": 1})).await.ok();
    let mut worker = app.worker();
    for name in ["Ada", "Bob"] {
        acme.post(CONTACTS, json!({"name": name})).await.created();
        worker.drain().await.unwrap();
    }
    let held = told(&acme, &subscriber, "Bob").await;
    assert_eq!(held, [json!("rate_limit"), json!("2026-01-02T03:04:06.678Z")]);
    acme.put(&subscriber.path(), json!({"rateLimit": null})).await.ok();
    assert_eq!(told(&acme, &subscriber, "Bob").await, [Value::Null, json!(START)]);
}

#[tokio::test]
async fn what_is_held_by_a_switch_that_was_not_the_tenants_says_so() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.script([500_u16, 410]);
    let mut worker = app.worker();
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    worker.drain().await.unwrap();
    acme.post(CONTACTS, json!({"name": "Bob"})).await.created();
    worker.drain().await.unwrap();
    assert_eq!(told(&acme, &subscriber, "Ada").await, [json!("webhook_disabled"), Value::Null]);
}

#[tokio::test]
async fn what_is_pending_when_a_webhook_is_deleted_fails_and_says_why() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (deleted, kept) = (acme.subscribe(&["*"]).await, acme.subscribe(&["*"]).await);
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.relay().await.unwrap();

    acme.delete(&deleted.path()).await.no_content();
    assert_eq!(worker.drain().await.unwrap(), 1);
    assert!(deleted.receiver.calls().is_empty());
    assert_eq!(kept.receiver.calls().len(), 1);
    let (status, error): (String, String) =
        sqlx::query_as("select status, last_error from webhook_events where webhook_id = $1")
            .bind(deleted.id)
            .fetch_one(app.database.admin())
            .await
            .unwrap();
    assert_eq!((status.as_str(), error.as_str()), ("failed", "webhook_deleted"));
}

#[tokio::test]
async fn a_webhook_that_is_deleted_during_an_attempt_gets_no_further_one() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.script([500]);
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    let claimed = worker.claim().await.unwrap();
    acme.delete(&subscriber.path()).await.no_content();
    worker.deliver(claimed).await.unwrap();

    app.advance(chrono::TimeDelta::minutes(2));
    assert_eq!(worker.drain().await.unwrap(), 0);
    assert_eq!(subscriber.receiver.calls().len(), 1);
    assert_eq!(app.count("failed").await, 1);
}
