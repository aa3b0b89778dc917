//! What came back, and what a test expects of it.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::time::timeout;

/// After this long without news an answer that stays open has said all that it had to say.
const PAUSE: Duration = Duration::from_secs(2);

/// An answer of the api.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as JSON; a string when it is none, `null` when it is empty.
    pub body: Value,
}

/// The record with this member.
#[must_use]
pub fn with(record: &Value, member: &str, value: Value) -> Value {
    let mut record = record.clone();
    record[member] = value;
    record
}

/// One page of a list.
#[derive(Debug)]
pub struct Page {
    /// Its records.
    pub items: Vec<Value>,
    /// `pagination`.
    pub pagination: Value,
}

impl Page {
    /// One member of every record.
    #[must_use]
    pub fn each(&self, member: &str) -> Vec<&str> {
        self.items.iter().map(|item| item[member].as_str().unwrap_or_default()).collect()
    }

    /// The names of the records.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.each("name")
    }
}

#[expect(
    clippy::must_use_candidate,
    reason = "what was expected may be all that a test wants to know"
)]
impl Answer {
    /// Sends a request and reads the whole answer; of one that stays open, what comes without a pause.
    pub async fn to(request: reqwest::RequestBuilder) -> Self {
        let mut response = request.send().await.expect("the api answers in time");
        let (status, headers) = (response.status(), response.headers().clone());
        let mut bytes = Vec::new();
        let stays_open =
            headers.get("content-type").is_some_and(|kind| kind == "text/event-stream");
        let pause = if stays_open { PAUSE } else { Duration::MAX };
        while let Ok(chunk) = timeout(pause, response.chunk()).await {
            let Some(chunk) = chunk.expect("the answer is whole") else { break };
            bytes.extend_from_slice(&chunk);
        }
        let body = match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(_) if bytes.is_empty() => Value::Null,
            Err(_) => Value::from(String::from_utf8_lossy(&bytes)),
        };
        Self { status, headers, body }
    }

    /// A header's text; empty when there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Expects 200, and takes `data`.
    #[track_caller]
    pub fn ok(self) -> Value {
        self.data(StatusCode::OK)
    }

    /// Expects 201, and takes `data`.
    #[track_caller]
    pub fn created(self) -> Value {
        self.data(StatusCode::CREATED)
    }

    /// Expects 204 without a body.
    #[track_caller]
    pub fn no_content(self) {
        assert_eq!(self.status, StatusCode::NO_CONTENT, "{:#}", self.body);
        assert_eq!(self.body, Value::Null);
    }

    /// Expects 200 with a page of a list.
    #[track_caller]
    pub fn page(mut self) -> Page {
        let pagination = self.body["pagination"].take();
        let Value::Array(items) = self.data(StatusCode::OK) else { panic!("data is no list") };
        Page { items, pagination }
    }

    /// Expects an error with this status and code, and takes the whole body.
    #[track_caller]
    pub fn problem(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{:#}", self.body);
        assert_eq!(self.body["success"], false, "{:#}", self.body);
        assert_eq!(self.body["code"], code, "{:#}", self.body);
        self.body
    }

    /// Expects 400 with exactly these `details`.
    #[track_caller]
    pub fn invalid(self, details: &Value) {
        let body = self.problem(400, "VALIDATION_ERROR");
        assert_eq!(body["error"], "Validation failed");
        assert_eq!(&body["details"], details);
    }

    /// Expects 404 with this message.
    #[track_caller]
    pub fn not_found(self, message: &str) {
        let body = self.problem(404, "NOT_FOUND");
        assert_eq!(body["error"], message);
        assert_eq!(body.get("details"), None);
    }

    #[track_caller]
    fn data(mut self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        assert_eq!(self.body["success"], json!(true), "{:#}", self.body);
        self.body["data"].take()
    }
}
