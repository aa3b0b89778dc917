//! A worker whose clock is ahead of the database's.

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{CONTACTS, TestApp};

use crate::imports::{import, people};
use crate::replays::Past;

/// How many answers, imports and replays there are.
async fn kept(app: &TestApp) -> Vec<i64> {
    let counts =
        "select array[(select count(*) from idempotency_keys), (select count(*) from imports),
                               (select count(*) from webhook_replays)]";
    sqlx::query_scalar(counts).fetch_one(app.database.admin()).await.unwrap()
}

#[tokio::test]
async fn a_clock_more_than_an_hour_ahead_removes_no_kept_answer_no_import_and_no_replay() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let (webhook, from) = (subscriber.id, app.clock.now() - TimeDelta::minutes(1));
    let past = Past { webhook, status: "failed", event: "contact.created", from, count: 1 };
    past.plant(app.database.admin()).await;
    acme.post(&format!("{}/replays", subscriber.path()), json!({})).await.created();
    acme.post_once(CONTACTS, "key", &json!({"name": "Ada"})).await.created();
    import(&acme, "", people(1)).await.ok();
    app.database
        .execute(
            "update idempotency_keys set expires_at = now() - interval '1 minute';
             update imports set finished_at = now() - interval '31 days';
             update webhook_replays set state = 'completed', due_at = null, finished_at = now() - interval '31 days'",
        )
        .await;
    let worker = app.worker();
    app.advance(TimeDelta::minutes(61));
    assert!(worker.forget().await.unwrap());
    assert_eq!(kept(&app).await, [1, 1, 1]);
    app.advance(TimeDelta::minutes(-2));
    assert!(worker.forget().await.unwrap());
    assert_eq!(kept(&app).await, [0, 0, 0]);
}
