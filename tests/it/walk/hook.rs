//! A webhook of the walk, and what its receiver has heard.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tests::kit::{Call, Reply, Subscriber, Tenant};
use uuid::Uuid;

use super::verify::Delivery;

/// Something that a receiver was sent.
struct Arrival {
    delivery: Uuid,
    record: String,
    sequence: i64,
    automatic: bool,
    accepted: bool,
}

/// A webhook and what its receiver has heard.
pub struct Hook {
    pub subscriber: Subscriber,
    pub owner: usize,
    pub events: &'static str,
    ordered: bool,
    pub active: bool,
    /// Of a hundred requests so many are refused.
    pub refuses: Arc<AtomicU32>,
    heard: Arc<Mutex<Vec<Arrival>>>,
}

impl Hook {
    pub async fn start(
        owner: usize,
        tenant: &Tenant,
        events: &'static str,
        more: &str,
        seed: u64,
    ) -> Self {
        let subscriber = tenant.subscribe(&[events]).await;
        let settings: serde_json::Value = serde_json::from_str(more).unwrap();
        let ordered = settings["ordering"] == "record";
        tenant.put(&subscriber.path(), settings).await.ok();
        let (refuses, heard) = (Arc::new(AtomicU32::new(60)), Arc::new(Mutex::new(Vec::new())));
        let (share, arrivals) = (refuses.clone(), heard.clone());
        let mut random = StdRng::seed_from_u64(seed);
        subscriber.receiver.decide(move |call| {
            let accepted = random.random_range(0..100) >= share.load(Ordering::SeqCst);
            arrivals.lock().unwrap().push(Arrival::of(call, accepted));
            match random.random_range(0..3) {
                _ if accepted => Reply::status(200),
                0 => Reply::status(429).header("retry-after", "90"),
                1 => Reply::status(429),
                _ => Reply::status(500),
            }
        });
        Self { subscriber, owner, events, ordered, active: true, refuses, heard }
    }
}

impl Arrival {
    fn of(call: &Call, accepted: bool) -> Self {
        let body = call.json();
        Self {
            delivery: call.header("webhook-id").parse().unwrap(),
            record: body["data"]["id"].as_str().unwrap().to_owned(),
            sequence: body["sequence"].as_i64().unwrap(),
            automatic: call.header("x-webhook-trigger") == "automatic",
            accepted,
        }
    }
}

impl Hook {
    pub fn has_got_what_is_delivered<'a>(&self, own: impl Iterator<Item = &'a Delivery>) {
        let heard = self.heard.lock().unwrap();
        for one in own.filter(|one| one.status == "delivered") {
            let got = heard.iter().any(|call| call.accepted && call.delivery == one.id);
            assert!(got, "{} is delivered, and its receiver has not accepted it", one.id);
        }
    }

    /// Whatever came again, and whatever was asked for again: each record's events came first in their order.
    pub fn heard_in_order(&self) {
        let mut known = BTreeSet::new();
        let mut newest = HashMap::new();
        let heard = self.heard.lock().unwrap();
        for call in heard.iter().filter(|call| self.ordered && call.automatic) {
            if known.insert(call.delivery) {
                let before = newest.insert(&call.record, call.sequence);
                assert!(before < Some(call.sequence), "{} after {before:?}", call.sequence);
            }
        }
    }
}
