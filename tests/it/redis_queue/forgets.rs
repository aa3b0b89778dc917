//! A Redis that loses what it holds, whole or in parts.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tests::kit::{Program, Reply, TestApp, sample, until};
use tests::servers::Redis;
use tokio::task::JoinHandle;

use super::{client, key, wait_for, worker};
use crate::architecture::file;

/// The product's keys, as it names them.
const NAMES: [&str; 6] = ["tokens", "flights", "workers", "closed", "claimer", "again"];

/// What stands in Redis as long as anything is under way.
const STANDING: [&str; 2] = ["flights", "workers"];

/// How often each thing was done to Redis, and how often there was something to lose.
type Harms = Arc<Mutex<BTreeMap<&'static str, Times>>>;

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    done: u32,
    felt: u32,
}

fn note(harms: &Harms, what: &'static str, felt: bool) {
    let mut harms = harms.lock().unwrap();
    let times = harms.entry(what).or_default();
    times.done += 1;
    times.felt += u32::from(felt);
}

/// Three workers send so many deliveries while something is done to Redis; each must arrive once.
async fn send_while(number: i32, harm: impl AsyncFnOnce(&Redis) -> Option<JoinHandle<()>>) {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscribers = [acme.subscribe(&["*"]).await, acme.subscribe(&["*"]).await];
    for subscriber in &subscribers {
        let delays = (0..number).map(|n| Duration::from_millis(u64::try_from(n % 40).unwrap()));
        subscriber.receiver.script(delays.map(|delay| Reply::status(200).after(delay)));
    }
    let redis = Redis::start().await.unwrap();
    let mut workers: Vec<Program> = Vec::new();
    for _ in 0..3 {
        workers.push(worker(&app, &redis.url()).await);
        wait_for(&workers[workers.len() - 1], "queue_redis_up", 1.0).await;
    }
    let harming = harm(&redis).await;
    for _ in 0..5 {
        app.announce(&acme, "contact.created", number / 5).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    app.wait_until("delivered", i64::from(number) * 2).await;
    if let Some(harming) = harming {
        let lives = !harming.is_finished();
        harming.abort();
        let end = harming.await;
        assert!(lives, "Redis was harmed no longer after this: {end:?}");
    }
    for subscriber in subscribers {
        let calls = subscriber.receiver.calls();
        let ids: HashSet<_> = calls.iter().map(|call| call.header("webhook-id")).collect();
        let number = usize::try_from(number).unwrap();
        assert_eq!((ids.len(), calls.len()), (number, number), "once each");
    }
    let mut taken = 0.0;
    for worker in &workers {
        let (_, text) = worker.admin("/metrics").await;
        taken += sample(&text, "queue_tokens_taken_total").unwrap_or(0.0);
    }
    assert!(taken > 0.0, "nothing went through Redis");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_workers_send_each_delivery_once() {
    send_while(500, async |_| None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flushall_again_and_again_under_load_loses_nothing_and_repeats_nothing() {
    let harms = Harms::default();
    send_while(1000, async |redis| {
        let (mut connection, harms) = (client(redis).await, harms.clone());
        Some(tokio::spawn(async move {
            loop {
                let (held, ()): (u32, ()) = redis::pipe()
                    .atomic()
                    .cmd("dbsize")
                    .cmd("flushall")
                    .query_async(&mut connection)
                    .await
                    .unwrap();
                note(&harms, "flushall", held > 0);
                tokio::time::sleep(Duration::from_millis(400)).await;
            }
        }))
    })
    .await;
    let times = harms.lock().unwrap()["flushall"];
    assert!(times.felt >= 3, "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_evicted_one_by_one_lose_nothing_and_repeat_nothing() {
    let harms = Harms::default();
    send_while(500, async |redis| {
        let (mut connection, harms) = (client(redis).await, harms.clone());
        Some(tokio::spawn(async move {
            for name in NAMES.iter().cycle() {
                let key = key(&mut connection, name).await;
                let gone: u32 =
                    redis::cmd("del").arg(key).query_async(&mut connection).await.unwrap();
                note(&harms, name, gone == 1);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }))
    })
    .await;
    let harms = harms.lock().unwrap();
    for name in NAMES {
        assert!(harms.get(name).is_some_and(|times| times.done >= 3), "{name}: {harms:?}");
    }
    for name in STANDING {
        assert!(harms[name].felt >= 1, "{name}: {harms:?}");
    }
}

#[test]
fn the_keys_that_are_evicted_are_those_of_the_product() {
    let product = file("worker/src/queue/redis/session.rs").unwrap();
    assert!(product.text.contains(&format!("{NAMES:?}")), "its keys are not {NAMES:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_forgot_what_is_under_way_makes_no_worker_call_a_receiver_more_often_at_once()
{
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let slow = Reply::status(200).after(Duration::from_secs(20));
    subscriber.receiver.script(vec![slow; 100]);
    let redis = Redis::start().await.unwrap();
    let (url, address) = (app.database.worker_url(), redis.url());
    let variables = [("QUEUE", "redis"), ("REDIS_URL", &*address), ("WEBHOOK_MAX_IN_FLIGHT", "10")];
    let worker = Program::worker(&url, &variables).await;
    wait_for(&worker, "queue_redis_up", 1.0).await;
    app.announce(&acme, "contact.created", 50).await;
    subscriber.receiver.wait_for(10).await;

    let mut connection = client(&redis).await;
    until("tokens were taken that there was no place for", async || {
        let _: () = redis::cmd("flushall").query_async(&mut connection).await.unwrap();
        app.announce(&acme, "contact.updated", 1).await;
        let (_, text) = worker.admin("/metrics").await;
        let most = f64::from(u32::try_from(subscriber.receiver.calls().len() + 10).unwrap());
        sample(&text, "queue_tokens_taken_total") > Some(most)
    })
    .await;
    assert_eq!(subscriber.receiver.peak(), 10);
}
