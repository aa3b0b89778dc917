//! What has failed is sent again by itself when its receiver is back.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, Subscriber, Tenant, TestApp, WEBHOOKS};
use worker::queue::Caps;
use worker::steps::Steps;

use super::{Past, at, counts, finish, path, run, with_failed};

async fn opt_in(tenant: &Tenant, subscriber: &Subscriber) {
    tenant.put(&subscriber.path(), json!({"autoRedrive": true})).await.ok();
}

/// A webhook that wants a redrive and has so many parked failures, as it is after an outage.
async fn after_an_outage(count: i32) -> (TestApp, Tenant, Subscriber, Steps) {
    let (app, acme, subscriber, worker) = with_failed(count).await;
    opt_in(&acme, &subscriber).await;
    app.database
        .execute(
            "insert into webhook_health (tenant_id, webhook_id, state, changed_at, failing_since)
             select tenant_id, id, 'failing', created_at, created_at from webhooks",
        )
        .await;
    (app, acme, subscriber, worker)
}

/// The webhook's one redrive.
async fn redrive(tenant: &Tenant, subscriber: &Subscriber) -> Value {
    let mut page = tenant.get(&path(subscriber)).await.page();
    assert_eq!(page.items.len(), 1, "{:#?}", page.items);
    assert_eq!(page.items[0]["trigger"], "redrive");
    page.items.remove(0)
}

/// Lets so many minutes pass, step by step, with everything that the worker does.
async fn pass(app: &TestApp, worker: &mut Steps, minutes: usize) {
    for _ in 0..minutes * 6 {
        worker.judge().await.unwrap();
        worker.replay().await.unwrap();
        worker.drain().await.unwrap();
        worker.probe().await.unwrap();
        app.advance(TimeDelta::seconds(10));
    }
}

#[tokio::test]
async fn two_hours_of_outage_end_with_everything_delivered_and_nobody_touching_anything() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    opt_in(&acme, &subscriber).await;
    // One after the other, so that their order can be seen.
    let mut worker = app.worker_with(|config| {
        config.caps = Caps { total: 1, per_webhook: 1, per_tenant: 1 };
    });
    subscriber.receiver.answer(503);
    for _ in 0..2 * 60 {
        app.announce(&acme, "contact.created", 1).await;
        pass(&app, &mut worker, 1).await;
    }
    assert_eq!(subscriber.show().await["health"], "failing");
    let parked = app.count("failed").await;
    assert!(parked >= 80, "{parked}");

    subscriber.receiver.answer(200);
    let before = subscriber.receiver.calls().len();
    app.announce(&acme, "contact.created", 1).await;
    let mut sent = Vec::new();
    for _ in 0..12 {
        run(&app, &mut worker, 10).await;
        let calls = subscriber.receiver.calls();
        let redriven = |call: &&tests::kit::Call| call.header("x-webhook-trigger") == "redrive";
        sent.push(calls[before..].iter().filter(redriven).count());
    }
    for (second, sent) in sent.iter().enumerate() {
        assert!(*sent <= 2 << second, "a ramp: {sent} after {} s", second + 1);
    }
    pass(&app, &mut worker, 35).await;
    assert_eq!((app.count("delivered").await, app.count("failed").await), (121, 0));
    assert_eq!(subscriber.show().await["health"], "healthy");
    let done = redrive(&acme, &subscriber).await;
    assert_eq!(
        (&done["state"], counts(&done)),
        (&json!("completed"), [parked, parked, parked, 0, 0])
    );

    let calls = subscriber.receiver.calls();
    let redriven: Vec<i64> = calls[before..]
        .iter()
        .filter(|call| call.header("x-webhook-trigger") == "redrive")
        .map(|call| call.json()["sequence"].as_i64().unwrap())
        .collect();
    assert!(redriven.is_sorted(), "oldest first: {redriven:?}");
    let log = acme.get("/api/v1/audit-log?action=webhook_replay.created").await.page();
    assert_eq!(log.items[0]["actor"]["type"], "system");
}

/// A webhook that wants a redrive, and a worker that gives up after four seconds.
async fn soon_given_up() -> (TestApp, Tenant, Subscriber, Steps) {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    opt_in(&acme, &subscriber).await;
    let worker = app.worker_with(|config| config.schedule = [Duration::from_secs(1); 4].into());
    (app, acme, subscriber, worker)
}

