//! What is sent again, and how it arrives.

use chrono::TimeDelta;
use serde_json::json;
use sqlx::AssertSqlSafe;
use tests::kit::{CONTACTS, TestApp};
use uuid::Uuid;

use super::{Past, ask, at, counts, finish, path, time, with_cycle, with_failed};

#[tokio::test]
async fn what_has_failed_is_sent_again_with_its_id_and_bytes_as_a_new_first_attempt_oldest_first() {
    let (app, acme, subscriber, _) = with_failed(3).await;
    let mut worker = app.worker_with(|config| config.caps.total = 1);
    let before = subscriber.deliveries().await;
    let asked = ask(&acme, &subscriber, json!({})).await;
    let location = asked.header("location").to_owned();
    let replay = asked.created();
    assert_eq!(location, at(&replay));
    assert_eq!((&replay["state"], &replay["trigger"]), (&json!("running"), &json!("replay")));
    assert_eq!(replay["statuses"], json!(["failed", "skipped"]));
    assert_eq!(counts(&replay), [3, 0, 0, 0, 0]);
    finish(&app, &mut worker).await;

    let calls = subscriber.receiver.calls();
    let sent: Vec<_> = calls.iter().map(|call| call.header("webhook-id")).collect();
    let ids: Vec<_> = before.iter().rev().map(|event| event["id"].as_str().unwrap()).collect();
    assert_eq!(sent, ids, "oldest first");
    for call in &calls {
        let headers = (call.header("x-webhook-attempt"), call.header("x-webhook-trigger"));
        assert_eq!(headers, ("1", "replay"));
        assert_eq!(call.json()["id"], call.header("webhook-id"));
        call.assert_signed(&subscriber.secret);
    }
    for event in subscriber.deliveries().await {
        assert_eq!((&event["status"], &event["cycle"]), (&json!("delivered"), &json!(2)));
        assert_eq!((&event["trigger"], &event["attempts"]), (&json!("replay"), &json!(1)));
    }
    let done = acme.get(&at(&replay)).await.ok();
    assert_eq!(done["state"], "completed");
    assert_eq!(counts(&done), [3, 3, 3, 0, 0]);
    assert_eq!((&done["secondsLeft"], &done["heldReason"]), (&json!(null), &json!(null)));
    assert!(done["startedAt"].is_string() && done["finishedAt"].is_string());
    assert_eq!(acme.get(&path(&subscriber)).await.page().items, [done]);
}

#[tokio::test]
async fn a_selection_is_by_time_status_and_event_and_a_dry_run_counts_it_and_changes_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (subscriber, other) = (acme.subscribe(&["*"]).await, acme.subscribe(&["*"]).await);
    let from = app.clock.now() - TimeDelta::hours(2);
    for webhook in [subscriber.id, other.id] {
        for status in ["failed", "skipped", "delivered"] {
            for event in ["contact.created", "contact.deleted", "lead.created"] {
                let past = Past { webhook, status, event, from, count: 10 };
                past.plant(app.database.admin()).await;
            }
        }
    }
    let (first, last) = (time(from + TimeDelta::seconds(2)), time(from + TimeDelta::seconds(5)));
    let selections = [
        (json!({}), 60),
        (json!({"statuses": ["failed"]}), 30),
        (json!({"statuses": ["delivered", "delivered"]}), 30),
        (json!({"statuses": ["delivered", "failed", "skipped"], "events": ["*"]}), 90),
        (json!({"events": ["contact.*"]}), 40),
        (json!({"events": ["contact.deleted", "lead.created"], "statuses": ["skipped"]}), 20),
        (json!({"since": first}), 6 * 8),
        (json!({"until": last}), 6 * 6),
        (json!({"since": first, "until": last, "statuses": ["failed"], "events": ["lead.*"]}), 4),
    ];
    for (selection, expected) in &selections {
        let tried =
            acme.post(&format!("{}?dryRun=true", path(&subscriber)), selection.clone()).await;
        assert_eq!(counts(&tried.created()), [*expected, 0, 0, 0, 0], "{selection}");
    }
    assert!(acme.get(&path(&subscriber)).await.page().items.is_empty());
    let mut worker = app.worker();
    finish(&app, &mut worker).await;
    assert_eq!(with_cycle(&app, 1).await, 180);

    let (smallest, expected) = selections.last().unwrap();
    let replay = ask(&acme, &subscriber, smallest.clone()).await.created();
    finish(&app, &mut worker).await;
    assert_eq!(counts(&acme.get(&at(&replay)).await.ok()), [*expected, *expected, *expected, 0, 0]);
    assert_eq!(with_cycle(&app, 2).await, *expected);
    for call in subscriber.receiver.calls() {
        assert_eq!(call.header("x-webhook-event"), "lead.created");
        assert!((2..=5).contains(&call.json()["data"]["number"].as_i64().unwrap()));
    }
    assert!(other.receiver.calls().is_empty(), "another webhook's are not sent");
}

