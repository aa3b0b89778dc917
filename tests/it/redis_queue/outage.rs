//! Redis away: deliveries go on through PostgreSQL, and through Redis again when it is back, without a restart.

use tests::kit::{Nobody, Program, TestApp, sample};
use tests::servers::Redis;

use super::{client, wait_for, wait_until_up, worker};

/// A worker delivers before, while and after something is wrong with Redis.
async fn deliver_through(
    redis: &mut Redis,
    harm: impl AsyncFnOnce(&mut Redis),
    heal: impl AsyncFnOnce(&mut Redis),
) -> Program {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let worker = worker(&app, &redis.url()).await;
    wait_until_up(&worker, true).await;
    app.announce(&acme, "contact.created", 50).await;
    wait_for(&worker, "queue_tokens_taken_total", 1.0).await;

    harm(redis).await;
    app.announce(&acme, "contact.created", 50).await;
    wait_until_up(&worker, false).await;
    app.announce(&acme, "contact.created", 50).await;
    app.wait_until("delivered", 150).await;

    heal(redis).await;
    wait_until_up(&worker, true).await;
    let (_, text) = worker.admin("/metrics").await;
    let taken = sample(&text, "queue_tokens_taken_total").unwrap();
    app.announce(&acme, "contact.created", 50).await;
    wait_for(&worker, "queue_tokens_taken_total", taken + 1.0).await;
    app.wait_until("delivered", 200).await;
    assert_eq!(subscriber.receiver.calls().len(), 200, "once each");
    assert!(worker.log().contains("Redis is back: deliveries go through it"));
    worker
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_killed_is_missed_by_no_delivery_and_used_again_when_it_is_back() {
    let mut redis = Redis::start().await.unwrap();
    let kill = async |redis: &mut Redis| redis.kill9().await.unwrap();
    let restart = async |redis: &mut Redis| redis.restart().await.unwrap();
    deliver_through(&mut redis, kill, restart).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_is_as_good_as_none() {
    let mut redis = Redis::start().await.unwrap();
    let hang = async |redis: &mut Redis| redis.hang(true).unwrap();
    let go_on = async |redis: &mut Redis| redis.hang(false).unwrap();
    deliver_through(&mut redis, hang, go_on).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_full_is_as_good_as_none() {
    async fn limit(redis: &Redis, bytes: &str) {
        let mut connection = client(redis).await;
        let mut command = redis::cmd("config");
        command.arg("set").arg("maxmemory").arg(bytes);
        let _: () = command.query_async(&mut connection).await.unwrap();
    }
    let mut redis = Redis::start().await.unwrap();
    let fill = async |redis: &mut Redis| limit(redis, "1").await;
    let make_room = async |redis: &mut Redis| limit(redis, "0").await;
    deliver_through(&mut redis, fill, make_room).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_finds_no_redis_when_it_starts_says_so_and_delivers() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    acme.subscribe(&["*"]).await;
    let nobody = Nobody::here();
    let worker = worker(&app, &format!("redis://{}/", nobody.address())).await;
    app.announce(&acme, "contact.created", 20).await;
    app.wait_until("delivered", 20).await;
    wait_for(&worker, "queue_redis_errors_total", 2.0).await;
    wait_until_up(&worker, false).await;
    assert_eq!(worker.log().matches("Redis is away").count(), 1, "{}", worker.last_lines());
}
