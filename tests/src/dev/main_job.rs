//! What the product is for, done once: a contact is created and a signed webhook arrives.

use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};

use super::catcher::Catcher;
use crate::servers::Result;

/// The path at the catcher that the demo webhook points to.
const PATH: &str = "/demo";
/// How long the webhook may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the main job left behind.
pub struct Done {
    pub contact: String,
    pub webhook: String,
    /// How it went, for the developer.
    pub summary: String,
}

/// Subscribes the catcher, creates a contact and waits for the webhook with the right signature.
///
/// # Errors
/// When the api refuses, or the webhook does not arrive or not verify.
pub async fn run(client: &Client, api_url: &str, key: &str, catcher: &Catcher) -> Result<Done> {
    let target = format!("{}{PATH}", catcher.url());
    let url = format!("{api_url}/api/v1/webhooks");
    let webhook =
        post(client, &url, key, &json!({"url": target, "events": ["contact.created"]})).await?;
    catcher.trust(PATH, text(&webhook, "secret")?);

    let started = Instant::now();
    let url = format!("{api_url}/api/v1/connection/contacts");
    let contact = json!({"name": "Ada Lovelace", "email": "ada@example.com"});
    let contact = post(client, &url, key, &contact).await?;
    let id = text(&contact, "id")?;

    let received = loop {
        if let Some(received) = catcher.find(|received| received.body["data"]["id"] == id) {
            break received;
        }
        if started.elapsed() > PATIENCE {
            return Err(format!("no webhook within {PATIENCE:?} for contact {id}").into());
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    if received.verified != Some(true) {
        return Err(format!("the webhook's signature is wrong: {:?}", received.headers).into());
    }
    Ok(Done {
        contact: id.into(),
        webhook: text(&webhook, "id")?.into(),
        summary: format!(
            "{} {} arrived after {} ms, signature verified",
            received.event,
            received.id,
            started.elapsed().as_millis()
        ),
    })
}

/// Posts as the tenant and returns the answer's `data`.
async fn post(client: &Client, url: &str, key: &str, body: &Value) -> Result<Value> {
    let answer = client.post(url).header("X-API-Key", key).json(body).send().await?;
    let status = answer.status();
    let text = answer.text().await?;
    if !status.is_success() {
        return Err(format!("POST {url} answered {status}: {text}").into());
    }
    Ok(serde_json::from_str::<Value>(&text)?["data"].take())
}

fn text<'a>(object: &'a Value, field: &str) -> Result<&'a str> {
    object[field].as_str().ok_or_else(|| format!("the answer has no {field}: {object}").into())
}
