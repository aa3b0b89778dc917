//! A receiver of webhooks: answers 200 to every POST, checks the signature where it knows the secret, and shows what
//! came at `GET /`.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::any;
use axum::{Json, Router};
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;
use shared::Clock;
use shared::clock::rfc3339;
use standardwebhooks::Webhook;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::say::say;
use super::settings;
use crate::servers::Result;

/// How many requests are kept; older ones are forgotten.
const KEPT: usize = 200;

/// One webhook as it arrived.
#[derive(Clone, Debug, Serialize)]
pub struct Received {
    pub at: String,
    pub path: String,
    /// `X-Webhook-Event`.
    pub event: String,
    /// `webhook-id`.
    pub id: String,
    /// `X-Webhook-Attempt`.
    pub attempt: String,
    /// Whether the signature is right; `None` where the path's secret is not known.
    pub verified: Option<bool>,
    pub headers: BTreeMap<String, String>,
    /// The JSON body; a string when it is no JSON.
    pub body: Value,
}

#[derive(Default)]
struct Memory {
    /// The secret of each path.
    secrets: BTreeMap<String, String>,
    /// Whether each webhook is printed.
    announces: bool,
    total: usize,
    requests: VecDeque<Received>,
}

type Shared = Arc<Mutex<Memory>>;

/// The running receiver; dropping it ends it.
pub struct Catcher {
    url: String,
    memory: Shared,
    task: JoinHandle<()>,
}

impl Catcher {
    /// Starts the receiver.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn start(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let url = settings::url(listener.local_addr()?);
        let memory = Shared::default();
        let app = Router::new().fallback(any(serve)).with_state(memory.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                say(format!("the webhook catcher ended: {error}\n"));
            }
        });
        Ok(Self { url, memory, task })
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Checks the signatures of what arrives at this path with this secret from now on.
    pub fn trust(&self, path: &str, secret: &str) {
        lock(&self.memory).secrets.insert(path.into(), secret.into());
    }

    /// Prints a line for each webhook from now on.
    pub fn announce(&self) {
        lock(&self.memory).announces = true;
    }

    /// The newest request that fits.
    pub fn find(&self, fits: impl Fn(&Received) -> bool) -> Option<Received> {
        lock(&self.memory).requests.iter().rev().find(|received| fits(received)).cloned()
    }
}

impl Drop for Catcher {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A panic elsewhere leaves the memory whole: every change of it is one call.
fn lock(memory: &Shared) -> MutexGuard<'_, Memory> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    State(memory): State<Shared>,
    method: axum::http::Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Json<Value>) {
    let mut memory = lock(&memory);
    match method.as_str() {
        "GET" => {
            let list = serde_json::json!({"total": memory.total, "webhooks": memory.requests});
            (StatusCode::OK, Json(list))
        }
        "POST" => {
            let secret = memory.secrets.get(uri.path());
            let received = received(uri.path(), &headers, &body, secret.map(String::as_str));
            if memory.announces {
                say(line(&received));
            }
            memory.total += 1;
            if memory.requests.len() == KEPT {
                memory.requests.pop_front();
            }
            memory.requests.push_back(received);
            (StatusCode::OK, Json(Value::Null))
        }
        _ => (StatusCode::METHOD_NOT_ALLOWED, Json(Value::Null)),
    }
}

fn received(path: &str, headers: &HeaderMap, body: &Bytes, secret: Option<&str>) -> Received {
    let header = |name: &str| {
        let value = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));
        value.unwrap_or_default().into_owned()
    };
    let verify =
        |secret| Webhook::new(secret).and_then(|webhook| webhook.verify(body, headers)).is_ok();
    Received {
        at: rfc3339(Clock::system().now()),
        path: path.into(),
        event: header("x-webhook-event"),
        id: header("webhook-id"),
        attempt: header("x-webhook-attempt"),
        verified: secret.map(verify),
        headers: headers.keys().map(|name| (name.to_string(), header(name.as_str()))).collect(),
        body: serde_json::from_slice(body)
            .unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into()),
    }
}

fn line(received: &Received) -> String {
    let Received { at, path, event, id, attempt, verified, .. } = received;
    let verdict = match verified {
        Some(true) => "✓ signature verified",
        Some(false) => "✗ signature WRONG",
        None => "· secret not known here",
    };
    let time = at.get(11..23).unwrap_or(at);
    format!("{time}  webhook {event}  {id}  attempt {attempt}  {verdict}  ({path})\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj";

    async fn send(catcher: &Catcher, path: &str, body: &'static str, signed: &str) {
        let now = Clock::system().now().timestamp();
        let signature =
            Webhook::new(SECRET).unwrap().sign("evt_1", now, signed.as_bytes()).unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client
            .post(format!("{}{path}", catcher.url()))
            .header("webhook-id", "evt_1")
            .header("webhook-timestamp", now)
            .header("webhook-signature", signature)
            .header("x-webhook-event", "contact.created")
            .header("x-webhook-attempt", "1")
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
    }

    #[tokio::test]
    async fn signatures_are_checked_where_the_secret_is_known() {
        let catcher = Catcher::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        catcher.trust("/known", SECRET);
        send(&catcher, "/known", r#"{"a":1}"#, r#"{"a":1}"#).await;
        send(&catcher, "/known", r#"{"a":2}"#, r#"{"a":1}"#).await;
        send(&catcher, "/other", "no JSON", "no JSON").await;

        let answer = reqwest::get(catcher.url()).await.unwrap().text().await.unwrap();
        let list: Value = serde_json::from_str(&answer).unwrap();
        let verdicts: Vec<&Value> =
            list["webhooks"].as_array().unwrap().iter().map(|one| &one["verified"]).collect();
        assert_eq!(verdicts, [&Value::Bool(true), &Value::Bool(false), &Value::Null]);
        assert_eq!(list["total"], 3);
        assert_eq!(list["webhooks"][0]["event"], "contact.created");
        assert_eq!(list["webhooks"][0]["body"]["a"], 1);
        assert_eq!(list["webhooks"][2]["body"], "no JSON");
    }
}
