//! Sends an event to a program on this machine as the worker would send it to a webhook.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::RequestBuilder;
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::Clock;
use shared::id::{EventId, WebhookId};
use shared::webhook::body::{Body, delivery_id};
use shared::webhook::keys::SigningKeys;
use url::Url;

/// As long as a receiver may take in production.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An event of the feed.
#[derive(Deserialize)]
struct Event<'a> {
    id: EventId,
    sequence: i64,
    #[serde(rename = "event")]
    name: String,
    timestamp: DateTime<Utc>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// See the module.
pub(super) struct Forward {
    http: reqwest::Client,
    to: Url,
    keys: SigningKeys,
    webhook: WebhookId,
    clock: Clock,
}

/// What became of an event.
pub(super) struct Sent {
    /// Whether the answer was a 2xx.
    pub accepted: bool,
    /// The same as a line for people.
    pub line: String,
}

impl Forward {
    /// Prepares to send; the bodies are those that this webhook would get.
    pub(super) fn new(
        to: Url,
        keys: SigningKeys,
        webhook: WebhookId,
        clock: Clock,
    ) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(TIMEOUT)
            .user_agent("Liaison-Webhooks/1")
            .build()?;
        Ok(Self { http, to, keys, webhook, clock })
    }

    /// Where events go.
    pub(super) fn to(&self) -> &Url {
        &self.to
    }

    /// Sends one event once.
    ///
    /// # Errors
    /// What is no event of a feed.
    pub(super) async fn send(&self, json: &str) -> Result<Sent, String> {
        let event: Event<'_> = serde_json::from_str(json)
            .map_err(|error| format!("an event cannot be read: {error}"))?;
        let (now, started) = (self.clock.now(), Instant::now());
        let answer = self.request(&event, now).send().await;
        let millis = started.elapsed().as_millis();
        let (accepted, outcome) = match &answer {
            Ok(answer) => (answer.status().is_success(), answer.status().as_u16().to_string()),
            Err(error) if error.is_timeout() => (false, "timeout".to_owned()),
            Err(error) if error.is_connect() => (false, "connection refused".to_owned()),
            Err(_) => (false, "connection broken".to_owned()),
        };
        let (time, name, number) = (now.format("%H:%M:%S%.3f"), &event.name, event.sequence);
        let line = format!("{time}  {number}  {name}  {}  {outcome}  {millis} ms", event.id);
        Ok(Sent { accepted, line })
    }

    /// The same headers as a first attempt, but for the signature by a key pair, which nobody but the service has.
    fn request(&self, event: &Event<'_>, now: DateTime<Utc>) -> RequestBuilder {
        let id = delivery_id(event.id, self.webhook);
        let body = Body {
            id,
            event: &event.name,
            timestamp: event.timestamp,
            data: event.data.get(),
            occurrence: event.id,
            sequence: event.sequence,
        };
        let body = body.render();
        let signatures = self.keys.sign(&id.to_string(), now, body.as_bytes());
        self.http
            .post(self.to.clone())
            .header("content-type", "application/json")
            .header("webhook-id", id.to_string())
            .header("webhook-timestamp", now.timestamp().to_string())
            .header("webhook-signature", signatures.standard)
            .header("x-webhook-signature", signatures.document)
            .header("x-webhook-event", &event.name)
            .header("x-webhook-attempt", "1")
            .header("x-webhook-trigger", "automatic")
            .body(body)
    }
}
