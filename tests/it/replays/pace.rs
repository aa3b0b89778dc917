//! How fast, and beside what.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tests::kit::{CONTACTS, Call};
use worker::queue::Caps;

use super::{ask, at, finish, run, with_failed};

#[tokio::test]
async fn a_replay_keeps_its_rate_and_uses_it_with_three_workers_too() {
    const RATE: usize = 40;
    let (app, acme, subscriber, worker) = with_failed(500).await;
    let mut workers = [worker, app.worker(), app.worker()];
    ask(&acme, &subscriber, json!({"rate": RATE})).await.created();
    for beat in 0..100 {
        for worker in &mut workers {
            worker.replay().await.unwrap();
            worker.drain().await.unwrap();
        }
        let sent = subscriber.receiver.calls().len();
        assert!(sent <= 1 + beat * RATE / 10, "{sent} after {beat} tenths of a second");
        app.advance(TimeDelta::milliseconds(100));
    }
    let sent = subscriber.receiver.calls().len();
    assert!(sent > RATE * 95 / 10, "{sent} in ten seconds");
}

#[tokio::test]
async fn a_replay_takes_half_of_a_webhooks_own_rate_at_most() {
    let (app, acme, subscriber, mut worker) = with_failed(200).await;
    acme.put(&subscriber.path(), json!({"rateLimit": 20})).await.ok();
    let replay = ask(&acme, &subscriber, json!({"rate": 1000})).await.created();
    run(&app, &mut worker, 100).await;
    let sent = subscriber.receiver.calls().len();
    assert!((90..=101).contains(&sent), "{sent} in ten seconds");
    let left = acme.get(&at(&replay)).await.ok()["secondsLeft"].as_i64().unwrap();
    assert_eq!(left, i64::try_from((200 - sent).div_ceil(10)).unwrap());
}

#[tokio::test]
async fn a_fresh_event_waits_for_a_few_of_a_large_replay_only_although_the_receiver_is_slow() {
    let (app, acme, subscriber, _) = with_failed(3_000).await;
    // A receiver that takes one request each tenth of a second.
    let mut worker = app.worker_with(|config| {
        config.caps = Caps { total: 1, per_webhook: 1, per_tenant: 1 };
    });
    ask(&acme, &subscriber, json!({"rate": 1000})).await.created();
    let one = async |worker: &mut worker::steps::Steps| {
        worker.replay().await.unwrap();
        worker.relay().await.unwrap();
        let claimed = worker.claim().await.unwrap();
        worker.deliver(claimed).await.unwrap();
        app.advance(TimeDelta::milliseconds(100));
    };
    for _ in 0..50 {
        one(&mut worker).await;
    }
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let before = subscriber.receiver.calls().len();
    for _ in 0..17 {
        one(&mut worker).await;
    }
    let later = &subscriber.receiver.calls()[before..];
    let fresh = |call: &Call| call.header("x-webhook-trigger") == "automatic";
    assert!(later.iter().any(fresh), "{} were sent before it", later.len());
}

#[tokio::test]
async fn a_receiver_that_refuses_everything_gets_no_more_than_it_was_promised() {
    let (app, acme, subscriber, mut worker) = with_failed(30).await;
    subscriber.receiver.script([500; 30 * 5]);
    ask(&acme, &subscriber, json!({"rate": 1000})).await.created();
    finish(&app, &mut worker).await;
    for _ in 0..40 {
        app.advance(TimeDelta::minutes(1));
        run(&app, &mut worker, 1).await;
    }
    assert_eq!(subscriber.receiver.calls().len(), 30 * 5);
    assert_eq!(app.count("failed").await, 30);
}

#[tokio::test]
async fn a_replay_whose_receiver_takes_nothing_is_looked_at_ever_more_rarely_and_goes_on_when_it_does()
 {
    let (app, acme, subscriber, mut worker) = with_failed(100).await;
    ask(&acme, &subscriber, json!({"rate": 1000})).await.created();
    let due = "select due_at from webhook_replays";
    let (mut looks, mut last) = (0, None);
    // Nobody sends what it begins.
    for _ in 0..600 {
        worker.replay().await.unwrap();
        let next: Option<DateTime<Utc>> =
            sqlx::query_scalar(due).fetch_one(app.database.admin()).await.unwrap();
        looks += usize::from(next != last);
        last = next;
        app.advance(TimeDelta::milliseconds(100));
    }
    assert!((20..60).contains(&looks), "{looks} looks in a minute");
    worker.drain().await.unwrap();
    app.advance(TimeDelta::seconds(15));
    finish(&app, &mut worker).await;
    assert_eq!(subscriber.receiver.calls().len(), 100);
}
