//! From a change to the receiver: what is sent, to whom, and what the tenant can see of it.

use serde_json::json;
use tests::kit::{CONTACTS, Receiver, Reply, Subscriber, TestApp};
use uuid::Uuid;

/// The bytes that the database holds for a webhook's deliveries, oldest first.
async fn stored_bodies(app: &TestApp, subscriber: &Subscriber) -> Vec<String> {
    sqlx::query_scalar(
        "select body::text from webhook_events where webhook_id = $1 order by created_at, id",
    )
    .bind(subscriber.id)
    .fetch_all(app.database.admin())
    .await
    .unwrap()
}

#[tokio::test]
async fn a_created_contact_reaches_the_subscriber_as_it_was_answered() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["contact.created"]).await;

    let body = json!({"name": "Ada", "email": "ada@example.com", "phone": "+441234567890"});
    let contact = acme.post(CONTACTS, body).await.created();
    assert_eq!(app.worker().drain().await.unwrap(), 1);

    let call = subscriber.receiver.only_call();
    let sent = call.json();
    assert_eq!(sent["data"], contact);
    assert_eq!(sent["event"], "contact.created");
    assert_eq!(sent["timestamp"], contact["createdAt"]);
    assert_eq!(sent["timestamp"], "2026-01-02T03:04:05.678Z");
    call.assert_signed(&subscriber.secret);
}

#[tokio::test]
async fn the_body_has_the_documents_members_in_order_and_is_byte_for_byte_what_the_database_holds()
{
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Zoë \"the\" \\ Ωmega"})).await.created();
    let announced = app.outbox().await.remove(0);
    app.worker().drain().await.unwrap();

    let call = subscriber.receiver.only_call();
    let text = std::str::from_utf8(&call.body).unwrap();
    assert_eq!(stored_bodies(&app, &subscriber).await, [text]);
    let (id, occurrence) = (call.header("webhook-id"), announced.event_id);
    let head = format!(
        r#"{{"id":"{id}","event":"contact.created","timestamp":"2026-01-02T03:04:05.678Z","data":{{"id":""#
    );
    assert!(text.starts_with(&head), "{text}");
    assert!(text.ends_with(&format!(r#","occurrenceId":"{occurrence}","sequence":1}}"#)), "{text}");
}

#[tokio::test]
async fn an_update_says_what_the_changed_members_were_before() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada", "company": "ACME"})).await.created();
    let subscriber = acme.subscribe(&["contact.updated"]).await;

    let path = format!("{CONTACTS}/{}", contact["id"].as_str().unwrap());
    let after = acme.put(&path, json!({"name": "Ada L.", "company": null})).await.ok();
    app.worker().drain().await.unwrap();

    let mut sent = subscriber.receiver.only_call().json();
    assert_eq!(sent["event"], "contact.updated");
    let previous = sent["data"].as_object_mut().unwrap().remove("previous").unwrap();
    assert_eq!(previous, json!({"name": "Ada", "company": "ACME"}));
    assert_eq!(sent["data"], after);
}

#[tokio::test]
async fn a_deletion_tells_the_last_state_and_a_restoration_is_a_creation_that_says_so() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.drain().await.unwrap(); // its creation is told before anybody listens
    let subscriber = acme.subscribe(&["contact.deleted", "contact.created"]).await;

    let path = format!("{CONTACTS}/{}", contact["id"].as_str().unwrap());
    acme.delete(&path).await.no_content();
    worker.drain().await.unwrap();
    contact["version"] = json!(2); // so that a receiver can order it
    let deleted = subscriber.receiver.only_call().json();
    let mut last = contact.clone();
    last["version"] = json!(2);
    assert_eq!((&deleted["event"], &deleted["data"]), (&json!("contact.deleted"), &last));

    let mut restored = acme.post(&format!("{path}/restore"), json!({})).await.ok();
    worker.drain().await.unwrap();
    let sent = subscriber.receiver.calls().last().unwrap().json();
    restored["restored"] = json!(true);
    assert_eq!((&sent["event"], &sent["data"]), (&json!("contact.created"), &restored));
}

#[tokio::test]
async fn a_change_that_changes_nothing_is_not_announced() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let subscriber = acme.subscribe(&["*"]).await;
    let path = format!("{CONTACTS}/{}", contact["id"].as_str().unwrap());
    acme.put(&path, json!({"name": "Ada"})).await.ok();
    acme.post(&format!("{path}/restore"), json!({})).await.ok();
    assert_eq!(app.announced().await, ["contact.created"]);
    app.database.execute("delete from outbox").await;

    assert_eq!(app.worker().drain().await.unwrap(), 0);
    assert!(subscriber.receiver.calls().is_empty());
}

#[tokio::test]
async fn every_request_carries_the_headers_that_receivers_rely_on() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["contact.*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().drain().await.unwrap();

    let call = subscriber.receiver.only_call();
    assert_eq!((call.method.as_str(), call.path.as_str()), ("POST", "/hook"));
    assert_eq!(call.header("webhook-id"), call.json()["id"].as_str().unwrap());
    assert!(call.header("webhook-id").parse::<Uuid>().is_ok());
    assert_eq!(call.header("webhook-timestamp"), app.clock.now().timestamp().to_string());
    assert!(call.header("webhook-signature").starts_with("v1,"));
    assert!(call.header("x-webhook-signature").starts_with("sha256="));
    for (name, value) in [
        ("content-type", "application/json"),
        ("user-agent", "Liaison-Webhooks/1"),
        ("x-webhook-event", "contact.created"),
        ("x-webhook-attempt", "1"),
        ("x-webhook-trigger", "automatic"),
    ] {
        assert_eq!(call.header(name), value, "{name}");
    }
}

