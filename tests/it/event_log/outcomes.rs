//! Every event has one row at every webhook that wants it, also at those that are off.

use serde_json::json;
use tests::kit::{CONTACTS, Subscriber, TestApp};

use super::{EVENTS, page};

fn rows(subscriber: &Subscriber) -> String {
    format!("{}/events?pageSize=100", subscriber.path())
}

#[tokio::test]
async fn every_event_has_exactly_one_row_at_every_webhook_that_wants_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let all = acme.subscribe(&["*"]).await;
    let some = acme.subscribe(&["contact.*"]).await;
    let off = acme.subscribe(&["contact.created"]).await;
    off.switch(false).await;
    let deleted = acme.subscribe(&["*"]).await;
    acme.delete(&deleted.path()).await.no_content();
    all.receiver.script([500, 200, 410]);
    app.announce(&acme, "contact.created", 3).await;
    app.announce(&acme, "lead.created", 2).await;
    app.announce(&acme, "activity.created", 1).await;
    let mut worker = app.worker_with(|config| config.caps.total = 1);
    worker.drain().await.unwrap();
    app.advance(chrono::TimeDelta::milliseconds(1));
    app.announce(&acme, "contact.created", 1).await;
    worker.drain().await.unwrap();

    // The eighth tells that the 410 switched a webhook off.
    assert_eq!(page(&acme, "").await.0.len(), 8);
    for (subscriber, expected) in [(&all, 6), (&some, 4), (&off, 4)] {
        let page = acme.get(&rows(subscriber)).await.page();
        let mut events = page.each("occurrenceId");
        events.sort_unstable();
        events.dedup();
        assert_eq!((page.items.len(), events.len()), (expected, expected));
    }
    let page = acme.get(&rows(&off)).await.page();
    assert!(page.each("status").iter().all(|status| *status == "skipped"));
    assert!(page.each("skipReason").iter().all(|reason| *reason == "webhook_inactive"));
    let late = &all.deliveries().await[0];
    assert_eq!(
        (&late["status"], &late["skipReason"]),
        (&json!("skipped"), &json!("webhook_disabled")),
        "the 410 switched it off"
    );
}

#[tokio::test]
async fn a_skipped_event_is_final_until_it_is_sent_again() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.switch(false).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.drain().await.unwrap();
    let skipped = subscriber.only_delivery().await;
    assert_eq!((&skipped["status"], &skipped["attempts"]), (&json!("skipped"), &json!(0)));
    assert_eq!((&skipped["nextRetry"], &skipped["heldReason"]), (&json!(null), &json!(null)));

    subscriber.switch(true).await;
    assert_eq!(worker.drain().await.unwrap(), 0);
    assert_eq!(subscriber.only_delivery().await, skipped);
    let path = format!("{}/events?status=", subscriber.path());
    assert_eq!(acme.get(&format!("{path}skipped")).await.page().items.len(), 1);
    assert_eq!(acme.get(&format!("{path}pending")).await.page().items.len(), 0);

    let again = subscriber.resend(&skipped).await.ok();
    assert_eq!((&again["status"], &again["skipReason"]), (&json!("pending"), &json!(null)));
    assert_eq!(worker.drain().await.unwrap(), 1);
    let call = subscriber.receiver.only_call();
    call.assert_signed(&subscriber.secret);
    let event = acme.get(&format!("{EVENTS}/{}", skipped["occurrenceId"].as_str().unwrap())).await;
    assert_eq!(call.json()["data"], event.ok()["data"]);
    assert_eq!(subscriber.only_delivery().await["status"], "delivered");
}
