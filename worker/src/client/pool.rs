//! Connections that are kept between requests, by what they lead to: scheme, host, port and client certificate.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use shared::webhook::attempt::Connection;
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

use super::progress::Outgoing;

/// Shorter than the idle time of common servers (5 s in Node), so that they rarely close a connection at the moment a
/// request is written to it.
const IDLE: Duration = Duration::from_secs(4);

/// Idle connections kept for each key.
const IDLE_PER_KEY: usize = 32;

/// What a connection leads to. Connections that show a client certificate serve no webhook without it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub https: bool,
    pub host: String,
    pub port: u16,
    pub identity: Option<[u8; 32]>,
}

/// The writing end of a connection.
#[derive(Debug)]
pub(super) enum Sender {
    Http1(http1::SendRequest<Outgoing>),
    Http2(http2::SendRequest<Outgoing>),
}

/// A connection, to be used by one request at a time (HTTP/1) or as a handle to one that many share (HTTP/2).
#[derive(Debug)]
pub(super) struct Link {
    pub sender: Sender,
    pub connection: Connection,
    /// The connection ends when the last of them goes.
    held: Arc<DropGuard>,
    /// From then on it takes no more requests.
    old_at: Instant,
    idle_since: Instant,
}

impl Link {
    pub(super) fn new(
        sender: Sender,
        held: Arc<DropGuard>,
        connection: Connection,
        age: Duration,
    ) -> Self {
        let now = Instant::now();
        Self { sender, connection, held, old_at: now + age, idle_since: now }
    }

    pub(super) async fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Outgoing>>> {
        match &mut self.sender {
            Sender::Http1(sender) => sender.try_send_request(request).await,
            Sender::Http2(sender) => sender.try_send_request(request).await,
        }
    }

    fn is_usable(&self, now: Instant) -> bool {
        let closed = match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        };
        !closed && now < self.old_at && now.duration_since(self.idle_since) < IDLE
    }

    /// Waits until the answer before has been put away.
    async fn is_ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        }
    }

    /// Another handle to the same connection, where that can be.
    fn share(&self) -> Option<Self> {
        let Sender::Http2(sender) = &self.sender else { return None };
        let sender = Sender::Http2(sender.clone());
        let (held, connection) = (Arc::clone(&self.held), self.connection.clone());
        Some(Self { sender, connection, held, ..*self })
    }
}

/// See the module. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Pool(Arc<Mutex<Idle>>);

#[derive(Debug, Default)]
struct Idle {
    links: HashMap<Key, Vec<Link>>,
    /// Whether somebody will come and close what is idle too long.
    watched: bool,
}

impl Pool {
    /// A kept connection that can be written to now.
    pub(super) async fn take(&self, key: &Key) -> Option<Link> {
        loop {
            let mut link = self.pop(key)?;
            if link.is_ready().await {
                return Some(link);
            }
        }
    }

    /// The one used last: it is the least likely to be closed at the other end.
    fn pop(&self, key: &Key) -> Option<Link> {
        let mut idle = self.idle();
        let links = idle.links.get_mut(key)?;
        let now = Instant::now();
        links.retain(|link| link.is_usable(now));
        links.last().and_then(Link::share).or_else(|| links.pop())
    }

    /// Keeps a connection whose answer was read to its end, unless it is too old to take another: it must not take the
    /// place of one that is not.
    pub(super) fn put(&self, key: Key, mut link: Link) {
        let now = Instant::now();
        link.idle_since = now;
        link.connection.reused = true;
        if !link.is_usable(now) {
            return;
        }
        let mut idle = self.idle();
        let links = idle.links.entry(key).or_default();
        if matches!(link.sender, Sender::Http2(_)) {
            // One is enough for all.
            links.clear();
        } else if links.len() >= IDLE_PER_KEY {
            links.remove(0);
        }
        links.push(link);
        if !std::mem::replace(&mut idle.watched, true) {
            drop(idle);
            tokio::spawn(self.clone().watch());
        }
    }

    async fn watch(self) {
        loop {
            tokio::time::sleep(IDLE).await;
            let mut idle = self.idle();
            let now = Instant::now();
            idle.links.retain(|_, links| {
                links.retain(|link| link.is_usable(now));
                !links.is_empty()
            });
            if idle.links.is_empty() {
                idle.watched = false;
                return;
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
