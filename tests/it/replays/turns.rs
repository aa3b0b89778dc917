//! Pausing, going on, ending; webhooks that are off; rows that go.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tests::kit::{Answer, Tenant};

use super::{Past, ask, at, counts, finish, run, with_cycle, with_failed};

async fn turn(tenant: &Tenant, replay: &Value, verb: &str) -> Answer {
    tenant.call(Method::POST, &format!("{}/{verb}", at(replay)), None).await
}

#[tokio::test]
async fn a_paused_replay_stands_still_and_goes_on_where_it_was() {
    let (app, acme, subscriber, mut worker) = with_failed(60).await;
    let replay = ask(&acme, &subscriber, json!({"rate": 10})).await.created();
    run(&app, &mut worker, 20).await;
    let paused = turn(&acme, &replay, "pause").await.ok();
    assert_eq!((&paused["state"], &paused["secondsLeft"]), (&json!("paused"), &json!(null)));
    let sent = subscriber.receiver.calls().len();
    assert!((15..=25).contains(&sent), "{sent}");
    assert_eq!(turn(&acme, &replay, "pause").await.ok()["state"], "paused");
    app.advance(TimeDelta::hours(1));
    run(&app, &mut worker, 5).await;
    assert_eq!(subscriber.receiver.calls().len(), sent);

    let on = turn(&acme, &replay, "resume").await.ok();
    let left = i64::try_from((60 - sent).div_ceil(10)).unwrap();
    assert_eq!((&on["state"], &on["secondsLeft"]), (&json!("running"), &json!(left)));
    run(&app, &mut worker, 5).await;
    assert!(subscriber.receiver.calls().len() <= sent + 6, "the pause is not caught up");
    finish(&app, &mut worker).await;
    assert_eq!((subscriber.receiver.calls().len(), with_cycle(&app, 2).await), (60, 60));
    let problem = turn(&acme, &replay, "pause").await.problem(409, "CONFLICT");
    assert_eq!(problem["error"], "The replay is over: it is completed");
    turn(&acme, &replay, "cancel").await.problem(409, "CONFLICT");
    turn(&acme, &replay, "resume").await.problem(409, "CONFLICT");
}

#[tokio::test]
async fn a_cancelled_replay_begins_nothing_more_and_what_it_began_goes_on() {
    let (app, acme, subscriber, mut worker) = with_failed(60).await;
    let replay = ask(&acme, &subscriber, json!({"rate": 10})).await.created();
    run(&app, &mut worker, 10).await;
    worker.replay().await.unwrap();
    let begun = with_cycle(&app, 2).await;
    let cancelled = turn(&acme, &replay, "cancel").await.ok();
    assert_eq!(cancelled["state"], "cancelled");
    assert!(cancelled["pending"].as_i64().unwrap() > 0 && cancelled["finishedAt"].is_string());
    assert_eq!(turn(&acme, &replay, "cancel").await.ok()["state"], "cancelled");
    turn(&acme, &replay, "resume").await.problem(409, "CONFLICT");
    run(&app, &mut worker, 20).await;
    assert_eq!(with_cycle(&app, 2).await, begun);
    assert_eq!(counts(&acme.get(&at(&replay)).await.ok()), [60, begun, begun, 0, 0]);
    assert_eq!(with_cycle(&app, 1).await, 60 - begun);
}

#[tokio::test]
async fn a_dry_run_of_a_turn_turns_nothing() {
    let (_app, acme, subscriber, _) = with_failed(2).await;
    let replay = ask(&acme, &subscriber, json!({})).await.created();
    let tried = turn(&acme, &replay, "cancel?dryRun=true").await.ok();
    assert_eq!(tried["state"], "cancelled");
    assert_eq!(acme.get(&at(&replay)).await.ok()["state"], "running");
}

#[tokio::test]
async fn a_replay_waits_for_a_webhook_that_is_off_and_says_so() {
    let (app, acme, subscriber, mut worker) = with_failed(20).await;
    subscriber.switch(false).await;
    let replay = ask(&acme, &subscriber, json!({})).await.created();
    assert_eq!(replay["heldReason"], "webhook_inactive");
    run(&app, &mut worker, 100).await;
    let held = acme.get(&at(&replay)).await.ok();
    assert_eq!((&held["state"], &held["secondsLeft"]), (&json!("running"), &json!(null)));
    assert_eq!(counts(&held), [20, 0, 0, 0, 0]);
    subscriber.switch(true).await;
    app.advance(TimeDelta::seconds(5));
    finish(&app, &mut worker).await;
    assert_eq!(counts(&acme.get(&at(&replay)).await.ok()), [20, 20, 20, 0, 0]);
}

