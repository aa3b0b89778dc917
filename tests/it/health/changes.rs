//! Healthy, failing, and back.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::TestApp;
use worker::steps::Steps;

use super::Stage;

#[tokio::test]
async fn failures_that_are_all_at_once_are_no_outage() {
    let mut stage = Stage::new().await;
    stage.after(0, 20, &[500; 20]).await;
    let health = stage.health().await;
    assert_eq!((&health["health"], &health["failureStreak"]), (&json!("healthy"), &json!(20)));
    assert_eq!(health["failingSince"], Value::Null);
    stage.after(2, 0, &[]).await;
    assert_eq!(stage.health().await["failureStreak"], 0);
    stage.worker.relay().await.unwrap();
    assert_eq!(stage.told_names().await, [""; 0]);
}

#[tokio::test]
async fn five_failures_in_a_row_over_a_minute_make_a_webhook_failing() {
    let mut stage = Stage::new().await;
    let began = shared::clock::rfc3339(stage.app.clock.now());
    stage.fail().await;
    let health = stage.health().await;
    let now = shared::clock::rfc3339(stage.app.clock.now());
    for (member, expected) in [
        ("health", json!("failing")),
        ("failureStreak", json!(10)),
        ("failingSince", json!(began)),
        ("changedAt", json!(now)),
        ("lastFailureAt", json!(now)),
        ("lastSuccessAt", Value::Null),
        ("lastError", json!("http_status")),
        ("active", json!(true)),
        ("disabledReason", Value::Null),
    ] {
        assert_eq!(health[member], expected, "{member}");
    }
    let shown = stage.hook.show().await;
    assert_eq!((&shown["health"], &shown["failureStreak"]), (&json!("failing"), &json!(10)));
    assert_eq!((&shown["lastSuccessAt"], &shown["lastDeliveryAt"]), (&Value::Null, &json!(now)));
    assert_eq!(stage.acme.get("/api/v1/webhooks").await.page().items[0]["health"], "failing");
    stage.worker.relay().await.unwrap();
    assert_eq!(stage.told_names().await, ["webhook.failing"]);
}

#[tokio::test]
async fn the_first_acceptance_makes_it_healthy_again() {
    let mut stage = Stage::new().await;
    stage.fail().await;
    let failing_since = stage.health().await["failingSince"].clone();
    stage.after(1, 1, &[]).await;

    let health = stage.health().await;
    let now = json!(shared::clock::rfc3339(stage.app.clock.now()));
    assert_eq!((&health["health"], &health["failureStreak"]), (&json!("healthy"), &json!(0)));
    assert_eq!((&health["lastSuccessAt"], &health["failingSince"]), (&now, &Value::Null));
    stage.worker.relay().await.unwrap();
    assert_eq!(stage.told_names().await, ["webhook.failing", "webhook.recovered"]);
    let recovered = &stage.told().await[1]["data"];
    assert_eq!(recovered["failingSince"], failing_since);
    assert_eq!(
        (&recovered["state"], &recovered["previousState"]),
        (&json!("healthy"), &json!("failing"))
    );
    let expected =
        [("webhook.failing", "healthy", "failing"), ("webhook.recovered", "failing", "healthy")]
            .map(|(action, before, after)| {
                (action.to_owned(), json!({"health": before}), json!({"health": after}))
            });
    assert_eq!(stage.audited().await, expected);
}

#[tokio::test]
async fn one_poisonous_event_among_accepted_ones_does_not_make_a_webhook_failing() {
    let mut stage = Stage::new().await;
    stage.after(0, 1, &[500]).await;
    for minutes in [2, 4, 8, 16] {
        stage.app.advance(TimeDelta::minutes(minutes));
        stage.hook.receiver.script([500]);
        stage.worker.drain().await.unwrap();
        stage.send(1).await;
    }
    assert_eq!(stage.app.count("failed").await, 1);
    let health = stage.health().await;
    assert_eq!((&health["health"], &health["failureStreak"]), (&json!("healthy"), &json!(0)));
    assert_eq!(health["last24Hours"]["failed"], 5);
    assert_eq!(health["failed"]["count"], 1);
}

#[tokio::test]
async fn what_was_our_own_fault_counts_for_nothing() {
    let mut stage = Stage::new().await;
    stage.app.database.execute("update webhooks set secret_enc = '\\x00'").await;
    for _ in 0..6 {
        stage.after(1, 1, &[]).await;
    }
    assert_eq!(stage.app.count("pending").await, 6);
    let health = stage.health().await;
    assert_eq!((&health["health"], &health["failureStreak"]), (&json!("healthy"), &json!(0)));
    assert_eq!(health["lastHour"]["attempts"], 0);
    assert_eq!(health["lastError"], Value::Null);
}

#[tokio::test]
async fn a_redrive_or_a_test_that_is_given_up_does_not_make_a_webhook_failing_as_an_event_does() {
    let mut stage = Stage::new().await;
    let retry = Duration::from_mins(2);
    stage.worker = stage.app.worker_with(|config| config.schedule = [retry].into());
    stage.acme.put(&stage.hook.path(), json!({"autoRedrive": true})).await.ok();
    stage.after(0, 1, &[500]).await;
    stage.after(2, 0, &[500]).await;
    assert_eq!(stage.state().await, "failing", "two attempts are all that it gets");
    stage.after(1, 1, &[]).await;
    assert_eq!(stage.state().await, "healthy");

    // Two attempts each, which are too few to be an outage.
    stage.hook.receiver.script([500; 2]);
    stage.worker.replay().await.unwrap();
    given_up(&mut stage, "redrive", 2).await;
    stage.hook.receiver.script([500; 2]);
    let test = format!("{}/test", stage.hook.path());
    stage.acme.post(&test, json!({})).await.created();
    given_up(&mut stage, "test", 4).await;
}

