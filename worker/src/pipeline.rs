//! The whole way from the outbox to the receiver, step by step under the caller's control: for tests that move time
//! by hand, with the same relay, claim, attempt and record that [`run`](crate::run()) drives.

use std::sync::Arc;

use chrono::TimeDelta;
use shared::Db;

use crate::client::Client;
use crate::config::Config;
use crate::deliver::Sender;
use crate::queue::{self, Claimed, Slots, claim};
use crate::record::{Recorder, recorder};
use crate::relay::relay;
use crate::signing::Signers;
use crate::{erasures, imports, retention, sweep};

/// See the module.
pub struct Pipeline {
    db: Db,
    sender: Arc<Sender>,
    slots: Slots,
    lease: TimeDelta,
    recorder: Recorder,
}

impl Pipeline {
    /// Prepares the steps.
    ///
    /// # Errors
    /// A client that cannot be built: the system has no root certificates.
    pub fn new(db: Db, config: &Config) -> Result<Self, rustls::Error> {
        let (records, recorder) = recorder();
        let sender = sender(&db, config, records)?;
        let lease = queue::lease(config.limits.total);
        Ok(Self { db, sender: Arc::new(sender), slots: Slots::new(config.caps), lease, recorder })
    }

    /// Relays everything in the outbox.
    ///
    /// # Errors
    /// The database's.
    pub async fn relay(&self) -> sqlx::Result<()> {
        while relay(&self.db).await?.is_full() {}
        Ok(())
    }

    /// Claims what is due now and fits.
    ///
    /// # Errors
    /// The database's.
    pub async fn claim(&self) -> sqlx::Result<Vec<Claimed>> {
        claim(&self.db, &self.slots, self.lease, None).await
    }

    /// Makes the attempts and records them.
    ///
    /// # Errors
    /// The database's.
    pub async fn deliver(&mut self, claimed: Vec<Claimed>) -> sqlx::Result<()> {
        futures_util::future::join_all(
            claimed.into_iter().map(|claimed| self.sender.deliver(claimed)),
        )
        .await;
        self.recorder.flush(&self.db).await?;
        Ok(())
    }

    /// Keeps the event log within its time; says whether nothing was in the way.
    ///
    /// # Errors
    /// The database's.
    pub async fn keep(&self) -> sqlx::Result<bool> {
        retention::keep(&self.db).await
    }

    /// Carries out the imports that are due, to their ends.
    ///
    /// # Errors
    /// The database's.
    pub async fn import(&self) -> sqlx::Result<()> {
        while imports::advance(&self.db).await? {}
        Ok(())
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

pub(crate) fn sender(
    db: &Db,
    config: &Config,
    records: crate::record::Records,
) -> Result<Sender, rustls::Error> {
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
