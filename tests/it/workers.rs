//! Several workers over one database, and workers that end.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::try_join_all;
use serde_json::json;
use tests::kit::{
    CONTACTS, Call, PATIENCE, Program, Reply, TcpServer, TestApp, expire_leases, read_webhook,
    until,
};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Notify;
use tokio::time::timeout;
use worker::queue::{Caps, Slots, claim};
use worker::record::recorder;

/// How long a claim holds: the longest request, 30 s, and as much again.
const LEASE: TimeDelta = TimeDelta::seconds(60);

/// The ids of the deliveries that arrived, each once.
fn ids(calls: &[Call]) -> HashSet<&str> {
    calls.iter().map(|call| call.header("webhook-id")).collect()
}

/// How many deliveries are leased.
async fn leased(app: &TestApp) -> i64 {
    sqlx::query_scalar("select count(*) from webhook_queue where lease_id is not null")
        .fetch_one(app.database.admin())
        .await
        .unwrap()
}

/// The attempts that a worker has made, whatever came of them.
async fn attempts(worker: &Program) -> f64 {
    let (_, text) = worker.admin("/metrics").await;
    let series = text.lines().filter(|line| line.starts_with("webhook_attempts_total{"));
    series.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn three_workers_send_each_of_two_thousand_deliveries_once() {
    let app = Arc::new(TestApp::start().await);
    let acme = app.tenant("acme").await;
    let subscribers = [acme.subscribe(&["*"]).await, acme.subscribe(&["*"]).await];
    for subscriber in &subscribers {
        // So slowly at first that one worker is not done before another one has begun.
        subscriber.receiver.script(vec![Reply::status(200).after(Duration::from_secs(1)); 50]);
    }
    app.announce(&acme, "contact.created", 1000).await;
    app.worker().relay().await.unwrap();
    let drains = [(); 3].map(|()| {
        let (app, mut worker, mut attempts) = (app.clone(), app.worker(), 0);
        tokio::spawn(async move {
            // Whoever finds another one claiming has nothing to do, and ends.
            while app.count("pending").await > 0 {
                attempts += worker.drain().await.unwrap();
            }
            attempts
        })
    });
    let attempts = timeout(PATIENCE, try_join_all(drains)).await.expect("all are sent").unwrap();
    assert_eq!(attempts.iter().sum::<usize>(), 2000, "{attempts:?}");
    assert!(attempts.iter().filter(|share| **share > 0).count() >= 2, "{attempts:?}");
    for subscriber in subscribers {
        let calls = subscriber.receiver.calls();
        assert_eq!((calls.len(), ids(&calls).len()), (1000, 1000));
    }
    assert_eq!(app.count("delivered").await, 2000);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_worker_processes_send_each_delivery_once() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    // More slow answers than one of them waits for at once: the other has to help.
    subscriber.receiver.script(vec![Reply::status(200).after(Duration::from_secs(1)); 20]);
    let (url, variables) = (app.database.worker_url(), [("WORKER_CONCURRENCY", "10")]);
    let start = || Program::worker(&url, &variables);
    let (one, other) = tokio::join!(start(), start());
    for _ in 0..5 {
        app.announce(&acme, "contact.created", 100).await;
    }
    app.wait_until("delivered", 500).await;
    let calls = subscriber.receiver.calls();
    assert_eq!((calls.len(), ids(&calls).len()), (500, 500));
    let (one, other) = tokio::join!(attempts(&one), attempts(&other));
    assert!(one > 0.0 && other > 0.0, "{one} and {other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_worker_had_under_way_comes_again_at_most_once_and_nothing_is_lost() {
    const DELIVERIES: usize = 600;
    const CAP: usize = 20;
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscribers = [acme.subscribe(&["*"]).await, acme.subscribe(&["*"]).await];
    for subscriber in &subscribers {
        // So slowly at first that all three have all that they can take.
        subscriber.receiver.script(vec![Reply::status(200).after(Duration::from_secs(2)); 50]);
    }
    let (url, variables) = (app.database.worker_url(), [("WORKER_CONCURRENCY", "20")]);
    let start = || Program::worker(&url, &variables);
    let (mut killed, _one, _other) = tokio::join!(start(), start(), start());
    app.announce(&acme, "contact.created", 300).await;
    let arrived = || -> usize { subscribers.iter().map(|one| one.receiver.calls().len()).sum() };
    until("all three have all that they can take", async || arrived() >= 3 * CAP).await;
    killed.kill9().await;

    // The others do all the rest meanwhile.
    app.wait_until("delivered", i64::try_from(DELIVERIES - CAP).unwrap()).await;
    let lost = usize::try_from(leased(&app).await).unwrap();
    assert!((1..=CAP).contains(&lost), "{lost} leases");
    expire_leases(app.database.admin()).await;
    app.wait_until("delivered", i64::try_from(DELIVERIES).unwrap()).await;
    for subscriber in &subscribers {
        let calls = subscriber.receiver.calls();
        assert_eq!(ids(&calls).len(), DELIVERIES / 2, "each arrived");
        assert!(calls.iter().all(|call| call.header("x-webhook-attempt") == "1"), "it cost none");
    }
    assert!(arrived() <= DELIVERIES + lost, "{} requests, {lost} leases", arrived());
}

#[tokio::test]
async fn what_a_dead_worker_had_claimed_goes_to_another_when_its_lease_ends() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let (dead, mut alive) = (app.worker(), app.worker());
    dead.relay().await.unwrap();
    drop(dead.claim().await.unwrap());

    app.advance(LEASE - TimeDelta::milliseconds(1));
    assert_eq!(alive.drain().await.unwrap(), 0);
    app.advance(TimeDelta::milliseconds(1));
    assert_eq!(alive.drain().await.unwrap(), 1);
    assert_eq!(subscriber.receiver.only_call().header("x-webhook-attempt"), "1");
    let delivery = subscriber.only_delivery().await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("delivered"), &json!(1)));
}

