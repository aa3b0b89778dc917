//! The queue: `webhook_queue` claimed under a lease, given out through apalis. A lease is a due time in the future,
//! so that a worker that dies needs nobody to clean up after it (docs/decisions/0006).

mod backend;
mod backpressure;
mod claim;
mod claims;
mod engine;
mod in_flight;
mod load;
mod pace;
mod rate_limit;
mod redis;
mod slots;
mod token;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use shared::id::{DeliveryId, EventId, LeaseId, TenantId, WebhookId};
use shared::webhook::delivery::Trigger;

pub use backend::DeliveryBackend;
pub use backpressure::{Feedback, Signal};
pub(crate) use claim::Row;
pub use claim::{Batch, claim, lease};
pub(crate) use claims::Direct;
pub use claims::{Claims, Filled};
pub use engine::Engine;
pub use in_flight::{Flight, Flights};
pub use redis::RedisQueue;
pub(crate) use redis::{REDIS_TIMEOUT, Trouble};
pub use slots::{Caps, Slot, Slots};
pub use token::Token;

/// A delivery that this worker holds until its lease ends.
#[derive(Debug)]
pub struct Claimed {
    /// What to send.
    pub delivery: Delivery,
    /// The place it takes among the requests under way.
    pub slot: Slot,
}

/// One event on its way to one webhook.
#[derive(Debug)]
pub struct Delivery {
    /// The tenant it belongs to.
    pub tenant: TenantId,
    /// Its id.
    pub id: DeliveryId,
    /// Where it goes.
    pub webhook: WebhookId,
    /// The event's own id.
    pub occurrence: EventId,
    /// The event's name.
    pub event: String,
    /// The exact bytes to send.
    pub body: Bytes,
    /// Requests made before in this cycle.
    pub attempts: i32,
    /// The cycle.
    pub cycle: i32,
    /// Why the cycle was begun.
    pub trigger: Trigger,
    /// Claims without an outcome, this one included.
    pub claims: i32,
    /// The claim.
    pub lease: LeaseId,
    /// When the claim ends.
    pub lease_until: DateTime<Utc>,
    /// When the change was made.
    pub created_at: DateTime<Utc>,
    /// The request that made the change.
    pub request_id: Option<String>,
    /// Its trace.
    pub traceparent: Option<String>,
    /// The webhook's address.
    pub url: String,
    /// Whether it may have waited for its webhook (its rate limit, `Retry-After`, a change such as being off) or its
    /// record's order: it is not we who were late then.
    pub held: bool,
    /// The webhook's sealed secret.
    pub secret: Vec<u8>,
    /// The webhook's own headers, sealed.
    pub headers: Option<Vec<u8>>,
    /// The webhook's client certificate with its key, sealed.
    pub identity: Option<Vec<u8>>,
}
