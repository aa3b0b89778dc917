//! A webhook's own rate limit holds over all workers together.

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{TestApp, WEBHOOKS, until};

#[tokio::test]
async fn two_workers_together_begin_no_more_attempts_than_the_limit_allows() {
    const RATE: usize = 20;
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.put(&subscriber.path(), json!({"rateLimit": RATE})).await.ok();
    app.announce(&acme, "contact.created", 300).await;
    let mut workers = [app.worker(), app.worker()];
    workers[0].relay().await.unwrap();

    let mut sent = 0;
    for tick in 0..200 {
        for worker in &mut workers {
            let claimed = worker.claim().await.unwrap();
            sent += claimed.len();
            worker.deliver(claimed).await.unwrap();
        }
        // Two at once, then one each 50 ms.
        assert!(sent <= 2 + tick * RATE / 20, "{sent} after {tick} ticks");
        app.advance(TimeDelta::milliseconds(50));
    }
    assert!(sent >= 195, "the rate is used: {sent} in 10 s");
    assert_eq!(subscriber.receiver.calls().len(), sent);
}

#[tokio::test]
async fn a_webhook_at_its_limit_keeps_no_other_waiting_and_no_limit_is_no_limit() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (slow, fast) = (acme.subscribe(&["*"]).await, acme.subscribe(&["*"]).await);
    acme.put(&slow.path(), json!({"rateLimit": 1})).await.ok();
    app.announce(&acme, "contact.created", 40).await;
    let mut worker = app.worker();
    worker.drain().await.unwrap();
    assert_eq!((slow.receiver.calls().len(), fast.receiver.calls().len()), (1, 40));

    acme.put(&slow.path(), json!({"rateLimit": null})).await.ok();
    worker.drain().await.unwrap();
    assert_eq!(slow.receiver.calls().len(), 40);
}

#[tokio::test]
async fn a_limited_webhook_whose_row_somebody_holds_keeps_no_other_tenant_waiting() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let (limited, other) = (acme.subscribe(&["*"]).await, globex.subscribe(&["*"]).await);
    acme.put(&limited.path(), json!({"rateLimit": 1})).await.ok();
    app.announce(&acme, "contact.created", 9).await;
    app.announce(&globex, "contact.created", 1).await;
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    let hold =
        app.database.hold("select from webhooks where rate_limit = 1 for no key update").await;
    for _ in 0..5 {
        let claimed = worker.claim().await.unwrap();
        worker.deliver(claimed).await.unwrap();
    }
    // What could not be booked is not overrun.
    assert_eq!((limited.receiver.calls().len(), other.receiver.calls().len()), (1, 1));
    hold.release().await;
    let booked = "select count(*) from webhooks where paced_until is not null";
    until("it is booked", async || {
        sqlx::query_scalar::<_, i64>(booked).fetch_one(app.database.admin()).await.unwrap() == 1
    })
    .await;
}

#[tokio::test]
async fn what_a_clock_that_was_ahead_has_booked_keeps_no_webhook_silent() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.put(&subscriber.path(), json!({"rateLimit": 1})).await.ok();
    app.announce(&acme, "contact.created", 9).await;
    let mut ahead = app.worker();
    ahead.relay().await.unwrap();
    app.advance(TimeDelta::hours(1));
    let claimed = ahead.claim().await.unwrap();
    ahead.deliver(claimed).await.unwrap();
    app.advance(TimeDelta::hours(-1));

    let mut worker = app.worker();
    for sent in 2..5 {
        worker.drain().await.unwrap();
        assert_eq!(subscriber.receiver.calls().len(), sent, "one each second");
        app.advance(TimeDelta::seconds(1));
    }
}

#[tokio::test]
async fn a_rate_is_a_whole_number_from_1_to_1000() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for bad in [json!(0), json!(1001), json!(1.5), json!("5")] {
        let body = json!({"url": "https://example.com/", "events": ["*"], "rateLimit": bad});
        acme.post(WEBHOOKS, body)
            .await
            .invalid(&json!({"rateLimit": "Must be a whole number from 1 to 1000"}));
    }
}
