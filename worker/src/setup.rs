//! Makes the parts of a worker from its configuration.

use std::sync::Arc;
use std::time::Duration;

use shared::Db;

use crate::client::Client;
use crate::config::{Config, Queue};
use crate::deliver::Sender;
use crate::queue::{RedisQueue, Slots};
use crate::record::Records;
use crate::signing::Signers;

/// What a worker or its steps cannot be made of.
#[derive(Debug, thiserror::Error)]
pub enum Unbuilt {
    /// The client that calls receivers.
    #[error(transparent)]
    Client(#[from] rustls::Error),
    /// The client of Redis.
    #[error("REDIS_URL cannot be used: {0}")]
    Redis(#[from] redis::RedisError),
}

/// The places of a worker, and Redis when it shares them. `timeout` is how long Redis may take for an answer.
///
/// # Errors
/// Only for a URL that [`RedisUrl`](shared::RedisUrl) would not have taken.
pub(crate) fn slots(
    db: &Db,
    config: &Config,
    timeout: Duration,
) -> Result<(Option<RedisQueue>, Slots), redis::RedisError> {
    let redis = match &config.queue {
        Queue::Postgres => None,
        Queue::Redis(url) => Some(RedisQueue::new(url, config.caps.total, timeout, db)?),
    };
    let flights = redis.as_ref().map(|redis| redis.flights().clone());
    Ok((redis, Slots::new(config.caps, flights)))
}

/// What makes the attempts, and hands their outcomes to `records`.
///
/// # Errors
/// The client cannot be built: the system has no root certificates.
pub(crate) fn sender(db: &Db, config: &Config, records: Records) -> Result<Sender, rustls::Error> {
    Ok(Sender {
        signers: Signers::new(config.keyring.clone()),
        client: Client::new(Arc::clone(&config.targets), config.limits, &config.way)?,
        keyring: config.keyring.clone(),
        schedule: Arc::clone(&config.schedule),
        timeout: config.limits.total,
        clock: db.clock().clone(),
        records,
    })
}
