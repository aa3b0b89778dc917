//! Days on which no worker ran.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{CONTACTS, Program, TestApp, until};
use worker::retention;

#[tokio::test]
async fn days_on_which_no_worker_ran_have_their_partitions_before_their_events_are_relayed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let worker = app.worker_db();
    retention::keep(&worker).await.unwrap();
    for _ in 0..9 {
        app.advance(TimeDelta::days(1));
        acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    }
    while !retention::keep(&worker).await.unwrap() {}
    app.worker().relay().await.unwrap();
    let lies: Vec<(String, i64)> = sqlx::query_as(
        "select tableoid::regclass::text, count(*) from events group by 1 order by 1",
    )
    .fetch_all(app.database.admin())
    .await
    .unwrap();
    assert_eq!(lies.len(), 9, "{lies:?}");
    assert!(lies.iter().all(|(part, events)| part != "events_rest" && *events == 1), "{lies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_relays_nothing_before_today_has_its_partitions() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let today = app.worker_db().clock().now().format("%Y%m%d");
    for table in ["events", "webhook_events", "webhook_attempts"] {
        app.database.execute(&format!("drop table if exists {table}_{today}")).await;
    }
    app.announce(&acme, "contact.created", 1).await;
    // As a dump or a count does, for longer than anybody waits for it.
    let hold = app.database.hold("select from webhook_events_rest").await;
    let url = app.database.worker_url();
    let released = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        hold.release().await;
    };
    let (_worker, ()) = tokio::join!(Program::worker(&url, &[]), released);
    let count = "select count(*) from events";
    until("it is relayed", async || {
        let events: i64 = sqlx::query_scalar(count).fetch_one(app.database.admin()).await.unwrap();
        events == 1
    })
    .await;
    let strays = "select count(*) from events_rest";
    let strays: i64 = sqlx::query_scalar(strays).fetch_one(app.database.admin()).await.unwrap();
    assert_eq!(strays, 0);
}

#[tokio::test]
async fn a_worker_whose_clock_is_ahead_removes_nothing() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let worker = app.worker();
    assert!(worker.keep().await.unwrap());
    app.announce(&acme, "contact.created", 3).await;
    worker.relay().await.unwrap();
    app.advance(TimeDelta::days(40));
    assert!(!worker.keep().await.unwrap());
    assert_eq!(app.count("pending").await, 3);
    assert_eq!(subscriber.deliveries().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_does_not_wait_for_a_day_that_can_get_no_partition() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let _subscriber = acme.subscribe(&["*"]).await;
    let today = app.worker_db().clock().now().format("%Y%m%d");
    for table in ["events", "webhook_events", "webhook_attempts"] {
        app.database.execute(&format!("drop table if exists {table}_{today}")).await;
    }
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    let strays = "select count(*) from events_rest";
    let strays: i64 = sqlx::query_scalar(strays).fetch_one(app.database.admin()).await.unwrap();
    assert_eq!(strays, 1);
    let mut worker = Program::worker(&app.database.worker_url(), &[]).await;
    app.wait_until("delivered", 1).await;
    assert!(worker.stop().await.success(), "{}", worker.last_lines());
    // What a start says that has waited in vain.
    assert!(!worker.log().contains("could not be made"), "{}", worker.log());
}
