//! Sending again what has ended.

use serde_json::{Value, json};
use tests::kit::{CONTACTS, Reply, Subscriber, TestApp};
use worker::steps::Steps;

/// An app with one delivery that has ended: delivered, or failed after all its attempts.
async fn ended(replies: &[u16]) -> (TestApp, Steps, Subscriber) {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.script(replies.iter().copied());
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    for _ in 0..5 {
        worker.drain().await.unwrap();
        app.advance(chrono::TimeDelta::minutes(16));
    }
    (app, worker, subscriber)
}

fn cycles(event: &Value) -> Vec<(i64, i64, &str)> {
    let log = event["attemptLog"].as_array().unwrap();
    log.iter()
        .map(|one| {
            (
                one["cycle"].as_i64().unwrap(),
                one["attempt"].as_i64().unwrap(),
                one["trigger"].as_str().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_delivered_event_is_sent_again_with_the_same_id_and_bytes_as_a_new_first_attempt() {
    let (app, mut worker, subscriber) = ended(&[]).await;
    let before = subscriber.only_delivery().await;
    assert_eq!(before["status"], "delivered");

    let asked = subscriber.resend(&before).await.ok();
    assert_eq!((&asked["status"], &asked["attempts"]), (&json!("pending"), &json!(0)));
    assert_eq!((&asked["cycle"], &asked["trigger"]), (&json!(2), &json!("manual")));
    assert_eq!((&asked["id"], &asked["deliveredAt"]), (&before["id"], &json!(null)));
    assert_eq!(asked["nextRetry"], shared::clock::rfc3339(app.clock.now()));
    assert_eq!(worker.drain().await.unwrap(), 1);

    let [first, second] = &subscriber.receiver.calls()[..] else { panic!("two requests") };
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(
        (second.header("x-webhook-attempt"), second.header("x-webhook-trigger")),
        ("1", "manual")
    );
    second.assert_signed(&subscriber.secret);
    let after = subscriber.only_delivery().await;
    assert_eq!(after["status"], "delivered");
    assert_eq!(cycles(&after), [(1, 1, "automatic"), (2, 1, "manual")]);
}

#[tokio::test]
async fn a_failed_event_gets_five_new_attempts_and_keeps_its_history() {
    let (app, mut worker, subscriber) = ended(&[500; 5]).await;
    let failed = subscriber.only_delivery().await;
    assert_eq!((&failed["status"], &failed["attempts"]), (&json!("failed"), &json!(5)));

    subscriber.receiver.script([500; 5]);
    subscriber.resend(&failed).await.ok();
    for minutes in [2, 4, 8, 16] {
        assert_eq!(worker.drain().await.unwrap(), 1);
        app.advance(chrono::TimeDelta::minutes(minutes));
    }
    assert_eq!(worker.drain().await.unwrap(), 1);
    let again = subscriber.only_delivery().await;
    assert_eq!((&again["status"], &again["attempts"]), (&json!("failed"), &json!(5)));
    let expected: Vec<_> =
        (1..=5).map(|n| (1, n, "automatic")).chain((1..=5).map(|n| (2, n, "manual"))).collect();
    assert_eq!(cycles(&again), expected);
}

#[tokio::test]
async fn a_pending_event_is_not_sent_again() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.script([Reply::status(500)]);
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.drain().await.unwrap();

    let pending = subscriber.only_delivery().await;
    subscriber.resend(&pending).await.problem(409, "CONFLICT");
    assert_eq!(subscriber.only_delivery().await, pending);
    assert_eq!(worker.drain().await.unwrap(), 0);
}

#[tokio::test]
async fn sending_again_twice_sends_twice() {
    let (_app, mut worker, subscriber) = ended(&[]).await;
    let event = subscriber.only_delivery().await;
    for _ in 0..2 {
        subscriber.resend(&event).await.ok();
        worker.drain().await.unwrap();
    }
    assert_eq!(subscriber.receiver.calls().len(), 3);
    assert_eq!(subscriber.only_delivery().await["cycle"], 3);
}
