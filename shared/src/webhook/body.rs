//! What is sent, byte for byte. The relay writes bodies and ids in SQL (worker/src/relay.sql, `delivery_id` of
//! migration 0003), many at once; this is the same for who makes one by itself. Tests hold them together
//! (tests/it/listen).

use chrono::{DateTime, Utc};
use md5::{Digest as _, Md5};
use uuid::Uuid;

use crate::clock;
use crate::id::{DeliveryId, EventId, WebhookId};

/// The body of a delivery.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    /// The delivery.
    pub id: DeliveryId,
    /// The event's name.
    pub event: &'a str,
    /// When the change was made.
    pub timestamp: DateTime<Utc>,
    /// What it tells: JSON text, which is kept as it is.
    pub data: &'a str,
    /// The event itself.
    pub occurrence: EventId,
    /// Its number in the tenant's log, from 1.
    pub sequence: i64,
}

impl Body<'_> {
    /// The bytes that are signed and sent.
    #[must_use]
    pub fn render(&self) -> String {
        format!("{}}}", self.members())
    }

    /// The same of a test event, which says so.
    #[must_use]
    pub fn render_test(&self) -> String {
        format!("{},\"test\":true}}", self.members())
    }

    /// Names of events need no escapes.
    fn members(&self) -> String {
        let Self { id, event, data, occurrence, sequence, .. } = self;
        let time = clock::rfc3339(self.timestamp);
        format!(
            "{{\"id\":\"{id}\",\"event\":\"{event}\",\"timestamp\":\"{time}\",\"data\":{data},\"occurrenceId\":\"{occurrence}\",\"sequence\":{sequence}"
        )
    }
}

/// The id of the delivery of one event to one webhook: `UUIDv8` (RFC 9562) with the event's 48-bit time in front and
/// bits of MD5 behind it.
#[must_use]
pub fn delivery_id(event: EventId, webhook: WebhookId) -> DeliveryId {
    let mut digest = Md5::new();
    digest.update(event.0.as_bytes());
    digest.update(webhook.0.as_bytes());
    let mut bytes: [u8; 16] = digest.finalize().into();
    bytes[..6].copy_from_slice(&event.0.as_bytes()[..6]);
    bytes[6] = 0x80 | bytes[6] & 0x0f;
    bytes[8] = 0xa0 | bytes[8] & 0x0f;
    DeliveryId(Uuid::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_of_the_same_event_and_webhook_has_the_same_id_which_begins_with_the_events_time()
    {
        let now = "2026-01-02T03:04:05.678Z".parse().unwrap();
        let (event, webhook) = (EventId::fresh(now), WebhookId::fresh(now));
        let id = delivery_id(event, webhook);
        assert_eq!(id, delivery_id(event, webhook));
        assert_ne!(id, delivery_id(event, WebhookId::fresh(now)));
        assert_eq!(id.to_string()[..13], event.to_string()[..13]);
        assert_eq!(&id.to_string()[14..15], "8");
    }
}
