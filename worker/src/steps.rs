//! The whole way from the outbox to the receiver, step by step under the caller's control: for tests that move time
//! by hand, with the same relay, claim, attempt and record that [`run`](crate::run()) drives.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use shared::Db;

use crate::config::Config;
use crate::deliver::Sender;
use crate::queue::{self, Claimed, RedisQueue, Slots, Trouble, claim};
use crate::record::{Recorder, recorder};
use crate::relay::Relay;
use crate::replays::{self, Advanced};
use crate::setup::{self, Unbuilt};
use crate::{erasures, health, housekeeping, imports, record_order, retention, sweep};

/// So patient that a slow machine is not taken for a Redis that is away.
const REDIS_TIMEOUT: Duration = Duration::from_mins(1);

/// See the module.
pub struct Steps {
    db: Db,
    sender: Arc<Sender>,
    slots: Slots,
    redis: Option<RedisQueue>,
    lease: TimeDelta,
    recorder: Recorder,
}

impl Steps {
    /// Prepares the steps.
    ///
    /// # Errors
    /// A client that cannot be built: the system has no root certificates.
    pub fn new(db: Db, config: &Config) -> Result<Self, Unbuilt> {
        let (records, recorder) = recorder();
        let sender = setup::sender(&db, config, records)?;
        let lease = queue::lease(config.limits.total);
        let (redis, slots) = setup::slots(&db, config, REDIS_TIMEOUT)?;
        Ok(Self { db, sender: Arc::new(sender), slots, redis, lease, recorder })
    }

    /// Relays everything in the outbox.
    ///
    /// # Errors
    /// The database's.
    pub async fn relay(&self) -> sqlx::Result<()> {
        let mut relay = Relay::default();
        loop {
            let (relayed, _) = relay.batch(&self.db, None).await?;
            if !relayed.held.is_empty() {
                relayed.held.advance(&self.db).await;
            }
            if !relayed.more {
                return Ok(());
            }
        }
    }

    /// Claims what is due now and fits.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim(&self) -> sqlx::Result<Vec<Claimed>> {
        if let Some(redis) = &self.redis {
            match redis.claim(&self.db, &self.slots, self.lease).await {
                Err(Trouble::Redis(error)) => tracing::warn!(%error, "Redis is away"),
                Err(Trouble::Database(error)) => return Err(error),
                Ok(claimed) => return Ok(claimed),
            }
        }
        Ok(claim(&self.db, &self.slots, self.lease, None).await?.claimed)
    }

    /// Makes the attempts and records them.
    ///
    /// # Errors
    /// The database's.
    pub async fn attempt(&mut self, claimed: Vec<Claimed>) -> sqlx::Result<()> {
        futures_util::future::join_all(
            claimed.into_iter().map(|claimed| self.sender.deliver(claimed)),
        )
        .await;
        self.recorder.flush(&self.db).await?;
        Ok(())
    }

    /// Changes the states of webhooks that what was recorded asks for; says how many changed.
    ///
    /// # Errors
    /// The database's.
    pub async fn judge(&self) -> sqlx::Result<u64> {
        health::advance(&self.db).await
    }

    /// Makes the attempts, records them, and changes states accordingly.
    ///
    /// # Errors
    /// The database's.
    pub async fn deliver(&mut self, claimed: Vec<Claimed>) -> sqlx::Result<()> {
        self.attempt(claimed).await?;
        self.judge().await?;
        Ok(())
    }

    /// Keeps the event log within its time; says whether nothing was in the way.
    ///
    /// # Errors
    /// The database's.
    pub async fn keep(&self) -> sqlx::Result<bool> {
        retention::keep(&self.db).await
    }

    /// Removes kept answers, imports and replays that have had their time, as a round of housekeeping does.
    /// Says whether all went well.
    ///
    /// # Errors
    /// The database is away.
    pub async fn forget(&self) -> sqlx::Result<bool> {
        housekeeping::forget(&self.db).await
    }

    /// Carries out the imports that are due, to their ends.
    ///
    /// # Errors
    /// The database's.
    pub async fn import(&self) -> sqlx::Result<()> {
        let mut importer = imports::Importer::new(self.db.clone());
        while importer.advance().await? {}
        Ok(())
    }

    /// Begins what replays may begin now.
    ///
    /// # Errors
    /// The database's.
    pub async fn replay(&self) -> sqlx::Result<()> {
        while let Advanced::Moved(_) = replays::advance(&self.db).await? {}
        Ok(())
    }

    /// Sends one parked failure of each failing webhook that wants it, to see whether its receiver is back.
    ///
    /// # Errors
    /// The database's.
    pub async fn probe(&self) -> sqlx::Result<u64> {
        replays::probe(&self.db).await
    }

    /// Goes on with the erasures that are due, as far as they can go now.
    ///
    /// # Errors
    /// The database's.
    pub async fn erase(&self) -> sqlx::Result<()> {
        while erasures::advance(&self.db, &self.sender.keyring).await? {}
        Ok(())
    }

    /// Does everything that can be done now; says how many attempts were made.
    ///
    /// # Errors
    /// The database's.
    pub async fn drain(&mut self) -> sqlx::Result<usize> {
        self.relay().await?;
        while sweep::fail_deleted(&self.db).await? > 0 {}
        while record_order::dissolve(&self.db).await? > 0 {}
        let mut attempts = 0;
        loop {
            let claimed = self.claim().await?;
            if claimed.is_empty() {
                return Ok(attempts);
            }
            attempts += claimed.len();
            self.deliver(claimed).await?;
        }
    }
}
