//! Deliveries through Redis (docs/decisions/0023): it may forget, lie, hang or be gone, and nothing is lost or sent
//! twice.

mod again;
mod forgets;
mod lies;
mod mixed;
mod outage;
mod settings;

use std::time::{Duration, Instant};

use tests::kit::{PATIENCE, Program, TestApp, sample};
use tests::servers::Redis;

/// A worker that shares its claims through this Redis.
async fn worker(app: &TestApp, redis: &str) -> Program {
    let variables = [("QUEUE", "redis"), ("REDIS_URL", redis)];
    Program::worker(&app.database.worker_url(), &variables).await
}

/// A connection past the product.
async fn client(redis: &Redis) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(redis.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// The name of one of the product's keys, once a worker has told Redis of itself.
async fn key(connection: &mut redis::aio::MultiplexedConnection, name: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let keys: Vec<String> = redis::cmd("keys")
            .arg("liaison:queue:*:workers")
            .query_async(connection)
            .await
            .unwrap();
        if let [workers] = &*keys {
            return workers.replace(":workers", &format!(":{name}"));
        }
        assert!(Instant::now() < deadline, "{keys:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a metric of the worker is at least this much.
async fn wait_for(worker: &Program, metric: &str, least: f64) {
    worker.wait_until("/metrics", |_, text| sample(text, metric) >= Some(least)).await;
}

/// Waits until the worker says whether deliveries go through Redis.
async fn wait_until_up(worker: &Program, up: bool) {
    let wanted = Some(f64::from(u8::from(up)));
    worker.wait_until("/metrics", |_, text| sample(text, "queue_redis_up") == wanted).await;
}