#[tokio::test]
async fn rows_that_go_meanwhile_are_not_missed() {
    let (app, acme, subscriber, mut worker) = with_failed(60).await;
    let replay = ask(&acme, &subscriber, json!({"rate": 10})).await.created();
    run(&app, &mut worker, 10).await;
    let pending = acme.get(&at(&replay)).await.ok()["pending"].as_i64().unwrap();
    assert_eq!(pending, 0);
    app.advance(TimeDelta::days(40));
    worker.keep().await.unwrap();
    finish(&app, &mut worker).await;
    let done = acme.get(&at(&replay)).await.ok();
    assert_eq!((&done["state"], done["replayed"].as_i64() < Some(60)), (&json!("completed"), true));
}

#[tokio::test]
async fn a_replay_that_is_paused_ends_with_its_webhook() {
    let (app, acme, subscriber, mut worker) = with_failed(20).await;
    let replay = ask(&acme, &subscriber, json!({"rate": 10})).await.created();
    acme.post(&format!("{}/pause", at(&replay)), json!({})).await.ok();
    acme.delete(&subscriber.path()).await.no_content();
    finish(&app, &mut worker).await;
    let states: Vec<String> = sqlx::query_scalar("select state from webhook_replays")
        .fetch_all(app.database.admin())
        .await
        .unwrap();
    assert_eq!(states, ["cancelled"]);
}

#[tokio::test]
async fn a_replay_whose_deliveries_somebody_holds_keeps_no_other_waiting() {
    let (app, acme, subscriber, _) = with_failed(10).await;
    let globex = app.tenant("globex").await;
    let other = globex.subscribe(&["*"]).await;
    let (from, event) = (app.clock.now() - TimeDelta::hours(1), "contact.created");
    let past = Past { webhook: other.id, status: "failed", event, from, count: 10 };
    past.plant(app.database.admin()).await;
    // Five seconds in production.
    let impatient = format!(
        "alter role crm_worker in database {} set lock_timeout = '50ms'",
        app.database.name()
    );
    app.database.execute(&impatient).await;
    let mut worker = app.worker();
    let rows =
        format!("select from webhook_events where webhook_id = '{}' for update", subscriber.id);
    let hold = app.database.hold(&rows).await;
    let stuck = ask(&acme, &subscriber, json!({})).await.created();
    app.advance(TimeDelta::milliseconds(1));
    let free = ask(&globex, &other, json!({})).await.created();
    worker.replay().await.unwrap();
    assert_eq!(acme.get(&at(&stuck)).await.ok()["replayed"], 0);
    assert!(globex.get(&at(&free)).await.ok()["replayed"].as_i64() > Some(0));
    hold.release().await;
    finish(&app, &mut worker).await;
    assert_eq!(counts(&acme.get(&at(&stuck)).await.ok()), [10, 10, 10, 0, 0]);
}

#[tokio::test]
async fn a_replay_that_meets_the_outcomes_of_its_own_deliveries_goes_on_at_once() {
    let (app, acme, subscriber, _) = with_failed(3).await;
    let replay = ask(&acme, &subscriber, json!({})).await.created();
    // Long enough to be waited for, and the recorder is not the one that is ended.
    let name = app.database.name();
    let patient = format!("alter role crm_worker in database {name} set deadlock_timeout = '2s'");
    app.database.execute(&patient).await;
    let deliveries = "set deadlock_timeout = '1min'; select from webhook_events for update";
    let mut recorder = app.database.hold(deliveries).await;
    let mut worker = app.worker();
    let counting = async {
        app.database.waiting(1).await;
        recorder.execute("update webhook_replays set delivered = delivered").await;
        recorder.release().await;
    };
    let (replayed, ()) = tokio::join!(worker.replay(), counting);
    replayed.unwrap();
    // No time has passed: it is not put off.
    finish(&app, &mut worker).await;
    let done = acme.get(&at(&replay)).await.ok();
    assert_eq!(counts(&done), [3, 3, 3, 0, 0]);
    let began =
        chrono::DateTime::parse_from_rfc3339(replay["createdAt"].as_str().unwrap()).unwrap();
    assert!(app.clock.now() < began + TimeDelta::seconds(30), "at once");
}
