//! Switched off by us: after days of nothing but failures, or by a 410.

use std::sync::Arc;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{Receiver, Reply};
use tokio::sync::Notify;

use super::Stage;

/// Fails one change of each of these days, all of its attempts of the first half hour.
async fn days(stage: &mut Stage, days: impl IntoIterator<Item = i64>) {
    let began = stage.app.clock.now();
    for day in days {
        let passed = stage.app.clock.now() - began;
        stage.app.advance(TimeDelta::days(day) - passed);
        stage.after(0, 1, &[500]).await;
        for minutes in [2, 4, 8, 16] {
            stage.after(minutes, 0, &[500]).await;
        }
    }
}

#[tokio::test]
async fn five_days_of_nothing_but_failures_switch_a_webhook_off() {
    let mut stage = Stage::new().await;
    let version = stage.hook.show().await["version"].as_i64().unwrap();
    days(&mut stage, 0..=4).await;
    assert_eq!(stage.state().await, "failing");
    days(&mut stage, [1]).await;

    let shown = stage.hook.show().await;
    assert_eq!(shown["health"], "disabled");
    assert_eq!((&shown["active"], &shown["disabledReason"]), (&json!(false), &json!("failing")));
    assert_eq!(shown["version"], version + 1);
    assert_eq!(shown["failureStreak"], 26);
    stage.worker.relay().await.unwrap();
    assert_eq!(stage.told_names().await, ["webhook.failing", "webhook.disabled"]);
    let told = &stage.told().await[1]["data"];
    assert_eq!((&told["state"], &told["reason"]), (&json!("disabled"), &json!("failing")));
    let (action, before, after) = stage.audited().await.remove(1);
    assert_eq!(action, "webhook.disabled");
    assert_eq!(before, json!({"health": "failing", "active": true, "disabledReason": null}));
    assert_eq!(after, json!({"health": "disabled", "active": false, "disabledReason": "failing"}));
}

#[tokio::test]
async fn less_than_five_days_or_fewer_days_with_failures_or_one_acceptance_do_not() {
    for spared in [vec![0, 1, 2, 3, 4], vec![0, 9], vec![0, 1, 8, 9]] {
        let mut stage = Stage::new().await;
        days(&mut stage, spared.clone()).await;
        assert_eq!(stage.state().await, "failing", "{spared:?}");
    }
    let mut stage = Stage::new().await;
    days(&mut stage, 0..=3).await;
    stage.after(0, 1, &[]).await;
    assert_eq!(stage.state().await, "healthy");
    days(&mut stage, 1..=3).await;
    assert_eq!(stage.state().await, "failing");
}

#[tokio::test]
async fn one_failure_long_ago_and_silence_since_switch_nothing_off() {
    let mut stage = Stage::new().await;
    days(&mut stage, [0]).await;
    stage.app.advance(TimeDelta::days(30));
    stage.worker.drain().await.unwrap();
    assert_eq!(stage.worker.judge().await.unwrap(), 0);
    stage.after(0, 1, &[500]).await;
    assert_eq!(stage.state().await, "failing");
}

#[tokio::test]
async fn a_410_switches_off_with_an_event_an_entry_and_what_is_pending_held() {
    let mut stage = Stage::new().await;
    let ear = stage.acme.subscribe(&["webhook.disabled"]).await;
    stage.after(0, 1, &[500]).await;
    stage.after(1, 1, &[410]).await;

    let health = stage.health().await;
    assert_eq!(
        (&health["health"], &health["disabledReason"]),
        (&json!("disabled"), &json!("gone"))
    );
    assert_eq!((&health["active"], &health["lastError"]), (&json!(false), &json!("gone")));
    assert_eq!(health["pending"]["count"], 1);
    let (action, before, after) = stage.audited().await.remove(0);
    assert_eq!(action, "webhook.disabled");
    assert_eq!(before, json!({"health": "healthy", "active": true, "disabledReason": null}));
    assert_eq!(after, json!({"health": "disabled", "active": false, "disabledReason": "gone"}));
    stage.worker.drain().await.unwrap();
    let call = ear.receiver.only_call();
    call.assert_signed(&ear.secret);
    let data = &call.json()["data"];
    assert_eq!((&data["reason"], &data["pending"]), (&json!("gone"), &json!(1)));
    stage.app.advance(TimeDelta::minutes(2));
    assert_eq!(stage.worker.drain().await.unwrap(), 0, "what is pending is held");
}

