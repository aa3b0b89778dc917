//! The client against real receivers on loopback, most of which misbehave on purpose.

mod answers;
mod guard;
mod hostile;
mod http2;
mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use shared::webhook::target::TargetPolicy;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::task::AbortOnDropHandle;

use super::{Client, Egress, Exchange, Limits, Lookup, Message};

const BODY: &[u8] = br#"{"id":"evt_1"}"#;

/// Long enough for any machine: a test that waits for it has already failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A TCP server that runs one script for each connection.
struct Receiver {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    _server: AbortOnDropHandle<()>,
}

impl Receiver {
    async fn start<F, Fut>(script: F) -> Self
    where
        F: Fn(TcpStream) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        let server = AbortOnDropHandle::new(tokio::spawn(async move {
            let mut scripts = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counter.fetch_add(1, Ordering::SeqCst);
                scripts.spawn(script(stream));
            }
        }));
        Self { addr, connections, _server: server }
    }

    /// Gives the same answer to every request and leaves the connection open.
    async fn answering(answer: impl Into<Vec<u8>>) -> Self {
        let answer = Arc::new(answer.into());
        Self::start(move |mut stream| {
            let answer = Arc::clone(&answer);
            async move {
                while read_request(&mut stream).await.is_some() {
                    if stream.write_all(&answer).await.is_err() {
                        return;
                    }
                }
            }
        })
        .await
    }

    /// Reads one request, writes the answer and closes.
    async fn answering_once(answer: &'static [u8]) -> Self {
        Self::start(move |mut stream| async move {
            read_request(&mut stream).await;
            stream.write_all(answer).await.ok();
        })
        .await
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.addr)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Head and body of one request; nothing when the client has closed the connection.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |text| text.parse().unwrap())];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}

/// Plain http to loopback is allowed.
fn lenient() -> Arc<TargetPolicy> {
    let networks = ["127.0.0.0/8", "::1/128"].map(|text| text.parse().unwrap());
    Arc::new(TargetPolicy::new(true, networks.to_vec()))
}

/// Plain http is allowed, loopback is not.
fn guarded() -> Arc<TargetPolicy> {
    Arc::new(TargetPolicy::new(true, vec![]))
}

fn patient() -> Limits {
    Limits { connect: PATIENCE, total: PATIENCE, ..Limits::default() }
}

fn client(limits: Limits) -> Client {
    Client::new(lenient(), limits, &Egress::default()).unwrap()
}

fn client_with(policy: Arc<TargetPolicy>, limits: Limits, lookup: Lookup) -> Client {
    Client::new(policy, limits, &Egress { lookup, ..Egress::default() }).unwrap()
}

async fn post(client: &Client, url: &str) -> Exchange {
    let (headers, body) = (HeaderMap::new(), Bytes::from_static(BODY));
    client.post(Message { url, identity: None, headers, body }).await
}

/// Posts once with a patient client.
async fn post_to(receiver: &Receiver) -> Exchange {
    post(&client(patient()), &receiver.url()).await
}

fn code(exchange: &Exchange) -> &'static str {
    exchange.outcome.as_ref().expect_err("a fault").code().as_str()
}

fn status(exchange: &Exchange) -> u16 {
    exchange.outcome.as_ref().expect("a status").as_u16()
}
