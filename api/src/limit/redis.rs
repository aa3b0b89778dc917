//! Counts that all api processes share. A Redis that is away costs the requests that notice it `timeout`, and no other
//! request anything: from then on it is left alone until it answers again.

use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, RedisResult, Script};
use shared::RedisUrl;

use super::rate::Rate;
use super::window::Window;

const PREFIX: &str = "liaison:limit:";
/// Between two looks for a Redis that is away.
const RETRY: Duration = Duration::from_secs(1);

/// A Redis, by whatever name it can be reached now. Cheap to clone.
#[derive(Clone)]
pub struct Redis(Arc<Inner>);

struct Inner {
    client: Client,
    timeout: Duration,
    script: Script,
    /// `None` while it is away.
    connection: RwLock<Option<ConnectionManager>>,
}

impl Redis {
    /// Connects with the first request. `timeout` is what one request waits at most.
    ///
    /// # Errors
    /// Only for a URL that [`RedisUrl`] would not have taken.
    pub fn new(url: &RedisUrl, timeout: Duration) -> RedisResult<Self> {
        let client = Client::open(url.expose())?;
        let connection = RwLock::new(Some(connect(&client, timeout)?));
        metrics::gauge!("rate_limit_store_up").set(1.0);
        let script = Script::new(include_str!("take.lua"));
        Ok(Self(Arc::new(Inner { client, timeout, script, connection })))
    }

    /// Counts a request of this key if it fits; the window as it is then. `None` while Redis is away.
    pub async fn take(&self, key: &str, rate: Rate, now_ms: i64) -> Option<(bool, Window)> {
        let connection = self.0.connection.read().unwrap_or_else(PoisonError::into_inner).clone();
        let started = Instant::now();
        match self.0.run(connection?, key, rate, now_ms).await {
            Ok(taken) => {
                metrics::histogram!("rate_limit_store_seconds").record(started.elapsed());
                Some(taken)
            }
            Err(error) => {
                self.lose(&error);
                None
            }
        }
    }

    /// Leaves Redis alone; whoever notices first says so and looks for it.
    fn lose(&self, error: &RedisError) {
        metrics::counter!("rate_limit_store_errors_total").increment(1);
        let lost = self.0.connection.write().unwrap_or_else(PoisonError::into_inner).take();
        if lost.is_some() {
            metrics::gauge!("rate_limit_store_up").set(0.0);
            tracing::warn!(%error, "Redis is away: this api counts rate limits by itself");
            tokio::spawn(recover(Arc::downgrade(&self.0)));
        }
    }
}

/// Looks for Redis until it answers, or until nobody needs it any more.
async fn recover(redis: Weak<Inner>) {
    loop {
        tokio::time::sleep(RETRY).await;
        let Some(redis) = redis.upgrade() else { return };
        let probe = async {
            let connection = connect(&redis.client, redis.timeout)?;
            let rate = Rate { quota: 1, window: 1 };
            redis.run(connection.clone(), "probe", rate, 0).await.map(|_| connection)
        };
        match probe.await {
            Ok(connection) => {
                let mut place = redis.connection.write().unwrap_or_else(PoisonError::into_inner);
                *place = Some(connection);
                metrics::gauge!("rate_limit_store_up").set(1.0);
                tracing::info!("Redis is back: rate limits are shared again");
                return;
            }
            Err(_) => metrics::counter!("rate_limit_store_errors_total").increment(1),
        }
    }
}

impl Inner {
    async fn run(
        &self,
        mut connection: ConnectionManager,
        key: &str,
        rate: Rate,
        now_ms: i64,
    ) -> RedisResult<(bool, Window)> {
        let mut call = self.script.key(format!("{PREFIX}{key}"));
        call.arg(now_ms).arg(rate.window_ms()).arg(rate.quota);
        let answer = tokio::time::timeout(self.timeout, call.invoke_async(&mut connection));
        let late = |_| RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        let (admitted, number, previous, current) = answer.await.map_err(late)??;
        Ok((admitted, Window { number, previous, current }))
    }
}

/// A connection that is made with its first use, and made anew by [`recover`] alone.
fn connect(client: &Client, timeout: Duration) -> RedisResult<ConnectionManager> {
    let config = ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(timeout))
        .set_response_timeout(Some(timeout));
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}
