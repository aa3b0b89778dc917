//! Nothing is lost and nothing is invented, whatever dies when. `CRASH_ROUNDS` sets how often something dies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use tests::kit::{CONTACTS, Caller, Stage, expire_leases};
use tokio::task::JoinSet;

/// Writers beside each other.
const WRITERS: usize = 8;

/// What the names begin with that a writer repeats until they are answered.
const REPEATED: &str = "repeated-";

/// Far longer than the last deliveries take, even on a slow machine.
const PATIENCE: Duration = Duration::from_mins(2);

#[derive(Clone, Copy, Debug)]
enum Part {
    Api,
    Worker,
    Postgres,
    Everything,
}

/// What the writers have seen.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    /// Names, which no two contacts share.
    acknowledged: Mutex<BTreeSet<String>>,
    statuses: Mutex<BTreeMap<u16, usize>>,
}

impl Seen {
    /// Writes one contact after the other. Every second writer sends an `Idempotency-Key` and repeats a request
    /// until it is answered.
    async fn write_contacts(self: Arc<Self>, caller: Caller, writer: usize) {
        let repeats = writer.is_multiple_of(2);
        for number in 0.. {
            if self.stop.load(Ordering::SeqCst) {
                return;
            }
            let name = format!("{}{writer}-{number}", if repeats { REPEATED } else { "once-" });
            while !self.write_contact(&caller, &name, repeats).await && repeats {}
        }
    }

    /// Whether the contact was acknowledged.
    async fn write_contact(&self, caller: &Caller, name: &str, with_key: bool) -> bool {
        let mut request = caller.request(Method::POST, CONTACTS).json(&json!({"name": name}));
        if with_key {
            request = request.header("idempotency-key", name);
        }
        // An answer that breaks off is none.
        let answer = async { Ok::<_, reqwest::Error>(request.send().await?.status().as_u16()) };
        let Ok(status) = answer.await else {
            tokio::time::sleep(Duration::from_millis(10)).await;
            return false;
        };
        *self.statuses.lock().unwrap().entry(status).or_default() += 1;
        if status == 201 {
            self.acknowledged.lock().unwrap().insert(name.to_owned());
        }
        status == 201
    }

