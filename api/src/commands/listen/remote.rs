//! The api that is followed, over HTTP.

use chrono::{DateTime, Utc};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use shared::id::WebhookId;
use shared::webhook::keys::{Key, Replaced, SigningKeys};
use shared::webhook::signature::SigningSecret;
use std::time::Duration;
use url::Url;

use super::sse::{Buffer, Message};

/// Comments come every 15 seconds: an api that is silent for longer is away.
const SILENCE: Duration = Duration::from_secs(45);

/// Why the api does not tell.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    /// Asking again does not help.
    #[error("{0}")]
    Final(String),
    /// It may.
    #[error("{0}")]
    Passing(String),
}

/// The api, and the key that it is called with.
pub(super) struct Remote {
    http: reqwest::Client,
    api: Url,
    key: String,
    /// Whose events are asked for; all, without.
    webhook: Option<WebhookId>,
}

/// An open answer.
pub(super) struct Followed {
    response: Response,
    buffer: Buffer,
}

#[derive(Deserialize)]
struct Envelope<T> {
    data: T,
}

#[derive(Deserialize)]
struct Secrets {
    secret: String,
    replaced: Vec<Former>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Former {
    secret: String,
    ends_at: DateTime<Utc>,
}

impl Remote {
    /// Prepares to call it.
    pub(super) fn new(api: &Url, key: &str, webhook: Option<WebhookId>) -> Result<Self, Trouble> {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(Duration::from_secs(5))
            .read_timeout(SILENCE)
            .build()
            .map_err(|error| Trouble::Final(error.to_string()))?;
        Ok(Self { http, api: api.clone(), key: key.to_owned(), webhook })
    }

    /// What a webhook's requests are signed with, key pairs aside.
    pub(super) async fn keys(&self, webhook: WebhookId) -> Result<SigningKeys, Trouble> {
        let secrets: Secrets = self.read(&format!("/api/v1/webhooks/{webhook}/secret")).await?;
        let key = |text: &str| {
            let secret = SigningSecret::parse(text);
            let secret = secret.map_err(|_| Trouble::Final("the webhook has no secret".into()))?;
            Ok(Key { secret, pair: None })
        };
        let replaced = secrets.replaced.iter();
        let replaced =
            replaced.map(|old| Ok(Replaced { key: key(&old.secret)?, ends_at: old.ends_at }));
        Ok(SigningKeys {
            current: key(&secrets.secret)?,
            replaced: replaced.collect::<Result<_, Trouble>>()?,
        })
    }

    /// The events behind a number, or from now on: of a webhook those that it wants, as it would get them.
    pub(super) async fn follow(
        &self,
        after: Option<&str>,
        names: &[String],
    ) -> Result<Followed, Trouble> {
        let mut url = self.url("/api/v1/events/stream")?;
        if !names.is_empty() {
            url.query_pairs_mut().append_pair("event", &names.join(","));
        }
        if let Some(webhook) = self.webhook {
            url.query_pairs_mut().append_pair("webhook", &webhook.to_string());
        }
        let mut request = self.http.get(url);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = self.call(request).await?;
        Ok(Followed { response, buffer: Buffer::default() })
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        let response = self.call(self.http.get(self.url(path)?)).await?;
        let body: Result<Envelope<T>, _> = response.json().await;
        let strange = |_| Trouble::Final(format!("{} does not answer as Liaison does", self.api));
        Ok(body.map_err(strange)?.data)
    }

    fn url(&self, path: &str) -> Result<Url, Trouble> {
        let url = self.api.join(path);
        url.map_err(|error| Trouble::Final(format!("--api: {error}")))
    }

    async fn call(&self, request: RequestBuilder) -> Result<Response, Trouble> {
        let away = |error: reqwest::Error| {
            let why = std::error::Error::source(&error).map(ToString::to_string);
            let why = why.unwrap_or_else(|| error.to_string());
            Trouble::Passing(format!("the api cannot be reached at {}: {why}", self.api))
        };
        let response = request.bearer_auth(&self.key).send().await.map_err(away)?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(refusal(response).await)
    }
}

/// What a refusal says.
async fn refusal(response: Response) -> Trouble {
    let status = response.status();
    let body: Value = response.json().await.unwrap_or_default();
    let said = body["error"].as_str().unwrap_or("no reason was given");
    let details = body["details"].as_object().into_iter().flatten();
    let details: Vec<String> = details.map(|(name, value)| format!("{name}: {value}")).collect();
    let details =
        if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) };
    let text = format!("the api answers {}: {said}{details}", status.as_u16());
    match status {
        StatusCode::UNAUTHORIZED => Trouble::Final(format!("{text} (--key or LIAISON_API_KEY)")),
        // As many streams as may are open: some that are lost are not missed yet.
        StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Trouble::Passing(text)
        }
        _ if status.is_server_error() => Trouble::Passing(text),
        _ => Trouble::Final(text),
    }
}

impl Followed {
    /// The next message; none when the answer has ended or broken off.
    pub(super) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.buffer.next() {
                return Some(message);
            }
            let chunk = self.response.chunk().await.ok().flatten()?;
            self.buffer.push(&chunk);
        }
    }
}
