//! How replays are asked for, and by whom.

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use reqwest::Method;
use serde_json::json;
use tests::kit::{CONTACTS, TestApp};

use super::{ask, at, counts, finish, path, time, with_failed};

#[tokio::test]
async fn everything_that_is_wrong_with_a_selection_is_named() {
    let (app, acme, subscriber, _) = with_failed(1).await;
    let answer = ask(
        &acme,
        &subscriber,
        json!({"since": "yesterday", "until": 5, "statuses": ["failed", "pending"], "events": ["contact.exploded"],
            "rate": 0, "speed": 1}),
    )
    .await;
    let problem = answer.problem(400, "VALIDATION_ERROR");
    let named: Vec<_> = problem["details"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(named, ["events", "rate", "since", "speed", "statuses[1]", "until"]);
    assert_eq!(problem["details"]["rate"], "Must be a whole number from 1 to 1000");

    let now = app.clock.now();
    let (hour, month) = (TimeDelta::hours(1), TimeDelta::days(32));
    let cases = [
        (json!({"since": time(now + hour)}), json!({"since": "Must not be in the future"})),
        (
            json!({"since": time(now + hour), "until": time(now + hour)}),
            json!({"since": "Must not be in the future"}),
        ),
        (
            json!({"since": time(now - hour), "until": time(now - hour)}),
            json!({"since": "Must be before until"}),
        ),
        (
            json!({"since": time(now - month)}),
            json!({"since": "Must not be before 2025-12-03T00:00:00.000Z: nothing older is kept"}),
        ),
    ];
    for (body, details) in cases {
        ask(&acme, &subscriber, body).await.invalid(&details);
    }
    for empty in [json!({"statuses": []}), json!({"events": []}), json!({"rate": 1001})] {
        ask(&acme, &subscriber, empty).await.problem(400, "VALIDATION_ERROR");
    }
    assert!(acme.get(&path(&subscriber)).await.page().items.is_empty());
}

#[tokio::test]
async fn one_replay_of_a_webhook_goes_on_at_a_time_and_a_second_is_told_of_it() {
    let (app, acme, subscriber, mut worker) = with_failed(1).await;
    let other = acme.subscribe(&["*"]).await;
    let replay = ask(&acme, &subscriber, json!({})).await.created();
    ask(&acme, &other, json!({})).await.created();
    let problem = ask(&acme, &subscriber, json!({})).await.problem(409, "CONFLICT");
    assert!(problem["error"].as_str().unwrap().contains(replay["id"].as_str().unwrap()));
    acme.call(Method::POST, &format!("{}/pause", at(&replay)), None).await.ok();
    ask(&acme, &subscriber, json!({})).await.problem(409, "CONFLICT");
    acme.call(Method::POST, &format!("{}/resume", at(&replay)), None).await.ok();
    finish(&app, &mut worker).await;
    ask(&acme, &subscriber, json!({})).await.created();
}

#[tokio::test]
async fn two_that_ask_at_once_get_one_replay() {
    let (_app, acme, subscriber, _) = with_failed(1).await;
    let (one, other) =
        tokio::join!(ask(&acme, &subscriber, json!({})), ask(&acme, &subscriber, json!({})));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn a_request_that_is_repeated_with_its_key_is_one_replay() {
    let (app, acme, subscriber, mut worker) = with_failed(2).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let answer = acme.post_once(&path(&subscriber), "once", &json!({})).await;
        ids.push(answer.created()["id"].clone());
        finish(&app, &mut worker).await;
    }
    assert_eq!(ids[0], ids[1]);
    assert_eq!(subscriber.receiver.calls().len(), 2);
}

#[tokio::test]
async fn replays_of_other_tenants_and_of_deleted_webhooks_are_not_there() {
    let (app, acme, subscriber, mut worker) = with_failed(40).await;
    let (globex, other) = (app.tenant("globex").await, acme.subscribe(&["*"]).await);
    let replay = ask(&acme, &subscriber, json!({"rate": 1})).await.created();
    worker.replay().await.unwrap();
    worker.drain().await.unwrap();
    let elsewhere = format!("{}/replays/{}", other.path(), replay["id"].as_str().unwrap());
    acme.get(&elsewhere).await.problem(404, "NOT_FOUND");
    globex.get(&at(&replay)).await.problem(404, "NOT_FOUND");
    ask(&globex, &subscriber, json!({})).await.problem(404, "NOT_FOUND");
    for turn in ["pause", "resume", "cancel"] {
        let path = format!("{}/{turn}", at(&replay));
        globex.call(Method::POST, &path, None).await.problem(404, "NOT_FOUND");
    }
    assert_eq!(acme.get(&at(&replay)).await.ok()["state"], "running");

    acme.delete(&subscriber.path()).await.no_content();
    acme.get(&at(&replay)).await.problem(404, "NOT_FOUND");
    finish(&app, &mut worker).await;
    app.advance(TimeDelta::minutes(1));
    worker.drain().await.unwrap();
    assert_eq!(subscriber.receiver.calls().len(), 1, "only what had begun");
    let state: String = sqlx::query_scalar("select state from webhook_replays")
        .fetch_one(app.database.admin())
        .await
        .unwrap();
    assert_eq!(state, "cancelled");
}

#[tokio::test]
async fn the_audit_log_says_who_asked_for_it_and_who_stopped_it() {
    let (app, acme, subscriber, _) = with_failed(1).await;
    let replay = ask(&acme, &subscriber, json!({})).await.created();
    for turn in ["pause", "pause", "resume", "cancel"] {
        app.advance(TimeDelta::milliseconds(1));
        acme.call(Method::POST, &format!("{}/{turn}", at(&replay)), None).await.ok();
    }
    let id = replay["id"].as_str().unwrap();
    let log = acme.get(&format!("/api/v1/audit-log?recordId={id}")).await.page();
    assert_eq!(
        log.each("action"),
        ["cancelled", "resumed", "paused", "created"].map(|verb| format!("webhook_replay.{verb}"))
    );
    assert_eq!(counts(&log.items[3]["after"]), [1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn a_replay_that_is_over_is_kept_for_thirty_days() {
    let (app, acme, subscriber, mut worker) = with_failed(1).await;
    let replay = ask(&acme, &subscriber, json!({})).await.created();
    finish(&app, &mut worker).await;
    let db = app.worker_db();
    app.advance(TimeDelta::days(30) - TimeDelta::seconds(10));
    assert_eq!(worker::replays::sweep(&db).await.unwrap(), 0);
    acme.get(&at(&replay)).await.ok();
    app.advance(TimeDelta::seconds(10));
    assert_eq!(worker::replays::sweep(&db).await.unwrap(), 1);
    acme.get(&at(&replay)).await.not_found("Replay not found");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replays_of_a_tenant_are_counted_at_once_and_keep_nobody_else_waiting() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let subscriber = acme.subscribe(&["*"]).await;
    let hold = app.database.hold("lock table webhook_events in access exclusive mode").await;
    let path = format!("{}?dryRun=true", path(&subscriber));
    let mut asked: FuturesUnordered<_> = (0..3).map(|_| acme.post(&path, json!({}))).collect();
    let meanwhile = async {
        app.database.waiting(2).await;
        other.get(CONTACTS).await.page();
    };
    let (first, ()) = tokio::join!(asked.next(), meanwhile);
    assert_eq!(first.unwrap().status, 429);
    hold.release().await;
    let others: Vec<_> = asked.map(|answer| answer.status.as_u16()).collect().await;
    assert_eq!(others, [201, 201]);
}
