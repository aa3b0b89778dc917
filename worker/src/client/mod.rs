//! The HTTP client that calls the tenants' endpoints.
//!
//! Its peers are chosen by tenants, so each is taken for hostile: every URL and every resolved
//! address is checked against the [`TargetPolicy`], nothing is followed or unpacked, and one
//! deadline and one size bound hold whatever a receiver does. Once the head of an answer is there
//! its status is the outcome; the body is read only to show it and to keep the connection.

mod answer;
mod connector;
mod dial;
mod fault;
mod place;
mod pool;
mod progress;
mod proxy;
mod resolver;
mod retry_after;
#[cfg(test)]
mod tests;
mod tls;
mod tls_problem;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use shared::webhook::attempt::{Connection, Phase, Timings};
use shared::webhook::code::ErrorCode;
use shared::webhook::identity::ClientIdentity;
use shared::webhook::target::TargetPolicy;
use tokio::time::{Instant, timeout_at};

pub use fault::Fault;
pub use proxy::{Proxy, ProxyProblem};
pub use resolver::Lookup;
pub use retry_after::RetryAfter;
pub use tls::Roots;
pub use tls_problem::TlsProblem;

use connector::Connector;
use place::Place;
use pool::{Key, Link, Pool, Sender};
use progress::Progress;
use tls::Tls;

const USER_AGENT: HeaderValue = HeaderValue::from_static("Liaison-Webhooks/1");

/// How often a request goes to another connection, when receivers say that they have not looked at it.
const UNPROCESSED: u32 = 3;

/// The largest headers of an answer, in bytes.
const HEAD: usize = 64 * 1024;

/// The most headers of an answer: what `hyper` takes over HTTP/1.
const HEADERS: usize = 100;

/// How long a body may go on after its head: enough for an honest answer, too short to hold a slot.
const BODY_GRACE: Duration = Duration::from_secs(1);

/// Bounds of one request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// DNS, TCP and TLS together.
    pub connect: Duration,
    /// Everything, from the call to the last byte.
    pub total: Duration,
    /// Bytes read of an answer's body; a longer one closes the connection.
    pub body: usize,
    /// Bytes kept of it.
    pub excerpt: usize,
    /// How long a connection is used, from when it was made: a name that leads elsewhere by now is looked up again.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(30),
            body: 64 * 1024,
            excerpt: 1024,
            age: Duration::from_mins(1),
        }
    }
}

/// How this machine gets to the receivers.
#[derive(Debug, Clone)]
pub struct Egress {
    /// Asked for names.
    pub lookup: Lookup,
    /// Stands between, if there is one.
    pub proxy: Option<Proxy>,
    /// Trusted beside the system's.
    pub roots: Roots,
}

impl Default for Egress {
    fn default() -> Self {
        Self { lookup: Lookup::system(), proxy: None, roots: Roots::default() }
    }
}

/// One request to be made.
#[derive(Debug)]
pub struct Message<'a> {
    /// Where to.
    pub url: &'a str,
    /// The certificate to show.
    pub identity: Option<ClientIdentity>,
    /// Beside those that every request has.
    pub headers: HeaderMap,
    /// The exact bytes.
    pub body: Bytes,
}

/// What one request did.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The status that came back, whichever it is, or why none did.
    pub outcome: Result<StatusCode, Fault>,
    /// Where it failed, or was cut short within the body.
    pub phase: Option<Phase>,
    /// What was wrong with the body of an answer.
    pub warning: Option<ErrorCode>,
    /// When the receiver asks to be called again.
    pub retry_after: Option<RetryAfter>,
    /// The headers that were sent.
    pub sent: HeaderMap,
    /// The headers that came back.
    pub received: HeaderMap,
    /// Beginning of the body as text without NUL, which PostgreSQL cannot store.
    pub excerpt: Option<String>,
    /// Over what.
    pub connection: Option<Connection>,
    /// How often it was sent again at once, because the receiver said that it has not looked at it.
    pub sent_again: u32,
    /// Where the time went.
    pub timings: Timings,
    /// From the call to the head of the answer.
    pub first_byte: Option<Duration>,
    /// From the call to its end.
    pub total: Duration,
}

/// Sends webhooks. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Client {
    connector: Arc<Connector>,
    pool: Pool,
}