#[tokio::test]
async fn two_webhooks_get_ids_of_their_own_for_the_one_occurrence() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (first, second) = (acme.subscribe(&["*"]).await, acme.subscribe(&["*"]).await);
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    assert_eq!(app.worker().drain().await.unwrap(), 2);

    let (first, second) = (first.receiver.only_call().json(), second.receiver.only_call().json());
    assert_ne!(first["id"], second["id"]);
    assert_eq!(first["occurrenceId"], second["occurrenceId"]);
    assert_eq!(first["data"], second["data"]);
}

#[tokio::test]
async fn only_webhooks_that_name_the_event_its_family_or_everything_hear_of_it() {
    let app = TestApp::start().await;
    let (acme, rival) = (app.tenant("acme").await, app.tenant("rival").await);
    let exact = acme.subscribe(&["lead.deleted", "contact.created"]).await;
    let family = acme.subscribe(&["contact.*"]).await;
    let everything = acme.subscribe(&["*"]).await;
    let other_event = acme.subscribe(&["contact.updated", "contact.deleted"]).await;
    let other_family = acme.subscribe(&["lead.*", "company.*", "tenant.*"]).await;
    let other_tenant = rival.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().drain().await.unwrap();

    for hears in [&exact, &family, &everything] {
        assert_eq!(hears.receiver.calls().len(), 1);
    }
    for deaf in [&other_event, &other_family, &other_tenant] {
        assert_eq!(deaf.receiver.calls().len(), 0);
        assert_eq!(deaf.deliveries().await.len(), 0);
    }
}

#[tokio::test]
async fn an_event_that_is_relayed_twice_is_delivered_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.database.execute("create table kept as select * from outbox").await;
    let mut worker = app.worker();
    worker.drain().await.unwrap();

    app.database.execute("insert into outbox overriding system value select * from kept").await;
    assert_eq!(worker.drain().await.unwrap(), 0);
    assert_eq!(app.announced().await.len(), 0);
    assert_eq!(subscriber.receiver.calls().len(), 1);
    assert_eq!(subscriber.only_delivery().await["status"], "delivered");
}

#[tokio::test]
async fn an_event_that_nobody_wants_leaves_the_outbox() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    assert_eq!(app.announced().await, ["contact.created"]);

    assert_eq!(app.worker().drain().await.unwrap(), 0);
    assert!(app.announced().await.is_empty());
    let deliveries: i64 = sqlx::query_scalar("select count(*) from webhook_events")
        .fetch_one(app.database.admin())
        .await
        .unwrap();
    assert_eq!(deliveries, 0);
}

#[tokio::test]
async fn the_tenant_sees_a_delivery_before_and_after_each_attempt() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.script([Reply::status(503).body("over\0loaded")]);
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.relay().await.unwrap();

    let event = subscriber.only_delivery().await;
    assert_eq!(
        (&event["status"], &event["attempts"], &event["attemptLog"]),
        (&json!("pending"), &json!(0), &json!([]))
    );
    assert_eq!((&event["payload"], &event["nextRetry"]), (&contact, &contact["createdAt"]));

    worker.drain().await.unwrap();
    let event = subscriber.only_delivery().await;
    assert_eq!((&event["status"], &event["attempts"]), (&json!("pending"), &json!(1)));
    assert_eq!(
        (&event["lastStatusCode"], &event["lastError"]),
        (&json!(503), &json!("http_status"))
    );
    assert_eq!(event["nextRetry"], "2026-01-02T03:06:05.678Z");
    let log = event["attemptLog"].as_array().unwrap();
    assert_eq!(log.len(), 1);
    for (member, expected) in [
        ("cycle", json!(1)),
        ("attempt", json!(1)),
        ("trigger", json!("automatic")),
        ("startedAt", json!("2026-01-02T03:04:05.678Z")),
        ("statusCode", json!(503)),
        ("errorCode", json!("http_status")),
        ("error", json!("The receiver answered 503 Service Unavailable")),
        ("excerpt", json!("over\u{fffd}loaded")),
    ] {
        assert_eq!(log[0][member], expected, "{member}");
    }
    assert!(log[0]["latencyMs"].as_i64().unwrap() >= 0);

    app.advance(chrono::TimeDelta::minutes(2));
    worker.drain().await.unwrap();
    let event = subscriber.only_delivery().await;
    assert_eq!((&event["status"], &event["attempts"]), (&json!("delivered"), &json!(2)));
    assert_eq!(
        (&event["nextRetry"], &event["deliveredAt"]),
        (&json!(null), &json!("2026-01-02T03:06:05.678Z"))
    );
    assert_eq!(event["lastStatusCode"], 200);
    assert_eq!(event["attemptLog"][1]["errorCode"], json!(null));
}

#[tokio::test]
async fn a_new_url_counts_at_once_for_what_was_tried_and_for_what_was_not() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut worker = app.worker();
    for tried in [true, false] {
        let (former, new) = (acme.subscribe(&["contact.*"]).await, Receiver::start().await);
        former.receiver.answer(500);
        acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
        worker.relay().await.unwrap();
        if tried {
            assert_eq!(worker.drain().await.unwrap(), 1);
        }
        acme.put(&former.path(), json!({"url": new.url()})).await.ok();
        app.advance(chrono::TimeDelta::minutes(2));
        worker.drain().await.unwrap();
        let attempt = new.only_call().header("x-webhook-attempt").to_owned();
        let calls = former.receiver.calls().len();
        assert_eq!((calls, &*attempt), if tried { (1, "2") } else { (0, "1") });
        assert_eq!(former.only_delivery().await["status"], "delivered");
        former.switch(false).await;
    }
}
