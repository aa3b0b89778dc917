//! Under failures, several workers and crashes the accepted versions of each record only grow.

use chrono::TimeDelta;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tests::kit::{Program, TestApp, until};

use super::{Heard, broken_lines, change, contact, ordered, queued};

/// Records, and changes of each.
const RECORDS: usize = 12;
const CHANGES: usize = 6;

/// Expects that each record was heard of in order, and that nothing is left behind.
async fn assert_in_order(app: &TestApp, heard: &Heard, deliveries: usize) {
    let all = heard.all();
    assert_eq!(all.len(), RECORDS);
    for (record, calls) in &all {
        let versions: Vec<_> = calls.iter().map(|(version, _)| *version).collect();
        assert!(versions.is_sorted(), "{record}: {calls:?}");
    }
    assert_eq!(queued(app).await, 0, "rows left in the queue");
    let (delivered, failed) = (app.count("delivered").await, app.count("failed").await);
    assert_eq!(usize::try_from(delivered + failed).unwrap(), deliveries);
    let taken: usize = all.keys().map(|record| heard.taken(record).len()).sum();
    assert_eq!(i64::try_from(taken).unwrap(), delivered, "each was taken once");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_the_accepted_versions_of_a_record_only_grow_and_nothing_is_left_behind() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = ordered(&acme).await;
    let mut random = StdRng::seed_from_u64(11);
    // Of each record one version is given up for certain; by chance alone, none was in one run of fourteen.
    let heard = Heard::at(&subscriber, move |_, version| version != 3 && random.random_bool(0.5));
    let mut contacts = Vec::new();
    for _ in 0..RECORDS {
        contacts.push(contact(&acme).await);
    }
    let mut workers = [app.worker(), app.worker(), app.worker()];
    for round in 0..300 {
        // Changes come while others are on their way.
        for contact in contacts.iter().filter(|_| round < CHANGES) {
            change(&acme, contact, 1).await;
        }
        let [one, two, three] = &mut workers;
        let (a, b, c) = tokio::join!(one.drain(), two.drain(), three.drain());
        a.and(b).and(c).unwrap();
        assert_eq!(broken_lines(&app).await, 0);
        if round >= CHANGES && queued(&app).await == 0 {
            break;
        }
        app.advance(TimeDelta::minutes(2));
    }
    assert_in_order(&app, &heard, RECORDS * (CHANGES + 1)).await;
    assert!(usize::try_from(app.count("failed").await).unwrap() >= RECORDS);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_worker_processes_and_one_that_is_killed_keep_the_order() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = ordered(&acme).await;
    let mut random = StdRng::seed_from_u64(12);
    let heard = Heard::at(&subscriber, move |_, _| random.random_bool(0.6));
    let url = app.database.worker_url();
    let quick = [("WEBHOOK_RETRY_SCHEDULE", "20ms,20ms,20ms,20ms"), ("WEBHOOK_TIMEOUT", "1s")];
    let (_one, _other) = tokio::join!(Program::worker(&url, &quick), Program::worker(&url, &quick));
    let mut doomed = Program::worker(&url, &quick).await;
    let mut contacts = Vec::new();
    for _ in 0..RECORDS {
        contacts.push(contact(&acme).await);
    }
    for round in 0..CHANGES {
        for contact in &contacts {
            change(&acme, contact, 1).await;
        }
        if round == CHANGES / 2 {
            doomed.kill9().await;
        }
    }
    // What it had claimed is given to another worker when its lease ends, 31 seconds after it was claimed.
    until("nothing is left", async || {
        let left = "select (select count(*) from webhook_queue) + (select count(*) from outbox)";
        sqlx::query_scalar::<_, i64>(left).fetch_one(app.database.admin()).await.unwrap() == 0
    })
    .await;
    let all = heard.all();
    assert_eq!(all.len(), RECORDS);
    for (record, calls) in all {
        // Twice, where it was killed between the answer and writing it down.
        let taken = heard.taken(&record);
        assert!(taken.is_sorted(), "{record}: {calls:?}");
    }
    let ended = app.count("delivered").await + app.count("failed").await;
    assert_eq!(usize::try_from(ended).unwrap(), RECORDS * (CHANGES + 1));
}
