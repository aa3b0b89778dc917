//! What has failed through a fault of ours is sent again by itself, too.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{Subscriber, Tenant, TestApp};
use worker::steps::Steps;

use super::{Past, finish};

/// A webhook of which three deliveries were given up because its secret could not be opened, which it can again.
async fn failed_by_us(auto_redrive: bool) -> (TestApp, Tenant, Subscriber, Steps) {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.put(&subscriber.path(), json!({"autoRedrive": auto_redrive})).await.ok();
    let mut worker = app.worker_with(|config| config.schedule = [Duration::from_secs(1); 4].into());
    send(&app, &acme, &mut worker, 1).await;
    let lose = "create table kept as select secret_enc from webhooks; update webhooks set secret_enc = 'lost'";
    app.database.execute(lose).await;
    send(&app, &acme, &mut worker, 3).await;
    assert_eq!(app.count("failed").await, 3);
    app.database.execute("update webhooks set secret_enc = kept.secret_enc from kept").await;
    (app, acme, subscriber, worker)
}

/// Announces so many changes and makes all of their attempts.
async fn send(app: &TestApp, acme: &Tenant, worker: &mut Steps, changes: i32) {
    app.announce(acme, "contact.created", changes).await;
    for _ in 0..5 {
        worker.drain().await.unwrap();
        app.advance(TimeDelta::seconds(1));
    }
}

#[tokio::test]
async fn what_was_given_up_by_our_fault_is_sent_with_the_next_acceptance_and_health_never_changed()
{
    let (app, acme, subscriber, mut worker) = failed_by_us(true).await;
    finish(&app, &mut worker).await;
    assert_eq!(app.count("failed").await, 3, "what was accepted before says nothing");
    let shown = subscriber.show().await;
    assert_eq!((&shown["health"], &shown["failureStreak"]), (&json!("healthy"), &json!(0)));

    send(&app, &acme, &mut worker, 1).await;
    finish(&app, &mut worker).await;
    assert_eq!((app.count("delivered").await, app.count("failed").await), (5, 0));
    let health = acme.get(&format!("{}/health", subscriber.path())).await.ok();
    assert_eq!((&health["health"], &health["changedAt"]), (&json!("healthy"), &json!(null)));
}

#[tokio::test]
async fn it_is_made_good_once() {
    let (app, acme, subscriber, mut worker) = failed_by_us(true).await;
    send(&app, &acme, &mut worker, 1).await;
    finish(&app, &mut worker).await;
    let (from, event) = (app.clock.now() - TimeDelta::hours(1), "contact.created");
    let past = Past { webhook: subscriber.id, status: "failed", event, from, count: 2 };
    past.plant(app.database.admin()).await;
    send(&app, &acme, &mut worker, 1).await;
    finish(&app, &mut worker).await;
    assert_eq!(app.count("failed").await, 2, "no fault of ours");
}

#[tokio::test]
async fn it_is_not_for_who_has_not_asked() {
    let (app, acme, _subscriber, mut worker) = failed_by_us(false).await;
    send(&app, &acme, &mut worker, 1).await;
    finish(&app, &mut worker).await;
    assert_eq!((app.count("delivered").await, app.count("failed").await), (2, 3));
}
