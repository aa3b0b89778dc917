//! Whose turn it is to claim in this process. One claim at a time: the places that it finds free stay free until its
//! deliveries have taken them.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use shared::id::WebhookId;
use shared::{Db, SystemTx};
use tokio::sync::{Mutex, MutexGuard};

use super::claim::{Leased, claim, lease_due};
use super::{Claimed, Slots};

/// Claims for the places of this worker; cheap to clone.
#[derive(Clone, Debug)]
pub struct Claims {
    slots: Slots,
    lease: TimeDelta,
    /// The webhook served last.
    after: Arc<Mutex<Option<WebhookId>>>,
}

/// Deliveries leased in a transaction that has not ended yet; dropped with it, they are due again.
pub(crate) struct Early<'a> {
    leased: Leased,
    slots: &'a Slots,
    after: MutexGuard<'a, Option<WebhookId>>,
}

impl Claims {
    /// For these places; a claim holds for `lease`.
    #[must_use]
    pub fn new(slots: Slots, lease: TimeDelta) -> Self {
        Self { slots, lease, after: Arc::default() }
    }

    /// Claims what is due and fits.
    ///
    /// # Errors
    /// The database's; nothing is claimed then.
    pub async fn claim(&self, db: &Db) -> sqlx::Result<Vec<Claimed>> {
        let mut after = self.after.lock().await;
        let claimed = claim(db, &self.slots, self.lease, *after).await?;
        *after = claimed.last().map(|last| last.delivery.webhook).or(*after);
        Ok(claimed)
    }

    /// The same within a transaction that has made deliveries due, so that an idle worker begins them with its commit;
    /// nothing when another claim is under way, which is to be followed by the next.
    ///
    /// # Errors
    /// The database's; the transaction is to be rolled back.
    pub(crate) async fn early(
        &self,
        tx: &mut SystemTx,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Option<Early<'_>>> {
        let Ok(after) = self.after.try_lock() else { return Ok(None) };
        if self.slots.free() == 0 {
            return Ok(None);
        }
        let leased = lease_due(tx, now, &self.slots, self.lease, *after).await?;
        Ok(Some(Early { leased, slots: &self.slots, after }))
    }
}

impl Early<'_> {
    /// Takes their places; to be called after the commit.
    pub(crate) fn take(mut self) -> Vec<Claimed> {
        *self.after = self.leased.last().or(*self.after);
        self.leased.take(self.slots)
    }
}
