//! How much may be under way at once: in all, to one webhook, and for one tenant. A hanging receiver fills its own
//! slots and nobody else's, and what a receiver says of its own capacity counts too.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use shared::id::{TenantId, WebhookId};
use tokio::sync::Notify;
use uuid::Uuid;

use super::backpressure::{Feedback, Flow};
use super::in_flight::{Flight, Flights};
use super::rate_limit::Ledger;

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
    /// Whether a place that becomes free may let something go that is due.
    wanted: AtomicBool,
    freed: Notify,
    flights: Option<Flights>,
    ledger: Ledger,
}

#[derive(Debug, Default)]
struct Busy {
    total: u32,
    webhooks: HashMap<WebhookId, u32>,
    tenants: HashMap<TenantId, u32>,
    flows: HashMap<WebhookId, Flow>,
    /// When webhooks with a rate limit may go on.
    paced: HashMap<WebhookId, DateTime<Utc>>,
}

/// Places taken by id, as two columns for SQL, by ascending id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Counts {
    pub webhooks: (Vec<Uuid>, Vec<i32>),
    pub tenants: (Vec<Uuid>, Vec<i32>),
}

/// Room for deliveries of any webhooks but those named.
#[derive(Debug)]
pub(crate) struct Headroom {
    /// For how many, whosever they are.
    pub most: u32,
    /// Webhooks with requests for more than half of their places, or whose receivers said something of their capacity.
    pub webhooks: Vec<Uuid>,
    /// Tenants with requests for more than half of their places, ascending.
    pub tenants: Vec<Uuid>,
}

/// One request under way; dropping it frees the place.
#[derive(Debug)]
pub struct Slot {
    slots: Slots,
    tenant: TenantId,
    webhook: WebhookId,
    /// Whether the next delivery of its line waits for its end.
    lined: bool,
    _flight: Option<Flight>,
}