/// Lets so many events fail for good.
async fn fail(
    app: &TestApp,
    acme: &Tenant,
    subscriber: &Subscriber,
    worker: &mut Steps,
    events: i32,
) {
    subscriber.receiver.answer(503);
    app.announce(acme, "contact.created", events).await;
    for _ in 0..5 {
        worker.drain().await.unwrap();
        app.advance(TimeDelta::seconds(1));
    }
    assert_eq!(app.count("failed").await, i64::from(events));
}

/// Lets an event be accepted, after which so many are delivered and all is well.
async fn recover(
    app: &TestApp,
    acme: &Tenant,
    subscriber: &Subscriber,
    worker: &mut Steps,
    delivered: i64,
) {
    subscriber.receiver.answer(200);
    app.announce(acme, "contact.created", 1).await;
    pass(app, worker, 1).await;
    assert_eq!((app.count("delivered").await, app.count("failed").await), (delivered, 0));
    assert_eq!(subscriber.show().await["health"], "healthy");
}

#[tokio::test]
async fn an_outage_that_outlasts_a_short_schedule_is_one_and_ends_with_everything_delivered() {
    let (app, acme, subscriber, mut worker) = soon_given_up().await;
    fail(&app, &acme, &subscriber, &mut worker, 3).await;
    assert_eq!(subscriber.show().await["health"], "failing");
    recover(&app, &acme, &subscriber, &mut worker, 4).await;
}

#[tokio::test]
async fn a_second_outage_right_behind_the_first_is_noticed_too() {
    let (app, acme, subscriber, mut worker) = soon_given_up().await;
    for delivered in [2, 4] {
        fail(&app, &acme, &subscriber, &mut worker, 1).await;
        // Nothing tells of it again before five minutes are over, and nobody but the worker looks.
        pass(&app, &mut worker, 5).await;
        assert_eq!(subscriber.show().await["health"], "failing");
        recover(&app, &acme, &subscriber, &mut worker, delivered).await;
    }
}

#[tokio::test]
async fn nothing_is_sent_again_for_who_has_not_asked_for_it() {
    let (app, acme, subscriber, mut worker) = after_an_outage(5).await;
    acme.put(&subscriber.path(), json!({"autoRedrive": false})).await.ok();
    pass(&app, &mut worker, 20).await;
    assert!(subscriber.receiver.calls().is_empty(), "no probe");
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    pass(&app, &mut worker, 20).await;
    assert_eq!(subscriber.show().await["health"], "healthy");
    assert_eq!(subscriber.receiver.calls().len(), 1);
    assert_eq!(app.count("failed").await, 5);
}

#[tokio::test]
async fn without_fresh_events_a_slow_probe_notices_the_recovery() {
    let (app, acme, subscriber, mut worker) = after_an_outage(30).await;
    subscriber.receiver.answer(500);
    pass(&app, &mut worker, 120).await;
    let calls = subscriber.receiver.calls();
    let mut probes = BTreeMap::<_, usize>::new();
    for call in &calls {
        assert_eq!(call.header("x-webhook-trigger"), "redrive");
        *probes.entry(call.header("webhook-id")).or_default() += 1;
    }
    let begun = calls.iter().filter(|call| call.header("x-webhook-attempt") == "1").count();
    assert!((8..=24).contains(&begun), "one in five minutes at most: {begun} in two hours");
    assert!(probes.len() >= 8, "not always the same: {probes:?}");

    subscriber.receiver.answer(200);
    pass(&app, &mut worker, 6).await;
    assert_eq!(subscriber.show().await["health"], "healthy");
    pass(&app, &mut worker, 20).await;
    assert_eq!((app.count("delivered").await, app.count("failed").await), (30, 0));
    assert_eq!(redrive(&acme, &subscriber).await["state"], "completed");
}

#[tokio::test]
async fn several_workers_send_one_probe() {
    let (app, _acme, subscriber, mut worker) = after_an_outage(30).await;
    subscriber.receiver.answer(500);
    let others = [app.worker(), app.worker()];
    let (one, two, three) = tokio::join!(worker.probe(), others[0].probe(), others[1].probe());
    assert_eq!(one.unwrap() + two.unwrap() + three.unwrap(), 1);
    worker.drain().await.unwrap();
    assert_eq!(subscriber.receiver.calls().len(), 1);
}

