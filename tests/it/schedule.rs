//! When attempts are made. Time is moved by hand: one millisecond too early nothing is sent.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use shared::clock::rfc3339;
use tests::kit::{CONTACTS, Reply, Subscriber, TestApp};

/// An app with one change that a subscriber is to hear of, whose receiver answers with these first.
async fn announced(replies: impl IntoIterator<Item = impl Into<Reply>>) -> (TestApp, Subscriber) {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.script(replies);
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    (app, subscriber)
}

#[tokio::test]
async fn the_attempts_are_made_at_once_and_exactly_2_4_8_and_16_minutes_after_one_another() {
    let (app, subscriber) = announced([500; 5]).await;
    let mut worker = app.worker();
    assert_eq!(worker.drain().await.unwrap(), 1);

    for minutes in [2, 4, 8, 16] {
        let due = app.clock.now() + TimeDelta::minutes(minutes);
        assert_eq!(subscriber.only_delivery().await["nextRetry"], rfc3339(due));
        app.advance(TimeDelta::minutes(minutes) - TimeDelta::milliseconds(1));
        assert_eq!(worker.drain().await.unwrap(), 0, "early by a millisecond");
        app.advance(TimeDelta::milliseconds(1));
        assert_eq!(worker.drain().await.unwrap(), 1, "{minutes} minutes");
    }

    let calls = subscriber.receiver.calls();
    let numbers: Vec<&str> = calls.iter().map(|call| call.header("x-webhook-attempt")).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5"]);
    let failed = subscriber.only_delivery().await;
    assert_eq!((&failed["status"], &failed["attempts"]), (&json!("failed"), &json!(5)));
    assert_eq!(failed["nextRetry"], json!(null));
    app.advance(TimeDelta::days(30));
    assert_eq!(worker.drain().await.unwrap(), 0);
}

#[tokio::test]
async fn the_wait_begins_when_the_attempt_ends() {
    let (app, subscriber) = announced([Reply::status(500).after(Duration::from_millis(300))]).await;
    let mut worker = app.worker();
    let attempt = async {
        subscriber.receiver.wait_for(1).await;
        app.advance(TimeDelta::seconds(7));
    };
    let (attempts, ()) = tokio::join!(worker.drain(), attempt);
    assert_eq!(attempts.unwrap(), 1);

    let delivery = subscriber.only_delivery().await;
    assert_eq!(delivery["attemptLog"][0]["startedAt"], "2026-01-02T03:04:05.678Z");
    assert_eq!(delivery["nextRetry"], "2026-01-02T03:06:12.678Z");
}

#[tokio::test]
async fn the_third_attempt_can_succeed_and_is_then_the_last() {
    let (app, subscriber) = announced([500, 404]).await;
    let mut worker = app.worker();
    for minutes in [2, 4, 8, 16, 32] {
        worker.drain().await.unwrap();
        app.advance(TimeDelta::minutes(minutes));
    }
    let delivery = subscriber.only_delivery().await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("delivered"), &json!(3)));
    let log = delivery["attemptLog"].as_array().unwrap();
    let codes: Vec<_> = log.iter().map(|attempt| &attempt["statusCode"]).collect();
    assert_eq!(codes, [500, 404, 200]);
    assert_eq!(subscriber.receiver.calls().len(), 3);
}

#[tokio::test]
async fn retry_after_lengthens_a_wait_up_to_an_hour_and_never_shortens_it() {
    let (app, subscriber) = announced(
        ["300", "10", "86400"].map(|wish| Reply::status(503).header("retry-after", wish)),
    )
    .await;
    let mut worker = app.worker();
    for wait in [TimeDelta::seconds(300), TimeDelta::minutes(4), TimeDelta::hours(1)] {
        assert_eq!(worker.drain().await.unwrap(), 1);
        let due = app.clock.now() + wait;
        assert_eq!(subscriber.only_delivery().await["nextRetry"], rfc3339(due));
        app.advance(wait - TimeDelta::milliseconds(1));
        assert_eq!(worker.drain().await.unwrap(), 0);
        app.advance(TimeDelta::milliseconds(1));
    }
}

#[tokio::test]
async fn retry_after_can_name_a_date() {
    let date = "Fri, 02 Jan 2026 03:14:06 GMT";
    let (app, subscriber) = announced([Reply::status(429).header("retry-after", date)]).await;
    app.worker().drain().await.unwrap();
    assert_eq!(subscriber.only_delivery().await["nextRetry"], "2026-01-02T03:14:06.000Z");
}

#[tokio::test]
async fn a_410_ends_the_delivery_switches_the_webhook_off_and_holds_the_rest() {
    let (app, subscriber) = announced([410]).await;
    let mut worker = app.worker_with(|config| config.caps.per_webhook = 1);
    worker.relay().await.unwrap();
    let gone = worker.claim().await.unwrap();
    app.advance(TimeDelta::milliseconds(1));
    sqlx::query(
        "with another as (
             insert into webhook_events (tenant_id, id, webhook_id, occurrence_id, event, body, created_at)
             select tenant_id, gen_random_uuid(), webhook_id, gen_random_uuid(), event, body, $1 from webhook_events
             returning *)
         insert into webhook_queue (tenant_id, id, webhook_id, next_retry)
         select tenant_id, id, webhook_id, created_at from another",
    )
    .bind(app.clock.now())
    .execute(app.database.admin())
    .await
    .unwrap();
    worker.deliver(gone).await.unwrap();
    assert_eq!(worker.drain().await.unwrap(), 0);

    let [held, failed] = &subscriber.deliveries().await[..] else { panic!("two deliveries") };
    assert_eq!((&failed["status"], &failed["attempts"]), (&json!("failed"), &json!(1)));
    assert_eq!(
        (&held["status"], &held["heldReason"]),
        (&json!("pending"), &json!("webhook_disabled"))
    );
    let webhook = subscriber.show().await;
    assert_eq!((&webhook["active"], &webhook["disabledReason"]), (&json!(false), &json!("gone")));

    subscriber.switch(true).await;
    assert_eq!(subscriber.show().await["disabledReason"], json!(null));
    assert_eq!(worker.drain().await.unwrap(), 1);
}

#[tokio::test]
async fn another_schedule_has_as_many_attempts_as_waits_and_one_more() {
    let (app, subscriber) = announced([500; 9]).await;
    let waits = [Duration::from_millis(1500), Duration::from_hours(12)];
    let mut worker = app.worker_with(|config| config.schedule = waits.into());
    assert_eq!(worker.drain().await.unwrap(), 1);
    for wait in waits {
        let wait = TimeDelta::from_std(wait).unwrap();
        let due = app.clock.now() + wait;
        assert_eq!(subscriber.only_delivery().await["nextRetry"], rfc3339(due));
        app.advance(wait - TimeDelta::milliseconds(1));
        assert_eq!(worker.drain().await.unwrap(), 0);
        app.advance(TimeDelta::milliseconds(1));
        assert_eq!(worker.drain().await.unwrap(), 1);
    }
    assert_eq!(subscriber.only_delivery().await["status"], "failed");
}