    /// Waits until some more contacts have been acknowledged.
    async fn progress(&self) {
        let acknowledged = || self.acknowledged.lock().unwrap().len();
        let (before, deadline) = (acknowledged(), Instant::now() + PATIENCE);
        while acknowledged() < before + 2 * WRITERS {
            assert!(
                Instant::now() < deadline,
                "the api does not acknowledge: {:?}",
                self.statuses.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// One text of every row.
async fn column(stage: &Stage, sql: &'static str) -> Vec<String> {
    sqlx::query_scalar(sql).fetch_all(stage.admin()).await.unwrap()
}

async fn crash(stage: &mut Stage, part: Part) {
    match part {
        Part::Api => {
            stage.api.kill9().await;
            stage.api.restart().await;
        }
        Part::Worker => {
            stage.worker.kill9().await;
            stage.worker.restart().await;
        }
        Part::Postgres => {
            stage.postgres.kill9().await.unwrap();
            stage.postgres.restart().await.unwrap();
        }
        Part::Everything => {
            let Stage { api, worker, postgres, .. } = stage;
            let ((), (), postgres_died) =
                tokio::join!(api.kill9(), worker.kill9(), postgres.kill9());
            postgres_died.unwrap();
            postgres.restart().await.unwrap();
            tokio::join!(api.restart(), worker.restart());
        }
    }
}

/// Waits until everything is delivered.
async fn settle(stage: &Stage) {
    let deadline = Instant::now() + PATIENCE;
    expire_leases(stage.admin()).await;
    let open = "select (select count(*) from outbox) + (select count(*) from webhook_events where status = 'pending')";
    loop {
        let open: i64 = sqlx::query_scalar(open).fetch_one(stage.admin()).await.unwrap();
        if open == 0 {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{open} events are still on their way\n{}",
            stage.worker.last_lines()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_change_is_delivered_and_no_other_whatever_is_killed() {
    let rounds =
        std::env::var("CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(4);
    let mut stage = Stage::start(&[("WEBHOOK_RETRY_SCHEDULE", "1s,1s,1s,1s")]).await;
    let seen = Arc::<Seen>::default();
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        writers.spawn(seen.clone().write_contacts(stage.caller.clone(), writer));
    }
    for round in 0..rounds {
        seen.progress().await;
        tokio::time::sleep(Duration::from_millis(rand::random_range(0..200))).await;
        crash(&mut stage, [Part::Worker, Part::Postgres, Part::Api, Part::Everything][round % 4])
            .await;
    }
    seen.progress().await;
    seen.stop.store(true, Ordering::SeqCst);
    while writers.join_next().await.transpose().unwrap().is_some() {}
    settle(&stage).await;

    let names = column(&stage, "select name from contacts").await;
    let contacts: BTreeSet<_> = names.iter().cloned().collect();
    assert_eq!(contacts.len(), names.len(), "a request was carried out twice");
    let acknowledged = seen.acknowledged.lock().unwrap().clone();
    let lost: Vec<_> = acknowledged.difference(&contacts).collect();
    assert!(lost.is_empty(), "acknowledged but not in the database: {lost:?}");

    let repeated =
        |names: &BTreeSet<String>| names.iter().filter(|name| name.starts_with(REPEATED)).count();
    assert_eq!(repeated(&contacts), repeated(&acknowledged), "repetitions know what was done");

    let announced = column(&stage, "select body->'data'->>'name' from webhook_events").await;
    assert_eq!(announced.len(), contacts.len(), "one event for each contact");
    assert_eq!(announced.into_iter().collect::<BTreeSet<_>>(), contacts);
    let undelivered =
        column(&stage, "select id::text from webhook_events where status <> 'delivered'").await;
    assert!(undelivered.is_empty(), "{undelivered:?}");
    let calls = stage.receiver.calls();
    let received: BTreeSet<_> =
        calls.iter().map(|call| call.json()["data"]["name"].as_str().unwrap().to_owned()).collect();
    assert_eq!(received, contacts, "received and committed are the same");

    let statuses = seen.statuses.lock().unwrap().clone();
    assert!(
        statuses.keys().all(|status| [201, 409, 503].contains(status)),
        "{statuses:?}\n{}",
        stage.api.last_lines()
    );
    println!(
        "{rounds} crashes, {} contacts, {} requests, answers {statuses:?}",
        contacts.len(),
        calls.len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_the_product_is_not_ready_and_answers_503_until_it_is_back() {
    let mut stage = Stage::start(&[]).await;
    for program in [&stage.api, &stage.worker] {
        assert_eq!(program.admin("/readyz").await.0, 200);
    }
    stage.postgres.stop().await.unwrap();
    for program in [&stage.api, &stage.worker] {
        program.wait_for("/readyz", 503).await;
        assert_eq!(program.admin("/healthz").await, (200, "ok".to_owned()));
    }
    for _ in 0..3 {
        let (status, body) = stage.caller.post(CONTACTS, &json!({"name": "Ada"})).await.unwrap();
        assert_eq!((status, &body["code"]), (503, &json!("SERVICE_UNAVAILABLE")), "{body:#}");
    }

    stage.postgres.restart().await.unwrap();
    for program in [&stage.api, &stage.worker] {
        program.wait_for("/readyz", 200).await;
    }
    let (status, contact) = stage.caller.post(CONTACTS, &json!({"name": "Ada"})).await.unwrap();
    assert_eq!(status, 201);
    let call = stage.receiver.wait_for(1).await.remove(0);
    assert_eq!(call.json()["data"], contact["data"]);
    call.assert_signed(&stage.secret);
}
