//! A real HTTP server that webhooks are sent to.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use super::PATIENCE;

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its method.
    pub method: Method,
    /// Its path with its query.
    pub path: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, byte for byte.
    pub body: Bytes,
}

impl Call {
    /// A header's text; empty when there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the body is JSON")
    }
}

/// What a receiver answers, or an issuer.
#[derive(Clone, Debug)]
pub struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    delay: Duration,
    signal: Option<Arc<Notify>>,
    echoes: bool,
}

impl Reply {
    /// A status with nothing else.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            delay: Duration::ZERO,
            signal: None,
            echoes: false,
        }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// With the body of the request, and the same again in the header `x-echo`.
    #[must_use]
    pub fn echo(mut self) -> Self {
        self.echoes = true;
        self
    }

    fn to(self, body: &Bytes) -> Self {
        if self.echoes {
            self.header("x-echo", String::from_utf8_lossy(body)).body(&**body)
        } else {
            self
        }
    }

    /// Given so much later, by the real time.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Given once the test says so, which it may have done before.
    #[must_use]
    pub fn upon(mut self, signal: &Arc<Notify>) -> Self {
        self.signal = Some(signal.clone());
        self
    }

    pub(super) async fn give(self) -> Response {
        tokio::time::sleep(self.delay).await;
        if let Some(signal) = self.signal {
            signal.notified().await;
        }
        let response = Response::builder().status(self.status);
        let response = self
            .headers
            .into_iter()
            .fold(response, |response, (name, value)| response.header(name, value));
        response.body(Body::from(self.body)).expect("the reply is valid HTTP")
    }
}

impl From<u16> for Reply {
    fn from(status: u16) -> Self {
        Self::status(status)
    }
}

/// Says what a request is answered, one request after the other.
type Judge = Box<dyn FnMut(&Call) -> Reply + Send>;

struct Memory {
    otherwise: AtomicU16,
    judge: Mutex<Option<Judge>>,
    calls: Mutex<Vec<Call>>,
    script: Mutex<VecDeque<Reply>>,
    arrived: Notify,
    hangs: watch::Sender<bool>,
    under_way: AtomicUsize,
    peak: AtomicUsize,
}

impl Memory {
    fn new() -> Self {
        Self {
            judge: Mutex::default(),
            otherwise: AtomicU16::new(200),
            calls: Mutex::default(),
            script: Mutex::default(),
            arrived: Notify::default(),
            hangs: watch::Sender::new(false),
            under_way: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        }
    }
}

/// Records every request and answers 200, unless told otherwise.
pub struct Receiver {
    address: SocketAddr,
    memory: Arc<Memory>,
}

impl Receiver {
    /// Starts it on a free port of this machine.
    pub async fn start() -> Self {
        let memory = Arc::new(Memory::new());
        let router = Router::new().fallback(answer).with_state(memory.clone());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { address, memory }
    }

    /// Where webhooks are to be sent.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Answers the next requests with these, one each, before it answers 200 again.
    pub fn script(&self, replies: impl IntoIterator<Item = impl Into<Reply>>) {
        lock(&self.memory.script).extend(replies.into_iter().map(Into::into));
    }

    /// Answers with this status from now on, where nothing else is scripted.
    pub fn answer(&self, status: u16) {
        self.memory.otherwise.store(status, Ordering::SeqCst);
    }

    /// Asks for the status of each request from now on, in the order in which they arrive.
    pub fn judge(&self, mut judge: impl FnMut(&Call) -> u16 + Send + 'static) {
        self.decide(move |call| Reply::status(judge(call)));
    }

    /// The same for whole answers.
    pub fn decide(&self, judge: impl FnMut(&Call) -> Reply + Send + 'static) {
        *lock(&self.memory.judge) = Some(Box::new(judge));
    }

    /// Keeps whoever calls from now on waiting for the answer; all of them get theirs when it hangs no more.
    pub fn hang(&self, hangs: bool) {
        self.memory.hangs.send_replace(hangs);
    }