#[tokio::test]
async fn a_second_outage_holds_the_redrive_and_what_it_cost_is_sent_when_that_is_over() {
    let (app, acme, subscriber, mut worker) = after_an_outage(600).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    run(&app, &mut worker, 30).await;
    let begun = redrive(&acme, &subscriber).await;
    assert!((5..=20).contains(&begun["delivered"].as_i64().unwrap()), "{begun}");

    subscriber.receiver.answer(500);
    run(&app, &mut worker, 100).await;
    for _ in 0..400 {
        worker.replay().await.unwrap();
        worker.drain().await.unwrap();
        app.advance(TimeDelta::seconds(1));
    }
    let held = redrive(&acme, &subscriber).await;
    assert_eq!(
        (&held["state"], &held["heldReason"]),
        (&json!("running"), &json!("webhook_failing"))
    );
    assert!(held["replayed"].as_i64() < Some(450), "it slows down at once: {held}");
    pass(&app, &mut worker, 40).await;
    assert_eq!(redrive(&acme, &subscriber).await["replayed"], held["replayed"]);

    subscriber.receiver.answer(200);
    pass(&app, &mut worker, 6).await;
    finish(&app, &mut worker).await;
    pass(&app, &mut worker, 20).await;
    assert_eq!((app.count("failed").await, app.count("pending").await), (0, 0));
    assert_eq!(redrive(&acme, &subscriber).await["state"], "completed");
}

#[tokio::test]
async fn a_redrive_that_goes_on_after_a_second_outage_counts_what_that_cost() {
    let (app, acme, subscriber, mut worker) = after_an_outage(20).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    run(&app, &mut worker, 10).await;
    assert_eq!(redrive(&acme, &subscriber).await["total"], 20);
    let from = app.clock.now() - TimeDelta::minutes(30);
    let event = "contact.created";
    let past = Past { webhook: subscriber.id, status: "failed", event, from, count: 5 };
    past.plant(app.database.admin()).await;
    app.database.execute("update webhook_health set state = 'failing', accepted = false").await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    pass(&app, &mut worker, 1).await;
    finish(&app, &mut worker).await;
    let done = redrive(&acme, &subscriber).await;
    assert_eq!((&done["state"], counts(&done)), (&json!("completed"), [25, 25, 25, 0, 0]));
}

/// A webhook whose redrive somebody has paused.
async fn paused() -> (TestApp, Tenant, Subscriber, Steps) {
    let (app, acme, subscriber, mut worker) = after_an_outage(60).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    run(&app, &mut worker, 10).await;
    let running = redrive(&acme, &subscriber).await;
    acme.call(Method::POST, &format!("{}/pause", at(&running)), None).await.ok();
    (app, acme, subscriber, worker)
}

#[tokio::test]
async fn a_paused_redrive_that_is_no_longer_wanted_ends_and_blocks_no_later_one() {
    let (app, acme, subscriber, mut worker) = paused().await;
    acme.put(&subscriber.path(), json!({"autoRedrive": false})).await.ok();
    pass(&app, &mut worker, 1).await;
    assert_eq!(redrive(&acme, &subscriber).await["state"], "cancelled");

    opt_in(&acme, &subscriber).await;
    app.database.execute("update webhook_health set state = 'failing', accepted = false").await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    pass(&app, &mut worker, 1).await;
    finish(&app, &mut worker).await;
    assert_eq!(app.count("failed").await, 0);
}

#[tokio::test]
async fn a_paused_redrive_that_is_wanted_again_before_anybody_looked_stays_paused() {
    let (app, acme, subscriber, mut worker) = paused().await;
    let before = redrive(&acme, &subscriber).await;
    acme.put(&subscriber.path(), json!({"autoRedrive": false})).await.ok();
    opt_in(&acme, &subscriber).await;
    pass(&app, &mut worker, 1).await;
    let after = redrive(&acme, &subscriber).await;
    assert_eq!((&after["state"], counts(&after)), (&json!("paused"), counts(&before)));
}

