//! The HTTP client that calls the tenants' endpoints.
//!
//! Its peers are chosen by tenants, so each is taken for hostile: every URL and every resolved
//! address is checked against the [`TargetPolicy`], nothing is followed or unpacked, and one
//! deadline and one size bound hold whatever a receiver does. Once the head of an answer is there
//! its status is the outcome; the body is read only to show it and to keep the connection.

mod answer;
mod fault;
mod resolver;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use reqwest::{ClientBuilder, Response};
use shared::webhook::target::TargetPolicy;
use tokio::time::{Instant, timeout_at};

pub use answer::RetryAfter;
pub use fault::{Fault, TlsProblem};

use resolver::{Lookup, Resolver};

const USER_AGENT: &str = "Liaison-Webhooks/1";

/// How long a body may go on after its head: enough for an honest answer, too short to hold a slot.
const BODY_GRACE: Duration = Duration::from_secs(1);

/// Shorter than the idle time of common servers (5 s in Node), so that they rarely close a
/// connection at the moment a request is written to it.
const IDLE: Duration = Duration::from_secs(4);

/// Idle connections kept for each host.
const IDLE_PER_HOST: usize = 8;

/// How often a busy HTTP/2 connection is probed, and how long it may take to reply.
const PING: Duration = Duration::from_secs(10);

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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            total: Duration::from_secs(30),
            body: 64 * 1024,
            excerpt: 1024,
        }
    }
}

/// What one request did.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The status that came back, whichever it is, or why none did.
    pub outcome: Result<StatusCode, Fault>,
    /// When the receiver asks to be called again.
    pub retry_after: Option<RetryAfter>,
    /// Beginning of the body as text without NUL, which PostgreSQL cannot store.
    pub excerpt: Option<String>,
    /// From the call to the head of the answer.
    pub first_byte: Option<Duration>,
    /// From the call to its end.
    pub total: Duration,
}

/// Sends webhooks. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    policy: Arc<TargetPolicy>,
    limits: Limits,
}

impl Client {
    /// A client with connections of its own.
    ///
    /// # Errors
    /// When TLS cannot be set up, for instance because the system has no root certificates.
    pub fn new(policy: Arc<TargetPolicy>, limits: Limits) -> Result<Self, reqwest::Error> {
        let http = builder(&policy, limits, resolver::system()).build()?;
        Ok(Self { http, policy, limits })
    }

    /// Sends one POST request and reads the answer within [`Limits::total`].
    pub async fn post(&self, url: &str, headers: HeaderMap, body: Bytes) -> Exchange {
        let started = Instant::now();
        let deadline = started + self.limits.total;
        let sent = timeout_at(deadline, self.send(url, headers, body));
        let mut response = match sent.await.unwrap_or(Err(Fault::Timeout)) {
            Ok(response) => response,
            Err(fault) => {
                return Exchange {
                    outcome: Err(fault),
                    retry_after: None,
                    excerpt: None,
                    first_byte: None,
                    total: started.elapsed(),
                };
            }
        };
        let first_byte = started.elapsed();
        let body_deadline = deadline.min(Instant::now() + BODY_GRACE);
        let excerpt = self.read_body(&mut response, body_deadline).await;
        Exchange {
            outcome: Ok(response.status()),
            retry_after: RetryAfter::from_headers(response.headers()),
            excerpt: answer::text(&excerpt, self.limits.excerpt),
            first_byte: Some(first_byte),
            total: started.elapsed(),
        }
    }

    async fn send(&self, url: &str, headers: HeaderMap, body: Bytes) -> Result<Response, Fault> {
        // Here, and not only when it was saved: literal addresses never reach the resolver.
        let url = self.policy.parse(url).map_err(Fault::UrlBlocked)?;
        let request = self.http.post(url).headers(headers).body(body);
        request.send().await.map_err(|error| Fault::of(&error))
    }

    /// Reads to the end, so that the connection can be used again, unless that takes too many
    /// bytes or too long. A body that breaks off is as good as one that ends.
    async fn read_body(&self, response: &mut Response, deadline: Instant) -> Vec<u8> {
        let (mut kept, mut read) = (Vec::new(), 0);
        while let Ok(Ok(Some(chunk))) = timeout_at(deadline, response.chunk()).await {
            let room = self.limits.excerpt - kept.len();
            kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
            read += chunk.len();
            if read > self.limits.body {
                break;
            }
        }
        kept
    }
}

/// HTTP/1 heads are bounded by hyper: 100 header fields and 408 KiB. HTTP/2 is given as much
/// window as will be read, so that a receiver cannot make this process buffer more.
fn builder(policy: &Arc<TargetPolicy>, limits: Limits, lookup: Lookup) -> ClientBuilder {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .https_only(!policy.allows_http())
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Resolver::new(Arc::clone(policy), lookup))
        .connect_timeout(limits.connect)
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(IDLE_PER_HOST)
        .tcp_nodelay(true)
        .http2_initial_stream_window_size(u32::try_from(limits.body).ok())
        .http2_max_header_list_size(64 * 1024)
        // Timed-out requests do not close a shared connection: only this finds out that it is dead.
        .http2_keep_alive_interval(PING)
        .http2_keep_alive_timeout(PING)
        // Off today, but a crate that turns on a feature of reqwest turns it on for this client.
        .no_gzip()
        .no_brotli()
        .no_zstd()
        .no_deflate()
}