impl Slots {
    /// All free; what is taken is noted in `flights` too, for all workers to see.
    #[must_use]
    pub fn new(caps: Caps, flights: Option<Flights>) -> Self {
        let wanted = AtomicBool::new(true);
        Self(Arc::new(Shared {
            caps,
            busy: Mutex::default(),
            wanted,
            freed: Notify::new(),
            flights,
            ledger: Ledger::default(),
        }))
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

    /// Says whether somebody waits for a place: nobody does once everything that is due has one.
    pub(super) fn want(&self, wanted: bool) {
        self.0.wanted.store(wanted, Ordering::SeqCst);
    }

    /// Whether something that is due may have been kept back by a cap, or by what a receiver said.
    pub(super) fn is_full_somewhere(&self, now: DateTime<Utc>) -> bool {
        let caps = self.0.caps;
        let closed = !self.closed(now).is_empty();
        let busy = self.busy();
        closed
            || busy.total >= caps.total
            || busy.webhooks.values().any(|count| *count >= caps.per_webhook)
            || busy.tenants.values().any(|count| *count >= caps.per_tenant)
    }

    /// The room for deliveries that are begun without a claim, if half of the places are free.
    pub(super) fn headroom(&self, now: DateTime<Utc>) -> Option<Headroom> {
        let caps = self.0.caps;
        let mut webhooks: Vec<Uuid> = self.closed(now).into_iter().map(|(id, _)| id.0).collect();
        let busy = self.busy();
        let mut most = caps.total.saturating_sub(busy.total);
        let (loaded, room) = split(&busy.webhooks, caps.per_webhook);
        webhooks.extend(loaded.map(|id| id.0));
        most = most.min(room);
        let (loaded, room) = split(&busy.tenants, caps.per_tenant);
        let mut tenants: Vec<Uuid> = loaded.map(|id| id.0).collect();
        tenants.sort_unstable();
        most = most.min(room);
        (busy.total <= caps.total / 2 && most > 0).then_some(Headroom { most, webhooks, tenants })
    }

    /// Waits until a place becomes free that somebody waits for.
    pub async fn freed(&self) {
        self.0.freed.notified().await;
    }

    /// Takes a place; the claim has already kept the caps.
    #[must_use]
    pub fn take(
        &self,
        tenant: TenantId,
        webhook: WebhookId,
        lined: bool,
        now: DateTime<Utc>,
    ) -> Slot {
        let mut busy = self.busy();
        busy.total += 1;
        *busy.webhooks.entry(webhook).or_default() += 1;
        *busy.tenants.entry(tenant).or_default() += 1;
        if let Some(flow) = busy.flows.get_mut(&webhook) {
            flow.spend(now);
        }
        drop(busy);
        let flights = self.0.flights.as_ref();
        let flight = flights.map(|flights| flights.begin(tenant, webhook, now));
        Slot { slots: self.clone(), tenant, webhook, lined, _flight: flight }
    }

    /// Whether one more request keeps the caps of this process, for each of these in turn if those before it are made.
    pub(super) fn fit(&self, wanted: impl Iterator<Item = (TenantId, WebhookId)>) -> Vec<bool> {
        let (caps, busy) = (self.0.caps, self.busy());
        let (mut tenants, mut webhooks) = (busy.tenants.clone(), busy.webhooks.clone());
        drop(busy);
        let mut fits = |(tenant, webhook)| {
            let of_tenant = tenants.entry(tenant).or_default();
            let of_webhook = webhooks.entry(webhook).or_default();
            let fits = *of_tenant < caps.per_tenant && *of_webhook < caps.per_webhook;
            *of_tenant += u32::from(fits);
            *of_webhook += u32::from(fits);
            fits
        };
        wanted.map(&mut fits).collect()
    }

    /// The places of each webhook that are taken, or closed for now by its flow; then those of the tenants.
    pub(super) fn counts(&self, now: DateTime<Utc>) -> Counts {
        let mut webhooks = self.busy().webhooks.clone();
        for (id, closed) in self.closed(now) {
            *webhooks.entry(id).or_default() += closed;
        }
        let busy = self.busy();
        let column = |count: &u32| i32::try_from(*count).unwrap_or(i32::MAX);
        Counts {
            webhooks: columns(webhooks.iter().map(|(id, count)| (id.0, column(count)))),
            tenants: columns(busy.tenants.iter().map(|(id, count)| (id.0, column(count)))),
        }
    }

    /// The places of webhooks that are free and closed for now, by what their receivers said.
    pub(super) fn closed(&self, now: DateTime<Utc>) -> Vec<(WebhookId, u32)> {
        let cap = self.0.caps.per_webhook;
        let busy = &mut *self.busy();
        let closed = busy.flows.iter_mut().map(|(id, flow)| {
            let under_way = busy.webhooks.get(id).copied().unwrap_or_default();
            let closed = cap.saturating_sub(flow.room(under_way, now));
            (*id, closed.saturating_sub(under_way))
        });
        let closed = closed.filter(|(_, closed)| *closed > 0);
        // What is not booked is not to be overrun.
        let unbooked = self.0.ledger.webhooks().into_iter().map(|webhook| (webhook, cap));
        closed.chain(unbooked).collect()
    }

    /// Claims that are not booked yet.
    pub(super) fn ledger(&self) -> &Ledger {
        &self.0.ledger
    }

    /// Wakes whoever waits for a place: there is room where there was none.
    pub(super) fn reopen(&self) {
        self.0.freed.notify_one();
    }

    /// Notes when a webhook with a rate limit may go on.
    pub(super) fn pace(&self, webhook: WebhookId, opens: DateTime<Utc>) {
        self.busy().paced.insert(webhook, opens);
    }

    /// When time alone will next make room for a webhook.
    pub(super) fn next_opening(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let mut busy = self.busy();
        busy.paced.retain(|_, opens| *opens > now);
        let flows = busy.flows.values().filter_map(|flow| flow.opens(now));
        flows.chain(busy.paced.values().copied()).min()
    }

    /// Forgets the flows that limit nothing; says how many do.
    #[must_use]
    pub fn forget_idle(&self, now: DateTime<Utc>) -> usize {
        let mut busy = self.busy();
        busy.flows.retain(|_, flow| !flow.is_idle(now));
        busy.flows.values().filter(|flow| flow.is_limiting(now)).count()
    }

    fn busy(&self) -> MutexGuard<'_, Busy> {
        // Counters stay right even when a holder panicked: no step of theirs can.
        self.0.busy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Whether the next delivery of its line waits for the outcome of this one.
    pub(crate) fn is_lined(&self) -> bool {
        self.lined
    }

    /// Takes in what an attempt tells of its receiver's capacity; whether it slowed the webhook down.
    #[must_use]
    pub fn hear(&self, told: Feedback) -> bool {
        let cap = self.slots.0.caps.per_webhook;
        let mut busy = self.slots.busy();
        busy.flows.entry(self.webhook).or_insert_with(|| Flow::new(cap)).hear(told)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut busy = self.slots.busy();
        busy.total -= 1;
        release(&mut busy.webhooks, self.webhook);
        release(&mut busy.tenants, self.tenant);
        drop(busy);
        if self.lined || self.slots.0.wanted.load(Ordering::SeqCst) {
            self.slots.0.freed.notify_one();
        }
    }
}

/// Two columns for SQL, by ascending id.
pub(super) fn columns(counts: impl Iterator<Item = (Uuid, i32)>) -> (Vec<Uuid>, Vec<i32>) {
    let mut counts: Vec<_> = counts.collect();
    counts.sort_unstable();
    counts.into_iter().unzip()
}

/// Who has taken more than half of this cap, and what room all others have at least.
fn split<K: Copy>(counts: &HashMap<K, u32>, cap: u32) -> (impl Iterator<Item = K>, u32) {
    let half = cap / 2;
    let most = counts.values().copied().filter(|count| *count <= half).max().unwrap_or_default();
    let loaded = counts.iter().filter(move |(_, count)| **count > half).map(|(id, _)| *id);
    (loaded, cap - most)
}

/// Idle entries go, so that the maps never outgrow the requests under way.
fn release<K: std::hash::Hash + Eq>(counts: &mut HashMap<K, u32>, key: K) {
    if let std::collections::hash_map::Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_slot_gives_its_place_back_everywhere() {
        let slots = Slots::new(Caps { total: 2, per_webhook: 1, per_tenant: 1 }, None);
        let now = shared::Clock::system().now();
        let (tenant, webhook) = (TenantId::fresh(now), WebhookId::fresh(now));
        let slot = slots.take(tenant, webhook, false, now);
        let counts = slots.counts(now);
        assert_eq!(counts.webhooks, (vec![webhook.0], vec![1]));
        assert_eq!(counts.tenants, (vec![tenant.0], vec![1]));
        assert_eq!(slots.free(), 1);
        drop(slot);
        assert_eq!(slots.counts(now).webhooks, (vec![], vec![]));
        assert_eq!(slots.free(), 2);
    }

    #[test]
    fn a_webhook_whose_claims_are_not_booked_is_closed() {
        let slots = Slots::new(Caps { total: 8, per_webhook: 4, per_tenant: 8 }, None);
        let now = shared::Clock::system().now();
        let webhook = (Uuid::from_u128(1), Uuid::from_u128(2));
        slots.ledger().owe([(webhook, 2)]);
        assert_eq!(slots.counts(now).webhooks, (vec![webhook.1], vec![4]));
        slots.ledger().pay(webhook, 2);
        assert_eq!(slots.counts(now).webhooks, (vec![], vec![]));
    }

    #[test]
    fn headroom_is_the_least_of_all_but_those_that_have_half_of_their_places_taken() {
        let slots = Slots::new(Caps { total: 16, per_webhook: 4, per_tenant: 8 }, None);
        let now = shared::Clock::system().now();
        let tenant = TenantId::fresh(now);
        let (calm, loaded) = (WebhookId::fresh(now), WebhookId::fresh(now));
        let one = slots.take(tenant, calm, false, now);
        let headroom = slots.headroom(now).unwrap();
        assert_eq!((headroom.most, headroom.webhooks.len(), headroom.tenants.len()), (3, 0, 0));

        let three: Vec<_> = (0..3).map(|_| slots.take(tenant, loaded, false, now)).collect();
        let headroom = slots.headroom(now).unwrap();
        assert_eq!((headroom.most, headroom.webhooks), (3, vec![loaded.0]));

        let fifth = slots.take(tenant, calm, false, now);
        assert_eq!(slots.headroom(now).unwrap().tenants, [tenant.0]);
        let others: Vec<_> = (0..4)
            .map(|_| slots.take(TenantId::fresh(now), WebhookId::fresh(now), false, now))
            .collect();
        assert!(slots.headroom(now).is_none(), "more than half of all places are taken");
        drop((one, three, fifth, others));
    }
}
