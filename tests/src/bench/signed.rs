//! A webhook as the worker sends it, made without worker and database.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use shared::Clock;
use shared::clock::rfc3339;
use shared::id::{ContactId, DeliveryId, EventId, TenantId};
use shared::webhook::keys::{Key, SigningKeys};
use shared::webhook::signature::SigningSecret;

use super::requests::NAME;
use crate::servers::Result;

/// Headers and body.
#[derive(Clone, Debug)]
pub struct Message {
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Keys as a fresh webhook has them.
///
/// # Errors
/// When no key pair can be made.
pub fn keys() -> Result<SigningKeys> {
    Ok(SigningKeys::first(Key::new(SigningSecret::generate())?))
}

impl Message {
    /// `contact.created` of the contact with this number, signed.
    ///
    /// # Errors
    /// None in practice: every value is plain ASCII.
    pub fn new(keys: &SigningKeys, number: u64) -> Result<Self> {
        let now = Clock::system().now();
        let (id, timestamp, time) =
            (DeliveryId::fresh(now).to_string(), now.timestamp(), rfc3339(now));
        let (contact, tenant, event) =
            (ContactId::fresh(now), TenantId::fresh(now), EventId::fresh(now));
        let body = format!(
            "{{\"id\":\"{id}\",\"event\":\"contact.created\",\"timestamp\":\"{time}\",\"data\":{{\"id\":\"{contact}\",\
             \"tenantId\":\"{tenant}\",{NAME}{number}\",\"email\":\"c{number}@example.com\",\"phone\":\"+49{number}\",\
             \"phoneE164\":\"+49{number}\",\"company\":\"ACME Corp\",\"version\":1,\"createdAt\":\"{time}\",\
             \"updatedAt\":\"{time}\"}},\"occurrenceId\":\"{event}\"}}"
        );
        let signatures = keys.sign(&id, now, body.as_bytes());
        let body = Bytes::from(body);
        let mut headers = HeaderMap::with_capacity(10);
        for (name, value) in [
            ("content-type", "application/json"),
            ("webhook-id", &id),
            ("webhook-timestamp", &timestamp.to_string()),
            ("webhook-signature", &signatures.standard),
            ("x-webhook-signature", &signatures.document),
            ("x-webhook-event", "contact.created"),
            ("x-webhook-attempt", "1"),
            ("x-webhook-trigger", "automatic"),
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value)?);
        }
        Ok(Self { headers, body })
    }
}