#[tokio::test]
async fn a_redrive_can_be_paused_and_cancelled_and_ends_when_it_is_no_longer_wanted() {
    let (app, acme, subscriber, mut worker) = after_an_outage(60).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    run(&app, &mut worker, 10).await;
    let running = redrive(&acme, &subscriber).await;
    let paused = acme.call(Method::POST, &format!("{}/pause", at(&running)), None).await.ok();
    assert_eq!((&paused["state"], &paused["heldReason"]), (&json!("paused"), &json!(null)));
    pass(&app, &mut worker, 1).await;
    assert_eq!(redrive(&acme, &subscriber).await["replayed"], paused["replayed"]);
    acme.call(Method::POST, &format!("{}/resume", at(&running)), None).await.ok();
    acme.put(&subscriber.path(), json!({"autoRedrive": false})).await.ok();
    pass(&app, &mut worker, 1).await;
    let ended = redrive(&acme, &subscriber).await;
    assert_eq!((&ended["state"], &ended["replayed"]), (&json!("cancelled"), &paused["replayed"]));
    // What somebody asks for is another matter.
    acme.post(&path(&subscriber), json!({"rate": 1000})).await.created();
    finish(&app, &mut worker).await;
    assert_eq!(app.count("failed").await, 0);
}

#[tokio::test]
async fn what_killed_its_workers_is_not_sent_again_by_itself() {
    let (app, acme, subscriber, mut worker) = after_an_outage(2).await;
    app.database
        .execute(
            "update webhook_events set last_error = 'delivery_abandoned'
             where id = (select id from webhook_events order by created_at limit 1)",
        )
        .await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    pass(&app, &mut worker, 2).await;
    assert_eq!((app.count("failed").await, app.count("delivered").await), (1, 2));
    assert_eq!(redrive(&acme, &subscriber).await["state"], "completed");
}

#[tokio::test]
async fn a_webhook_says_whether_it_is_redriven_and_nobody_is_unasked() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"url": "http://127.0.0.1:9/", "events": ["*"], "autoRedrive": true});
    assert_eq!(acme.post(WEBHOOKS, body).await.created()["autoRedrive"], true);
    let subscriber = acme.subscribe(&["*"]).await;
    assert_eq!(subscriber.show().await["autoRedrive"], false);
    opt_in(&acme, &subscriber).await;
    assert_eq!(subscriber.show().await["autoRedrive"], true);
    let page = acme.get(WEBHOOKS).await.page();
    assert!(page.items.iter().all(|webhook| webhook["autoRedrive"] == true), "{:#?}", page.items);
    let fault = json!({"autoRedrive": "Must be true or false"});
    acme.put(&subscriber.path(), json!({"autoRedrive": "yes"})).await.invalid(&fault);
    let fault = json!({"autoRedrive": "Must not be null"});
    acme.put(&subscriber.path(), json!({"autoRedrive": null})).await.invalid(&fault);
}

#[tokio::test]
async fn what_killed_its_workers_is_no_probe_either_and_begins_no_redrive() {
    let (app, acme, subscriber, mut worker) = after_an_outage(3).await;
    app.database.execute("update webhook_events set last_error = 'delivery_abandoned'").await;
    pass(&app, &mut worker, 20).await;
    assert!(subscriber.receiver.calls().is_empty());
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    pass(&app, &mut worker, 20).await;
    assert_eq!(subscriber.show().await["health"], "healthy");
    assert_eq!(subscriber.receiver.calls().len(), 1);
    assert!(acme.get(&path(&subscriber)).await.page().items.is_empty());
}

#[tokio::test]
async fn nobody_who_records_outcomes_waits_while_failures_are_counted() {
    let (app, acme, subscriber, mut worker) = after_an_outage(3).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    worker.relay().await.unwrap();
    let claimed = worker.claim().await.unwrap();
    worker.attempt(claimed).await.unwrap();
    // The count of any number of failures, as long as somebody likes.
    let hold = app.database.hold("lock table webhook_events in access exclusive mode").await;
    let counted = async {
        app.database.waiting(1).await;
        app.database.execute("select from webhooks, webhook_health for update nowait").await;
        hold.release().await;
    };
    let (judged, ()) = tokio::join!(worker.judge(), counted);
    assert_eq!(judged.unwrap(), 1);
    assert_eq!(redrive(&acme, &subscriber).await["total"], 3);
}
