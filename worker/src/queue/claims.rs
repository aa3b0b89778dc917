//! Whose turn it is to claim in this process. One claim at a time: the places that it finds free stay free until its
//! deliveries have taken them.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use shared::Db;
use shared::id::{LeaseId, WebhookId};
use tokio::sync::{Mutex, MutexGuard};

use super::claim::{Batch, Hold, Row, claim};
use super::slots::Headroom;
use super::{Claimed, Slots};

/// Claims for the places of this worker; cheap to clone.
#[derive(Clone, Debug)]
pub struct Claims {
    slots: Slots,
    lease: TimeDelta,
    /// The webhook served last.
    after: Arc<Mutex<Option<WebhookId>>>,
}

/// What a claim for the places of this worker came to.
#[derive(Debug)]
pub struct Filled {
    /// What was claimed.
    pub claimed: Vec<Claimed>,
    /// Whether there may be more, which found no room.
    pub more: bool,
    /// Whether more retries are to be let out before anything else is waited for.
    pub parked: bool,
}

impl Filled {
    /// Whether to claim again at once.
    pub(super) fn is_to_be_repeated(&self) -> bool {
        !self.claimed.is_empty() && self.more || self.parked
    }
}

/// The turn of whoever relays: what it writes may be leased from the start.
pub(crate) struct Direct<'a> {
    /// For how many there is room, and for which there is none.
    pub headroom: Headroom,
    /// The lease to write.
    pub hold: Hold,
    slots: &'a Slots,
    now: DateTime<Utc>,
    _turn: MutexGuard<'a, Option<WebhookId>>,
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
    pub async fn claim(&self, db: &Db) -> sqlx::Result<Filled> {
        let mut after = self.after.lock().await;
        // Places that become free from here on may be wanted: this claim has not seen them.
        self.slots.want(true);
        let now = db.clock().now();
        let (free, full) = (self.slots.free(), self.slots.is_full_somewhere(now));
        let Batch { claimed, parked } = claim(db, &self.slots, self.lease, *after).await?;
        *after = claimed.last().map(|last| last.delivery.webhook).or(*after);
        let more = full || self.slots.is_full_somewhere(now) || has_cut(claimed.len(), free);
        self.slots.want(more);
        Ok(Filled { claimed, more, parked })
    }

    /// The turn of whoever relays, so that an idle worker begins what it relays with the commit. None when another
    /// claim is under way, and none when half of the places are taken: then the order of the claims decides who is
    /// next.
    pub(crate) fn direct(&self, now: DateTime<Utc>) -> Option<Direct<'_>> {
        let turn = self.after.try_lock().ok()?;
        let headroom = self.slots.headroom(now)?;
        let hold = Hold { lease: LeaseId::fresh(now), until: now + self.lease, claims: 1 };
        Some(Direct { headroom, hold, slots: &self.slots, now, _turn: turn })
    }
}

impl Direct<'_> {
    /// Takes the places of what was written; to be called after the commit.
    pub(crate) fn take(self, rows: impl IntoIterator<Item = Row>) -> Vec<Claimed> {
        let Self { hold, slots, now, .. } = &self;
        rows.into_iter().map(|row| row.into_claimed(slots, hold, *now)).collect()
    }
}

/// Whether a webhook's share of the free places can have cut something off: each share is at least the places divided
/// by the webhooks that gave something, and none of them gave more than all together.
fn has_cut(found: usize, free: u32) -> bool {
    found.saturating_mul(found) >= free as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_were_cut_off_by_no_share() {
        assert!(!has_cut(0, 1) && !has_cut(1, 2) && !has_cut(7, 50));
        assert!(has_cut(1, 1) && has_cut(8, 64) && has_cut(64, 64));
    }
}