#[tokio::test]
async fn a_410_to_a_request_from_before_a_change_says_nothing_of_what_the_webhook_is_now() {
    for moves in [true, false] {
        let mut stage = Stage::new().await;
        let elsewhere = Receiver::start().await;
        let late = Arc::<Notify>::default();
        stage.hook.receiver.script([Reply::status(410).upon(&late)]);
        stage.app.announce(&stage.acme, "contact.created", 1).await;
        stage.worker.relay().await.unwrap();
        let claimed = stage.worker.claim().await.unwrap();
        let Stage { app, acme, hook, worker } = &mut stage;
        let changed = async {
            hook.receiver.wait_for(1).await;
            app.advance(TimeDelta::seconds(1));
            if moves {
                acme.put(&hook.path(), json!({"url": elsewhere.url()})).await.ok();
            } else {
                hook.switch(false).await;
                hook.switch(true).await;
            }
            late.notify_one();
        };
        let (delivered, ()) = tokio::join!(worker.deliver(claimed), changed);
        delivered.unwrap();
        assert_eq!(stage.hook.show().await["active"], true, "{moves}");

        let receiver = if moves { &elsewhere } else { &stage.hook.receiver };
        receiver.answer(410);
        stage.send(1).await;
        assert_eq!(stage.hook.show().await["disabledReason"], "gone", "{moves}");
    }
}

#[tokio::test]
async fn a_410_that_nobody_has_judged_yet_says_nothing_of_another_address() {
    let mut stage = Stage::new().await;
    let elsewhere = Receiver::start().await;
    stage.hook.receiver.answer(410);
    stage.app.announce(&stage.acme, "contact.created", 1).await;
    stage.worker.relay().await.unwrap();
    let claimed = stage.worker.claim().await.unwrap();
    stage.worker.attempt(claimed).await.unwrap();
    stage.acme.put(&stage.hook.path(), json!({"url": elsewhere.url()})).await.ok();
    stage.worker.judge().await.unwrap();
    assert_eq!(stage.hook.show().await["active"], true);
}

#[tokio::test]
async fn switched_on_again_it_begins_anew_and_is_failing_until_something_is_accepted() {
    let mut stage = Stage::new().await;
    days(&mut stage, 0..=5).await;
    assert_eq!(stage.state().await, "disabled");
    stage.hook.switch(true).await;

    let shown = stage.hook.show().await;
    assert_eq!((&shown["health"], &shown["failureStreak"]), (&json!("failing"), &json!(0)));
    assert_eq!(shown["disabledReason"], Value::Null);
    days(&mut stage, [1]).await;
    assert_eq!(stage.state().await, "failing", "the five days begin anew");
    stage.after(0, 1, &[]).await;
    assert_eq!(stage.state().await, "healthy");
    stage.worker.relay().await.unwrap();
    assert_eq!(
        stage.told_names().await,
        ["webhook.failing", "webhook.disabled", "webhook.recovered"]
    );
}

#[tokio::test]
async fn a_webhook_that_its_tenant_switches_off_keeps_its_health_and_begins_anew_too() {
    let mut stage = Stage::new().await;
    stage.fail().await;
    stage.hook.switch(false).await;
    assert_eq!(stage.state().await, "failing");
    assert_eq!(stage.health().await["disabledReason"], Value::Null);
    stage.hook.switch(true).await;
    let health = stage.health().await;
    assert_eq!((&health["health"], &health["failureStreak"]), (&json!("failing"), &json!(0)));
}

#[tokio::test]
async fn an_answer_that_comes_in_after_its_tenant_switched_it_off_switches_nothing_off() {
    let mut stage = Stage::new().await;
    stage.hook.receiver.script([410]);
    stage.app.announce(&stage.acme, "contact.created", 1).await;
    stage.worker.relay().await.unwrap();
    let claimed = stage.worker.claim().await.unwrap();
    stage.hook.switch(false).await;
    stage.worker.deliver(claimed).await.unwrap();
    assert_eq!(stage.hook.show().await["disabledReason"], Value::Null);
    assert_eq!(stage.audited().await, []);
    stage.hook.switch(true).await;
    assert_eq!(stage.worker.judge().await.unwrap(), 0);
}
