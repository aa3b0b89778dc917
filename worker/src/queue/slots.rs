//! How much may be under way at once: in all, to one webhook, and for one tenant. A hanging receiver fills its own
//! slots and nobody else's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::id::{TenantId, WebhookId};
use tokio::sync::Notify;
use uuid::Uuid;

/// The most requests under way in this process.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// In all.
    pub total: u32,
    /// To one webhook.
    pub per_webhook: u32,
    /// To all webhooks of one tenant.
    pub per_tenant: u32,
}

/// The requests under way.
#[derive(Clone, Debug)]
pub struct Slots(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    caps: Caps,
    busy: Mutex<Busy>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Busy {
    total: u32,
    webhooks: HashMap<WebhookId, i32>,
    tenants: HashMap<TenantId, i32>,
}

/// Requests under way by id, as two columns for SQL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub webhooks: (Vec<Uuid>, Vec<i32>),
    pub tenants: (Vec<Uuid>, Vec<i32>),
}

/// One request under way; dropping it frees the place.
#[derive(Debug)]
pub struct Slot {
    slots: Slots,
    tenant: TenantId,
    webhook: WebhookId,
}

impl Slots {
    /// All free.
    #[must_use]
    pub fn new(caps: Caps) -> Self {
        Self(Arc::new(Shared { caps, busy: Mutex::default(), freed: Notify::new() }))
    }

    /// The caps.
    #[must_use]
    pub fn caps(&self) -> Caps {
        self.0.caps
    }

    /// Places free in all.
    #[must_use]
    pub fn free(&self) -> u32 {
        self.0.caps.total.saturating_sub(self.busy().total)
    }

    /// Waits until a place becomes free.
    pub async fn freed(&self) {
        self.0.freed.notified().await;
    }

    /// Takes a place; the claim has already kept the caps.
    #[must_use]
    pub fn take(&self, tenant: TenantId, webhook: WebhookId) -> Slot {
        let mut busy = self.busy();
        busy.total += 1;
        *busy.webhooks.entry(webhook).or_default() += 1;
        *busy.tenants.entry(tenant).or_default() += 1;
        Slot { slots: self.clone(), tenant, webhook }
    }

    /// The webhooks with requests under way, and how many; then the tenants.
    pub(super) fn counts(&self) -> Counts {
        let busy = self.busy();
        Counts {
            webhooks: busy.webhooks.iter().map(|(id, count)| (id.0, *count)).unzip(),
            tenants: busy.tenants.iter().map(|(id, count)| (id.0, *count)).unzip(),
        }
    }

    fn busy(&self) -> MutexGuard<'_, Busy> {
        // Counters stay right even when a holder panicked: no step of theirs can.
        self.0.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut busy = self.slots.busy();
        busy.total -= 1;
        release(&mut busy.webhooks, self.webhook);
        release(&mut busy.tenants, self.tenant);
        drop(busy);
        self.slots.0.freed.notify_one();
    }
}

/// Idle entries go, so that the maps never outgrow the requests under way.
fn release<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, i32>, key: K) {
    if let std::collections::hash_map::Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() <= 0 {
            count.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_slot_gives_its_place_back_everywhere() {
        let slots = Slots::new(Caps { total: 2, per_webhook: 1, per_tenant: 1 });
        let now = shared::Clock::system().now();
        let (tenant, webhook) = (TenantId::fresh(now), WebhookId::fresh(now));
        let slot = slots.take(tenant, webhook);
        let counts = slots.counts();
        assert_eq!(counts.webhooks, (vec![webhook.0], vec![1]));
        assert_eq!(counts.tenants, (vec![tenant.0], vec![1]));
        assert_eq!(slots.free(), 1);
        drop(slot);
        assert_eq!(slots.counts().webhooks, (vec![], vec![]));
        assert_eq!(slots.free(), 2);
    }
}