#[tokio::test]
async fn what_is_accepted_while_it_goes_on_is_not_sent_once_more() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    let replay = ask(&acme, &subscriber, json!({"statuses": ["delivered"]})).await.created();
    app.advance(TimeDelta::seconds(1));
    worker.drain().await.unwrap();
    finish(&app, &mut worker).await;
    assert_eq!(counts(&acme.get(&at(&replay)).await.ok()), [0, 0, 0, 0, 0]);
    assert_eq!(subscriber.receiver.calls().len(), 1);
}

#[tokio::test]
async fn an_until_that_has_not_come_means_now() {
    let (app, acme, subscriber, mut worker) = with_failed(2).await;
    let (now, statuses) = (app.clock.now(), json!(["failed", "skipped", "delivered"]));
    let later = json!({"until": time(now + TimeDelta::hours(1)), "statuses": statuses});
    let replay = ask(&acme, &subscriber, later).await.created();
    assert_eq!((&replay["until"], &replay["total"]), (&time(now), &json!(2)));
    app.advance(TimeDelta::seconds(1));
    subscriber.switch(false).await;
    acme.post(CONTACTS, json!({"name": "Skipped"})).await.created();
    worker.relay().await.unwrap();
    subscriber.switch(true).await;
    acme.post(CONTACTS, json!({"name": "Sent"})).await.created();
    finish(&app, &mut worker).await;
    app.advance(TimeDelta::hours(2));
    finish(&app, &mut worker).await;

    assert_eq!(counts(&acme.get(&at(&replay)).await.ok()), [2, 2, 2, 0, 0]);
    let calls = subscriber.receiver.calls();
    let names = calls.iter().map(|call| call.json()["data"]["name"].clone());
    assert_eq!(names.filter(|name| !name.is_null()).collect::<Vec<_>>(), ["Sent"]);
    assert_eq!(calls.len(), 3);
}

#[tokio::test]
async fn what_is_pending_is_passed_over_and_what_was_resent_is_not_sent_twice_at_once() {
    let (app, acme, subscriber, mut worker) = with_failed(3).await;
    let replay = ask(&acme, &subscriber, json!({})).await.created();
    let resent = &subscriber.deliveries().await[1];
    subscriber.resend(resent).await.ok();
    finish(&app, &mut worker).await;
    let done = acme.get(&at(&replay)).await.ok();
    assert_eq!((counts(&done), &done["passedOver"]), ([3, 2, 2, 0, 0], &json!(1)));
    assert_eq!(subscriber.receiver.calls().len(), 3);
}

