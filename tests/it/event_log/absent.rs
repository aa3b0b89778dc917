//! Days on which no worker ran.

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{CONTACTS, TestApp};
use worker::retention;

#[tokio::test]
async fn days_on_which_no_worker_ran_have_their_partitions_before_their_events_are_relayed() {
    let app = TestApp::present().await;
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
