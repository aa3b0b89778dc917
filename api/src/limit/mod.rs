//! How often a caller may do what (requirements, docs/decisions/0010). A [`Class`] stands beside each
//! route; its [`Rate`] comes from the configuration, the tenant or the key; a [`Window`] per key counts, in Redis or in
//! this process; the [`Decision`] is in the headers of every answer.

mod class;
mod config;
mod decision;
mod memory;
mod overrides;
mod rate;
mod redis;
mod window;

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use shared::Clock;

pub use class::Class;
pub use config::LimitConfig;
pub use decision::Decision;
pub use memory::Memory;
pub use overrides::Overrides;
pub use rate::{Limit, Rate};
pub use redis::Redis;
pub use window::Window;

use crate::error::{Error, Result};

/// Counts requests. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Limits(Arc<Inner>);

struct Inner {
    config: LimitConfig,
    clock: Clock,
    memory: Memory,
    redis: Option<Redis>,
}

impl Limits {
    /// Counts in Redis when there is one, in this process otherwise and while Redis is away. Within a runtime.
    #[must_use]
    pub fn new(config: LimitConfig, clock: Clock) -> Self {
        let redis = config.redis.as_ref().and_then(|url| {
            Redis::new(url, config.timeout)
                .inspect_err(|error| tracing::error!(%error, "Redis cannot be used"))
                .ok()
        });
        Self(Arc::new(Inner { config, clock, memory: Memory::default(), redis }))
    }

    /// Counts a call by something that only its handler sees, such as the identity that signs in; what was decided is
    /// for [`RequestFacts::heed`](crate::http::RequestFacts::heed). `key` may be of any length and secret: a digest of
    /// it is kept.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when it was one too many.
    pub async fn take(&self, class: Class, key: &str) -> Result<Option<Decision>> {
        self.admit(class, self.configured(class), &named(key)).await
    }

    /// Counts a call against this limit; what was decided.
    ///
    /// # Errors
    /// [`Error::RateLimited`] when it was one too many.
    pub(crate) async fn admit(
        &self,
        class: Class,
        limit: Limit,
        key: &str,
    ) -> Result<Option<Decision>> {
        match self.count(class, limit, key).await {
            Some(refusal) if !refusal.admitted => Err(Error::RateLimited(refusal)),
            admitted => Ok(admitted),
        }
    }

    /// The limit of a class for whoever has none of their own.
    #[must_use]
    pub fn configured(&self, class: Class) -> Limit {
        self.0.config.of(class)
    }

    /// Counts a call of this key; `None` when nothing limits it. Different windows are counted apart, so that a limit
    /// can be changed at any time.
    pub(crate) async fn count(&self, class: Class, limit: Limit, key: &str) -> Option<Decision> {
        let Limit::Rate(rate) = limit else { return None };
        let policy = class.as_str();
        let now_ms = self.0.clock.now().timestamp_millis();
        let key = format!("{policy}:{}:{key}", rate.window);
        let shared = match &self.0.redis {
            Some(redis) => redis.take(&key, rate, now_ms).await,
            None => None,
        };
        let (admitted, window) = shared.unwrap_or_else(|| self.0.memory.take(&key, rate, now_ms));
        let decision = if admitted { "allowed" } else { "refused" };
        metrics::counter!("rate_limit_decisions_total", "policy" => policy, "decision" => decision)
            .increment(1);
        Some(Decision::read(policy, rate, admitted, window, now_ms))
    }
}

/// A key of fixed length for any text.
pub(crate) fn named(text: &str) -> String {
    let mut key = "named:".to_owned();
    for byte in Sha256::digest(text.as_bytes()).iter().take(16) {
        let _ = write!(key, "{byte:02x}");
    }
    key
}