#[tokio::test]
async fn each_gets_the_full_schedule_and_one_that_fails_again_is_counted_and_can_be_replayed_again()
{
    let (app, acme, subscriber, mut worker) = with_failed(1).await;
    subscriber.receiver.script([500; 5]);
    let replay = ask(&acme, &subscriber, json!({})).await.created();
    for minutes in [2, 4, 8, 16] {
        worker.replay().await.unwrap();
        assert_eq!(worker.drain().await.unwrap(), 1);
        assert_eq!(counts(&acme.get(&at(&replay)).await.ok()), [1, 1, 0, 0, 1]);
        app.advance(TimeDelta::minutes(minutes));
    }
    worker.drain().await.unwrap();
    let done = acme.get(&at(&replay)).await.ok();
    assert_eq!((counts(&done), &done["state"]), ([1, 1, 0, 1, 0], &json!("completed")));

    for cycle in [3, 4] {
        let again =
            ask(&acme, &subscriber, json!({"statuses": ["failed", "delivered"]})).await.created();
        app.advance(TimeDelta::seconds(1));
        finish(&app, &mut worker).await;
        assert_eq!(counts(&acme.get(&at(&again)).await.ok()), [1, 1, 1, 0, 0]);
        assert_eq!(subscriber.only_delivery().await["cycle"], cycle);
    }
    assert_eq!(subscriber.receiver.calls().len(), 7);
}

#[tokio::test]
async fn a_few_events_among_many_are_found() {
    let (app, acme, subscriber, mut worker) = with_failed(12_000).await;
    let from = app.clock.now() - TimeDelta::hours(5);
    let past =
        Past { webhook: subscriber.id, status: "failed", event: "lead.created", from, count: 1 };
    past.plant(app.database.admin()).await;
    let from = app.clock.now() - TimeDelta::seconds(1);
    Past { from, ..past }.plant(app.database.admin()).await;
    let replay = ask(&acme, &subscriber, json!({"events": ["lead.*"]})).await.created();
    finish(&app, &mut worker).await;
    assert_eq!(counts(&acme.get(&at(&replay)).await.ok()), [2, 2, 2, 0, 0]);
    assert_eq!(subscriber.receiver.calls().len(), 2);
}

#[tokio::test]
async fn a_batch_reads_what_it_selects_and_nothing_else_whatever_there_is_beside() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let (webhook, event) = (subscriber.id, "contact.created");
    let from = app.clock.now() - TimeDelta::hours(9);
    for (status, count) in [("delivered", 20_000), ("failed", 3), ("skipped", 3)] {
        Past { webhook, status, event, from, count }.plant(app.database.admin()).await;
    }
    app.database.execute("analyze webhook_events").await;
    let sql = include_str!("../../../worker/src/replays/begin.sql");
    let db = app.worker_db();
    let plan: Vec<String> = db
        .direct(async |conn| {
            sqlx::query_scalar(AssertSqlSafe(format!("explain (analyze, timing off) {sql}")))
                .bind(acme.id.0)
                .bind(webhook)
                .bind(["failed", "skipped"])
                .bind(from - TimeDelta::hours(1))
                .bind(Uuid::nil())
                .bind(app.clock.now())
                .bind(None::<Vec<String>>)
                .bind(app.clock.now())
                .bind(250_i64)
                .bind(100_i64)
                .bind("replay")
                .bind(app.clock.now())
                .bind(Uuid::from_u128(1))
                .fetch_all(conn)
                .await
        })
        .await
        .unwrap();
    assert_eq!(with_cycle(&app, 2).await, 6);
    let removed = plan.iter().filter_map(|line| line.split("Rows Removed by Filter: ").nth(1));
    let removed: i64 = removed.map(|count| count.parse::<i64>().unwrap()).sum();
    assert!(removed < 100, "{removed} rows read for nothing:\n{}", plan.join("\n"));
}

#[tokio::test]
async fn test_events_are_not_sent_again() {
    let (app, acme, subscriber, mut worker) = with_failed(2).await;
    sqlx::query("update webhook_events set trigger = 'test' where id = (select id from webhook_events order by id limit 1)")
        .execute(app.database.admin())
        .await
        .unwrap();
    let replay = ask(&acme, &subscriber, json!({})).await.created();
    finish(&app, &mut worker).await;
    assert_eq!(counts(&acme.get(&at(&replay)).await.ok()), [1, 1, 1, 0, 0]);
    assert_eq!(subscriber.receiver.calls().len(), 1);
}
