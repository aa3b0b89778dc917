//! Receivers that no HTTP server would be.

use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

/// A TCP server that does the same with every connection.
pub struct TcpServer {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl TcpServer {
    /// Starts it on a free port of this machine.
    pub async fn start<F>(behave: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::<AtomicUsize>::default();
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(behave(stream));
            }
        });
        Self { address, connections }
    }

    /// A server that accepts connections and never says a word.
    pub async fn silent() -> Self {
        Self::start(|stream| async move {
            let _held = stream;
            std::future::pending().await
        })
        .await
    }

    /// Where webhooks are to be sent.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were made.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A port that is taken, so that nobody else listens on it, and that nobody listens on.
pub struct Nobody(TcpSocket);

impl Nobody {
    /// Takes a free port of this machine.
    #[must_use]
    pub fn here() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        Self(socket)
    }

    /// Where nobody listens as long as this lives.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }
}

/// A port of this machine at which nobody is told that nobody answers: its queue is full, so that whoever knocks waits.
pub struct Deaf {
    listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Deaf {
    /// Takes a free port and fills its queue.
    pub async fn here() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        let listener = socket.listen(1).unwrap();
        let mut queue = Vec::new();
        let knock = async || {
            let address = listener.local_addr().unwrap();
            tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
        };
        while let Ok(queued) = knock().await {
            queue.push(queued.unwrap());
        }
        Self { listener, _queue: queue }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }
}

/// Reads one webhook whole: a head, and as much of a body as it says.
///
/// # Errors
/// The connection's.
pub async fn read_webhook(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if stream.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let lines = head.lines().filter_map(|line| line.split_once(':'));
    let length = lines.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let mut lengths = length.filter_map(|(_, length)| length.trim().parse::<usize>().ok());
    lengths.next().is_some_and(|length| body.len() >= length)
}
