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

#[cfg(test)]
mod tests {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio_util::sync::CancellationToken;

    use super::*;

    const YOUNG: Duration = Duration::from_mins(1);

    fn key() -> Key {
        Key { https: true, host: "hooks.example.com".to_owned(), port: 443, identity: None }
    }

    /// A link over HTTP/2 with a server at its other end, which takes requests until it is so old.
    async fn link(name: &str, age: Duration) -> Link {
        let (near, far) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            let mut server = h2::server::handshake(far).await.unwrap();
            while server.accept().await.is_some() {}
        });
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(near));
        let (sender, connection) = handshake.await.unwrap();
        tokio::spawn(connection);
        let about = Connection {
            address: name.to_owned(),
            reused: false,
            proxied: false,
            made: true,
            http_version: "HTTP/2".into(),
            tls_version: None,
            tls_cipher: None,
        };
        let held = Arc::new(CancellationToken::new().drop_guard());
        Link::new(Sender::Http2(sender), held, about, age)
    }

    async fn taken(pool: &Pool) -> Option<String> {
        pool.take(&key()).await.map(|link| link.connection.address)
    }

    #[tokio::test]
    async fn a_connection_beyond_its_age_takes_no_place_of_one_that_is_not() {
        let pool = Pool::default();
        let (fresh, old) = (link("fresh", YOUNG).await, link("old", Duration::ZERO).await);
        pool.put(key(), fresh);
        pool.put(key(), old);
        assert_eq!(taken(&pool).await.as_deref(), Some("fresh"));
    }

    #[tokio::test]
    async fn a_kept_connection_is_taken_until_it_is_too_old() {
        let pool = Pool::default();
        let mut kept = link("kept", YOUNG).await;
        pool.put(key(), kept.share().unwrap());
        assert_eq!(taken(&pool).await.as_deref(), Some("kept"));
        kept.old_at = Instant::now();
        kept.idle_since = kept.old_at;
        pool.idle().links.insert(key(), vec![kept]);
        assert_eq!(taken(&pool).await, None);
    }
}