impl Client {
    /// A client with connections of its own.
    ///
    /// # Errors
    /// When TLS cannot be set up, for instance because the system has no root certificates.
    pub fn new(
        policy: Arc<TargetPolicy>,
        limits: Limits,
        way: &Egress,
    ) -> Result<Self, rustls::Error> {
        let Egress { lookup, proxy, roots } = way.clone();
        let tls = Tls::new(roots.0)?;
        let connector = Arc::new(Connector { policy, lookup, tls, proxy, limits });
        Ok(Self { connector, pool: Pool::default() })
    }

    /// Sends one POST request and reads the answer within [`Limits::total`].
    pub async fn post(&self, message: Message<'_>) -> Exchange {
        let started = Instant::now();
        let limits = self.connector.limits;
        let deadline = started + limits.total;
        let mut progress = Progress::begin();
        let sent = headers(message.headers);
        let head = self.send(message.url, message.identity, &sent, message.body, &mut progress);
        let head = timeout_at(deadline, head).await.unwrap_or(Err(Fault::Timeout));
        let failed_in = progress.stop();
        let mut exchange = Exchange {
            outcome: head.as_ref().map(|(_, answer, _)| answer.status()).map_err(|fault| *fault),
            phase: Some(failed_in),
            warning: None,
            retry_after: None,
            sent,
            received: HeaderMap::new(),
            excerpt: None,
            connection: progress.connection.take(),
            sent_again: progress.sent_again,
            timings: progress.timings(),
            first_byte: None,
            total: started.elapsed(),
        };
        let Ok((key, answer, link)) = head else { return exchange };
        exchange.first_byte = Some(exchange.total);
        exchange.retry_after = RetryAfter::from_headers(answer.headers());
        let (parts, body) = answer.into_parts();
        exchange.received = parts.headers;
        progress.enter(Phase::Body);
        let body_deadline = deadline.min(Instant::now() + BODY_GRACE);
        let (kept, warning) = answer::read(body, limits, body_deadline).await;
        progress.stop();
        if warning.is_none() || matches!(link.sender, Sender::Http2(_)) {
            self.pool.put(key, link);
        }
        exchange.excerpt = answer::text(&kept, limits.excerpt);
        exchange.warning = warning;
        exchange.phase = warning.map(|_| Phase::Body);
        exchange.timings = progress.timings();
        exchange.total = started.elapsed();
        exchange
    }

    async fn send(
        &self,
        url: &str,
        identity: Option<ClientIdentity>,
        headers: &HeaderMap,
        body: Bytes,
        progress: &mut Progress,
    ) -> Result<(Key, http::Response<Incoming>, Link), Fault> {
        // Here, and not only when it was saved: literal addresses never reach the resolver.
        let url = self.connector.policy.parse(url).map_err(Fault::UrlBlocked)?;
        let place = Place::of(url, identity)?;
        let key = place.key();
        loop {
            let mut link = match self.pool.take(&key).await {
                Some(link) => link,
                // Apart, because it is rare and large: the task of every request would be three times as large.
                None => Box::pin(self.connector.connect(&place, progress)).await?,
            };
            progress.connection = Some(link.connection.clone());
            let body = progress.write(body.clone());
            let http2 = matches!(link.sender, Sender::Http2(_));
            match link.send(place.request(headers, body, http2)?).await {
                Ok(answer) if fault::is_oversized(answer.headers()) => {
                    return Err(Fault::HeadersTooLarge);
                }
                Ok(answer) => return Ok((key, answer, link)),
                // A kept connection that was closed before anything was written to it: not this request's fault.
                Err(error) if link.connection.reused && error.message().is_some() => {}
                Err(error)
                    if progress.sent_again < UNPROCESSED
                        && fault::is_unprocessed(error.error()) =>
                {
                    progress.sent_again += 1;
                }
                Err(error) => return Err(Fault::of_exchange(error.error())),
            }
        }
    }
}

/// With those that every request has. No `accept-encoding`: nothing is unpacked.
fn headers(mut headers: HeaderMap) -> HeaderMap {
    let always: [(HeaderName, HeaderValue); 2] =
        [(header::ACCEPT, HeaderValue::from_static("*/*")), (header::USER_AGENT, USER_AGENT)];
    headers.extend(always);
    headers
}