/// Sends until nothing is left, past the rest after a recovery; then it is healthy after so many failures.
async fn given_up(stage: &mut Stage, trigger: &str, streak: i32) {
    for _ in 0..2 {
        stage.worker.drain().await.unwrap();
        stage.app.advance(TimeDelta::minutes(3));
    }
    let failed = format!(
        "select count(*) from webhook_events where status = 'failed' and trigger = '{trigger}'"
    );
    let failed: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(failed))
        .fetch_one(stage.app.database.admin())
        .await
        .unwrap();
    assert_eq!(failed, 1, "{trigger}");
    assert_eq!(stage.worker.judge().await.unwrap(), 0, "{trigger}");
    let health = stage.health().await;
    assert_eq!(
        (&health["health"], &health["failureStreak"]),
        (&json!("healthy"), &json!(streak)),
        "{trigger}"
    );
}

#[tokio::test]
async fn a_receiver_that_flaps_is_told_of_once_in_five_minutes() {
    let mut stage = Stage::new().await;
    stage.fail().await;
    stage.after(0, 1, &[]).await;
    for _ in 0..5 {
        stage.after(1, 5, &[500; 30]).await;
        stage.hook.receiver.forget_script();
    }
    stage.worker.relay().await.unwrap();
    assert_eq!(
        stage.told_names().await,
        ["webhook.failing", "webhook.recovered", "webhook.failing"]
    );
    let [_, recovered, again] = &stage.told().await[..] else { panic!("three changes") };
    let time = |event: &Value| -> chrono::DateTime<chrono::Utc> {
        event["timestamp"].as_str().unwrap().parse().unwrap()
    };
    assert!(time(again) - time(recovered) >= TimeDelta::minutes(5));
}

#[tokio::test]
async fn a_worker_that_dies_before_it_announces_leaves_that_to_the_next() {
    let mut stage = Stage::new().await;
    stage.after(0, 5, &[500; 5]).await;
    stage.app.advance(TimeDelta::minutes(2));
    stage.hook.receiver.script([500; 5]);
    let claimed = stage.worker.claim().await.unwrap();
    stage.worker.attempt(claimed).await.unwrap();
    assert_eq!(stage.state().await, "healthy");

    drop(std::mem::replace(&mut stage.worker, stage.app.worker()));
    assert_eq!(stage.worker.judge().await.unwrap(), 1);
    assert_eq!(stage.state().await, "failing");
    assert_eq!(stage.worker.judge().await.unwrap(), 0);
    assert_eq!(stage.app.announced().await, ["webhook.failing"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_workers_announce_a_change_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (mut worker, mut hooks) = (app.worker(), Vec::new());
    for _ in 0..8 {
        let hook = acme.subscribe(&["contact.*"]).await;
        hook.receiver.script([500; 10]);
        hooks.push(hook);
    }
    app.announce(&acme, "contact.created", 5).await;
    worker.drain().await.unwrap();
    app.advance(TimeDelta::minutes(2));
    loop {
        let claimed = worker.claim().await.unwrap();
        if claimed.is_empty() {
            break;
        }
        worker.attempt(claimed).await.unwrap();
    }
    let others = [app.worker(), app.worker(), app.worker()];
    let judged = futures_util::future::join_all(others.iter().map(Steps::judge)).await;
    let changed: u64 = judged.into_iter().map(Result::unwrap).sum();
    assert_eq!(changed, 8);
    assert_eq!(app.announced().await, ["webhook.failing"; 8]);
}

#[tokio::test]
async fn an_outcome_that_came_after_its_lease_is_counted_by_whoever_has_it_now() {
    let mut stage = Stage::new().await;
    stage.app.announce(&stage.acme, "contact.created", 1).await;
    stage.worker.relay().await.unwrap();
    let late = stage.worker.claim().await.unwrap();
    stage.app.advance(TimeDelta::seconds(29));
    stage.app.database.execute("update webhook_queue set lease_id = gen_random_uuid()").await;
    stage.worker.attempt(late).await.unwrap();
    assert_eq!(stage.health().await["lastHour"]["attempts"], 0);
    stage.app.advance(TimeDelta::minutes(1));
    stage.worker.drain().await.unwrap();
    assert_eq!(stage.health().await["lastHour"]["attempts"], 1);
}

#[tokio::test]
async fn the_health_of_a_deleted_webhook_is_not_shown_and_changes_no_more() {
    let mut stage = Stage::new().await;
    stage.after(0, 5, &[500; 5]).await;
    stage.app.advance(TimeDelta::minutes(2));
    stage.hook.receiver.script([500; 5]);
    let claimed = stage.worker.claim().await.unwrap();
    stage.worker.attempt(claimed).await.unwrap();
    let path = format!("{}/health", stage.hook.path());
    stage.acme.delete(&stage.hook.path()).await.no_content();

    stage.acme.get(&path).await.problem(404, "NOT_FOUND");
    assert_eq!(stage.worker.judge().await.unwrap(), 0);
    let due: i64 = sqlx::query_scalar("select count(*) from webhook_health where due")
        .fetch_one(stage.app.database.admin())
        .await
        .unwrap();
    assert_eq!(due, 0);
    assert_eq!(stage.audited().await, []);
}