    /// Whether it does.
    #[must_use]
    pub fn hangs(&self) -> bool {
        *self.memory.hangs.borrow()
    }

    /// Forgets what was scripted and not yet answered.
    pub fn forget_script(&self) {
        lock(&self.memory.script).clear();
    }

    /// Everything that has arrived, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.memory.calls).clone()
    }

    /// The most requests that were under way at once.
    #[must_use]
    pub fn peak(&self) -> usize {
        self.memory.peak.load(Ordering::SeqCst)
    }

    /// The one request that has arrived.
    #[track_caller]
    #[must_use]
    pub fn only_call(&self) -> Call {
        let mut calls = self.calls();
        assert_eq!(calls.len(), 1, "requests that arrived: {calls:#?}");
        calls.remove(0)
    }

    /// Waits until so many requests have arrived.
    pub async fn wait_for(&self, count: usize) -> Vec<Call> {
        let enough = async {
            loop {
                let arrived = self.memory.arrived.notified();
                if self.calls().len() >= count {
                    return;
                }
                arrived.await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, enough).await;
        let calls = self.calls();
        assert!(waited.is_ok(), "waited for {count} requests, got {calls:#?}");
        calls
    }
}

/// No lock is held while anything can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

async fn answer(
    State(memory): State<Arc<Memory>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = Call { method, path: uri.to_string(), headers, body };
    let judged = lock(&memory.judge).as_mut().map(|judge| judge(&call));
    let scripted = || lock(&memory.script).pop_front();
    let reply = judged
        .or_else(scripted)
        .unwrap_or_else(|| Reply::status(memory.otherwise.load(Ordering::SeqCst)))
        .to(&call.body);
    lock(&memory.calls).push(call);
    memory.peak.fetch_max(memory.under_way.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
    memory.arrived.notify_waiters();
    let _ = memory.hangs.subscribe().wait_for(|hangs| !hangs).await;
    let response = reply.give().await;
    memory.under_way.fetch_sub(1, Ordering::SeqCst);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn send(receiver: &Receiver, body: &'static str) -> reqwest::Response {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let request =
            client.post(format!("{}?a=b", receiver.url())).header("x-test", "yes").body(body);
        request.send().await.unwrap()
    }

    #[tokio::test]
    async fn requests_are_recorded_byte_for_byte() {
        let receiver = Receiver::start().await;
        send(&receiver, "{\"a\": 1}").await;
        let call = receiver.only_call();
        assert_eq!((call.method.as_str(), &*call.path), ("POST", "/hook?a=b"));
        assert_eq!((call.header("x-test"), &*call.body), ("yes", &b"{\"a\": 1}"[..]));
        assert_eq!(call.json(), serde_json::json!({"a": 1}));
    }

    #[tokio::test]
    async fn the_script_is_answered_in_order_and_then_200() {
        let receiver = Receiver::start().await;
        receiver.script([500, 302]);
        receiver.script([Reply::status(429).header("retry-after", "120").body("slow down")]);
        let mut statuses = Vec::new();
        for _ in 0..2 {
            statuses.push(send(&receiver, "").await.status().as_u16());
        }
        let limited = send(&receiver, "").await;
        assert_eq!(limited.headers()["retry-after"], "120");
        assert_eq!(
            (limited.status().as_u16(), &*limited.text().await.unwrap()),
            (429, "slow down")
        );
        statuses.push(send(&receiver, "").await.status().as_u16());
        assert_eq!(statuses, [500, 302, 200]);
    }

    #[tokio::test]
    async fn waiting_ends_with_the_request_that_was_waited_for() {
        let receiver = Receiver::start().await;
        let (calls, _, _) =
            tokio::join!(receiver.wait_for(2), send(&receiver, "1"), send(&receiver, "2"));
        assert_eq!(calls.len(), 2);
    }
}