#[tokio::test]
async fn an_outcome_that_comes_after_its_lease_does_not_overwrite_the_next_workers() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (requests, release) = (Arc::<AtomicUsize>::default(), Arc::<Notify>::default());
    let (count, gate) = (requests.clone(), release.clone());
    // The first request is answered 500, when it is told to; all others are answered 200, at once.
    let server = TcpServer::start(move |mut stream| {
        let (count, gate) = (count.clone(), gate.clone());
        async move {
            read_webhook(&mut stream).await?;
            if count.fetch_add(1, Ordering::SeqCst) == 0 {
                gate.notified().await;
                return stream.write_all(b"HTTP/1.1 500 Late\r\ncontent-length: 0\r\n\r\n").await;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await
        }
    })
    .await;
    let webhook = acme.webhook(&server.url(), &["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let (mut slow, mut quick) = (app.worker(), app.worker());
    slow.relay().await.unwrap();
    let claimed = slow.claim().await.unwrap();

    let overtake = async {
        until("the slow one has asked", async || requests.load(Ordering::SeqCst) > 0).await;
        app.advance(LEASE);
        assert_eq!(quick.drain().await.unwrap(), 1);
        release.notify_one();
    };
    let (late, ()) = tokio::join!(slow.deliver(claimed), overtake);
    late.unwrap();

    let delivery = acme.only_delivery(webhook["id"].as_str().unwrap()).await;
    assert_eq!(
        (&delivery["status"], &delivery["lastStatusCode"]),
        (&json!("delivered"), &json!(200))
    );
    assert_eq!((&delivery["attempts"], &delivery["nextRetry"]), (&json!(1), &json!(null)));
    // The tenant sees every request that was made.
    let mut codes: Vec<_> =
        delivery["attemptLog"].as_array().unwrap().iter().map(|one| &one["statusCode"]).collect();
    codes.sort_by_key(|code| code.as_i64());
    assert_eq!(codes, [200, 500]);
}

#[tokio::test]
async fn a_worker_whose_lease_is_nearly_over_sends_nothing_and_one_that_has_just_the_time_sends() {
    for (waited, sent) in [(30_001, 0), (30_000, 1)] {
        let app = TestApp::start().await;
        let acme = app.tenant("acme").await;
        let subscriber = acme.subscribe(&["*"]).await;
        acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
        let mut worker = app.worker();
        worker.relay().await.unwrap();
        let claimed = worker.claim().await.unwrap();
        assert_eq!(claimed.len(), 1);
        app.advance(TimeDelta::milliseconds(waited));
        worker.deliver(claimed).await.unwrap();
        assert_eq!(subscriber.receiver.calls().len(), sent, "after {waited} ms");
    }
}

#[tokio::test]
async fn a_delivery_that_is_handed_back_is_due_at_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut other = app.worker();
    other.relay().await.unwrap();
    let (db, (records, mut recorder)) = (app.worker_db(), recorder());
    let slots = Slots::new(Caps { total: 8, per_webhook: 8, per_tenant: 8 }, None);
    for claimed in claim(&db, &slots, LEASE, None).await.unwrap().claimed {
        records.hand_back(claimed);
    }
    assert_eq!(other.drain().await.unwrap(), 0);
    assert_eq!(recorder.flush(&db).await.unwrap(), 1);

    assert_eq!(leased(&app).await, 0);
    assert_eq!(other.drain().await.unwrap(), 1);
    assert_eq!(subscriber.only_delivery().await["attemptLog"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_delivery_that_twenty_workers_died_on_is_given_up_without_a_request() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    for _ in 0..20 {
        assert_eq!(worker.claim().await.unwrap().len(), 1);
        app.advance(LEASE);
    }
    assert_eq!(worker.drain().await.unwrap(), 1);

    assert!(subscriber.receiver.calls().is_empty());
    let delivery = subscriber.only_delivery().await;
    assert_eq!(
        (&delivery["status"], &delivery["lastError"]),
        (&json!("failed"), &json!("delivery_abandoned"))
    );
    assert_eq!(delivery["attemptLog"][0]["errorCode"], "delivery_abandoned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_somebody_holds_does_not_keep_all_other_outcomes_waiting() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    app.announce(&acme, "contact.created", 600).await;
    app.worker().relay().await.unwrap();
    let first = "select from webhook_events order by created_at, id limit 1 for update";
    let hold = app.database.hold(first).await;
    let _worker = Program::worker(&app.database.worker_url(), &[]).await;
    app.wait_until("delivered", 300).await;
    assert!(app.count("pending").await > 0);

    hold.release().await;
    app.wait_until("delivered", 600).await;
    let calls = subscriber.receiver.calls();
    assert_eq!((calls.len(), ids(&calls).len()), (600, 600));
}

#[tokio::test(flavor = "multi_thread")]
async fn few_outcomes_do_not_wait_for_one_that_somebody_holds() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let _subscriber = acme.subscribe(&["*"]).await;
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    let hold = app.database.hold("select from webhook_events for update").await;
    let _worker = Program::worker(&app.database.worker_url(), &[]).await;
    app.database.waiting(1).await;
    app.announce(&acme, "contact.created", 3).await;
    app.wait_until("delivered", 3).await;
    assert_eq!(app.count("pending").await, 1);

    hold.release().await;
    app.wait_until("delivered", 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_told_to_stop_finishes_what_is_under_way_and_leaves_the_rest_free() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.script(vec![Reply::status(200).after(Duration::from_secs(1)); 300]);
    app.announce(&acme, "contact.created", 300).await;
    let variables = [("WEBHOOK_MAX_IN_FLIGHT", "20")];
    let mut worker = Program::worker(&app.database.worker_url(), &variables).await;
    subscriber.receiver.wait_for(20).await;

    let status = worker.stop().await;
    assert!(status.success(), "{status}\n{}", worker.last_lines());
    let calls = subscriber.receiver.calls();
    assert!((20..300).contains(&calls.len()), "{}", calls.len());
    assert_eq!(ids(&calls).len(), calls.len());
    let sent = i64::try_from(calls.len()).unwrap();
    assert_eq!((app.count("delivered").await, app.count("pending").await), (sent, 300 - sent));
    assert_eq!(leased(&app).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_that_are_replaced_in_the_middle_of_it_send_everything_once_and_at_once() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let delays = (0..1000).map(|n| Reply::status(200).after(Duration::from_millis(n * 7 % 50)));
    subscriber.receiver.script(delays);
    app.announce(&acme, "contact.created", 1000).await;
    for round in 1..=4 {
        let mut worker = Program::worker(&app.database.worker_url(), &[]).await;
        app.wait_until("delivered", round * 150).await;
        assert!(worker.stop().await.success(), "{}", worker.last_lines());
        assert_eq!(leased(&app).await, 0, "{}", worker.last_lines());
        assert_eq!(
            app.count("delivered").await,
            i64::try_from(subscriber.receiver.calls().len()).unwrap()
        );
    }
    let _last = Program::worker(&app.database.worker_url(), &[]).await;
    app.wait_until("delivered", 1000).await;
    let calls = subscriber.receiver.calls();
    assert_eq!((calls.len(), ids(&calls).len()), (1000, 1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn housekeeping_that_fails_in_one_part_does_the_others() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let _worker = Program::worker(&app.database.worker_url(), &[]).await;
    app.database.execute("revoke delete on webhook_queue from crm_worker").await;
    acme.post_once(CONTACTS, "k", &json!({"name": "Ada"})).await.created();
    app.database.execute("update idempotency_keys set expires_at = now() - interval '1 day'").await;
    let kept = "select count(*) from idempotency_keys";
    until("the answer is forgotten", async || {
        let kept: i64 = sqlx::query_scalar(kept).fetch_one(app.database.admin()).await.unwrap();
        kept == 0
    })
    .await;
}
