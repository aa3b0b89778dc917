//! Rows that somebody keeps locked, such as a session with `update webhook_events` and no commit.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use shared::Clock;
use tests::kit::{Program, Reply, Tenant, TestApp, expire_leases, until};

#[tokio::test(flavor = "multi_thread")]
async fn one_delivery_that_somebody_holds_for_longer_than_a_lease_keeps_no_others_outcome_waiting()
{
    let app = TestApp::present().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let (stuck, free) = (acme.subscribe(&["*"]).await, other.subscribe(&["*"]).await);
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    let hold = app.database.hold("select from webhook_events for update").await;
    // A lease is 30 s and the time of a request.
    let mut worker =
        Program::worker(&app.database.worker_url(), &[("WEBHOOK_TIMEOUT", "1s")]).await;
    // Its own outcome is claimed and made again after each lease, and waits like the first: more of them than there are
    // transactions.
    for sent in 1..=3 {
        stuck.receiver.wait_for(sent).await;
        app.announce(&other, "contact.created", 1).await;
        free.receiver.wait_for(sent).await;
        app.wait_until("delivered", i64::try_from(sent).unwrap()).await;
        expire_leases(app.database.admin()).await;
    }
    assert_eq!(free.receiver.calls().len(), 3);

    hold.release().await;
    until("it is written", async || app.count("pending").await == 0).await;
    // Those that came after their lease are in the log, too.
    attempts(&app, &acme, stuck.receiver.calls().len()).await;
    assert!(worker.stop().await.success(), "{}", worker.last_lines());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_webhook_that_somebody_holds_keeps_no_others_outcome_waiting() {
    for table in ["webhooks", "webhook_health", "webhook_replays"] {
        let app = TestApp::present().await;
        let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
        let (stuck, free) = (acme.subscribe(&["*"]).await, other.subscribe(&["*"]).await);
        let answer = match table {
            "webhooks" => Reply::status(429).header("retry-after", "1"),
            _ => Reply::status(200),
        };
        // Three that go well, and three that end apart: more than there are transactions.
        stuck.receiver.script(vec![Reply::status(200); 3]);
        stuck
            .receiver
            .script([2, 4, 6].map(|wait| answer.clone().after(Duration::from_secs(wait))));
        let mut worker = Program::worker(&app.database.worker_url(), &[]).await;
        app.announce(&acme, "contact.created", 3).await;
        app.wait_until("delivered", 3).await;
        match table {
            "webhook_replays" => {
                // What came after it was asked for, by the worker's clock, is not selected; and this one stood still.
                let behind = Clock::system().now() - app.clock.now();
                app.advance(behind + TimeDelta::seconds(1));
                let asked = json!({"statuses": ["delivered"]});
                acme.post(&format!("{}/replays", stuck.path()), asked).await.created();
            }
            _ => app.announce(&acme, "contact.created", 3).await,
        }
        stuck.receiver.wait_for(6).await;
        let of_acme = format!("select from {table} where tenant_id = '{}' for update", acme.id);
        let hold = app.database.hold(&of_acme).await;
        attempts(&app, &acme, 3).await;
        tokio::time::sleep(Duration::from_secs(7)).await;
        app.announce(&other, "contact.created", 1).await;
        free.receiver.wait_for(1).await;
        attempts(&app, &other, 1).await;
        hold.release().await;
        attempts(&app, &acme, 6).await;
        assert!(worker.stop().await.success(), "{}", worker.last_lines());
    }
}

/// Waits until the log has so many attempts of a tenant.
async fn attempts(app: &TestApp, tenant: &Tenant, many: usize) {
    let logged = "select count(*) from webhook_attempts where tenant_id = $1";
    until("each request is in the log", async || {
        let logged = sqlx::query_scalar::<_, i64>(logged).bind(tenant.id.0);
        let logged = logged.fetch_one(app.database.admin()).await.unwrap();
        usize::try_from(logged).unwrap() == many
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stops_writes_what_nobody_holds_and_leaves_the_rest_to_its_lease() {
    let app = TestApp::present().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let (stuck, free) = (acme.subscribe(&["*"]).await, other.subscribe(&["*"]).await);
    // They end together, when the worker has been told to stop.
    for subscriber in [&stuck, &free] {
        subscriber.receiver.script(vec![Reply::status(200).after(Duration::from_secs(1)); 9]);
    }
    app.announce(&acme, "contact.created", 9).await;
    app.announce(&other, "contact.created", 9).await;
    app.worker().relay().await.unwrap();
    let of_acme = format!("select from webhook_events where tenant_id = '{}' for update", acme.id);
    let hold = app.database.hold(&of_acme).await;
    let mut worker = Program::worker(&app.database.worker_url(), &[]).await;
    free.receiver.wait_for(9).await;
    stuck.receiver.wait_for(9).await;
    assert!(worker.stop().await.success(), "{}", worker.last_lines());
    assert_eq!((app.count("delivered").await, app.count("pending").await), (9, 9));
    hold.release().await;
}
