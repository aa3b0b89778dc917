//! Workers that do not agree about Redis, as in a rolling change, and a Redis that lets nobody in.

use std::collections::HashSet;
use std::time::Duration;

use tests::kit::{Program, Reply, TestApp};
use tests::servers::Redis;

use super::{client, wait_for, wait_until_up, worker};

const NUMBER: i32 = 400;

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_with_redis_and_one_without_share_the_work_and_send_each_delivery_once() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let delays = (0..NUMBER).map(|n| Duration::from_millis(u64::try_from(20 + n % 40).unwrap()));
    subscriber.receiver.script(delays.map(|delay| Reply::status(200).after(delay)));
    let redis = Redis::start().await.unwrap();
    let with = worker(&app, &redis.url()).await;
    wait_until_up(&with, true).await;
    let without = Program::worker(&app.database.worker_url(), &[]).await;
    for _ in 0..NUMBER / 20 {
        app.announce(&acme, "contact.created", 20).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    app.wait_until("delivered", i64::from(NUMBER)).await;

    let calls = subscriber.receiver.calls();
    let ids: HashSet<_> = calls.iter().map(|call| call.header("webhook-id")).collect();
    let number = usize::try_from(NUMBER).unwrap();
    assert_eq!((ids.len(), calls.len()), (number, number), "once each");
    for worker in [&with, &without] {
        assert!(worker.log().contains("\"outcome\":\"delivered\""), "one of them did nothing");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_refuses_the_password_is_as_good_as_none_until_it_is_right_and_is_told_nowhere()
 {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    acme.subscribe(&["*"]).await;
    let redis = Redis::start().await.unwrap();
    let mut connection = client(&redis).await;
    let mut require = async |password: &str| {
        let mut command = redis::cmd("config");
        command.arg("set").arg("requirepass").arg(password);
        let _: () = command.query_async(&mut connection).await.unwrap();
    };
    require("right-one").await;
    let url = redis.url().replace("redis://", "redis://:wrong-one@");
    let worker = worker(&app, &url).await;
    app.announce(&acme, "contact.created", 20).await;
    app.wait_until("delivered", 20).await;
    wait_for(&worker, "queue_redis_errors_total", 1.0).await;
    wait_until_up(&worker, false).await;

    require("wrong-one").await;
    wait_until_up(&worker, true).await;
    app.announce(&acme, "contact.created", 20).await;
    wait_for(&worker, "queue_tokens_taken_total", 1.0).await;
    app.wait_until("delivered", 40).await;
    let log = worker.log();
    assert!(log.contains("Redis is away"), "{log}");
    assert!(!log.contains("wrong-one"), "{log}");
}
