//! A wire between the product and PostgreSQL that counts what passes, by the frontend/backend protocol 3. It holds no
//! more than a buffer for each direction and allocates nothing while it counts.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use tests::kit::PATIENCE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use url::Url;

/// Larger than any request on the hot paths, so that each passes in one piece.
const BUFFER: usize = 64 * 1024;

/// What has passed on all connections.
#[derive(Clone, Default)]
pub struct Wire(Arc<Counts>);

#[derive(Default)]
struct Counts {
    statements: AtomicU32,
    round_trips: AtomicU32,
    /// Connections that are open, and those of them that have not yet told their statistics.
    open: AtomicU32,
    silent: AtomicU32,
    /// Asks each of them to.
    tell: Notify,
}

/// A session keeps what it has looked at to itself for a second or longer, unless it is asked: the simple query
/// `select pg_stat_force_next_flush()`, of which nobody but the wire sees the answer.
const TELL: &[u8] = b"Q\0\0\0\x26select pg_stat_force_next_flush()\0";

/// What every answer ends with when the session is idle.
const READY: &[u8] = b"Z\0\0\0\x05I";

impl Wire {
    /// Leads from the address that comes back to the server of this URL.
    pub async fn to(&self, server: &str) -> SocketAddr {
        let url: Url = server.parse().expect("the address of PostgreSQL is a URL");
        let host = url.host_str().expect("it has a host").to_owned();
        let port = url.port().unwrap_or(5432);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let counts = self.0.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((&*host, port)).await.expect("PostgreSQL answers");
                for stream in [&client, &server] {
                    stream.set_nodelay(true).expect("a socket of ours");
                }
                connect(client, server, counts.clone());
            }
        });
        address
    }

    /// Statements and round trips so far.
    pub fn passed(&self) -> (u32, u32) {
        let read = |count: &AtomicU32| count.load(Ordering::SeqCst);
        (read(&self.0.statements), read(&self.0.round_trips))
    }

    /// Has every session tell its statistics, while none of them does anything.
    pub async fn settle(&self) {
        self.0.silent.store(self.0.open.load(Ordering::SeqCst), Ordering::SeqCst);
        self.0.tell.notify_waiters();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let silent = self.0.silent.load(Ordering::SeqCst);
            if silent == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{silent} sessions never tell their statistics");
            tokio::task::yield_now().await;
        }
    }
}

/// A connection, as long as both sides keep it.
struct Line {
    counts: Arc<Counts>,
    /// The server spoke last.
    answered: AtomicBool,
    /// What it says now answers us.
    ours: AtomicBool,
}

fn connect(client: TcpStream, server: TcpStream, counts: Arc<Counts>) {
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    counts.open.fetch_add(1, Ordering::SeqCst);
    let line = Line { counts, answered: true.into(), ours: false.into() };
    let line = Arc::new(line);
    tokio::spawn(line.clone().ask(from_client, to_server));
    tokio::spawn(line.answer(from_server, to_client));
}

impl Line {
    async fn ask(self: Arc<Self>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let (mut buffer, mut reader) = (vec![0; BUFFER], Reader::default());
        loop {
            let told = self.counts.tell.notified();
            let read = tokio::select! {
                () = told => {
                    self.ours.store(true, Ordering::SeqCst);
                    to.write_all(TELL).await.expect("the session lives");
                    continue;
                }
                read = from.read(&mut buffer) => read,
            };
            let Ok(length @ 1..) = read else { break };
            // Whatever follows an answer is sent because of it.
            if self.answered.swap(false, Ordering::SeqCst) {
                self.counts.round_trips.fetch_add(1, Ordering::SeqCst);
            }
            let statements = reader.read(&buffer[..length]);
            self.counts.statements.fetch_add(statements, Ordering::SeqCst);
            if to.write_all(&buffer[..length]).await.is_err() {
                break;
            }
        }
        self.counts.open.fetch_sub(1, Ordering::SeqCst);
    }

    async fn answer(self: Arc<Self>, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; BUFFER];
        while let Ok(length @ 1..) = from.read(&mut buffer).await {
            let bytes = &buffer[..length];
            if self.ours.load(Ordering::SeqCst) {
                if bytes.ends_with(READY) {
                    self.ours.store(false, Ordering::SeqCst);
                    self.counts.silent.fetch_sub(1, Ordering::SeqCst);
                }
                continue;
            }
            self.answered.store(true, Ordering::SeqCst);
            if to.write_all(bytes).await.is_err() {
                return;
            }
        }
    }
}

/// Finds the messages of a client, wherever the pieces break.
#[derive(Default)]
struct Reader {
    /// The client has said hello: its messages begin with a letter from then on.
    greeted: bool,
    head: [u8; 5],
    held: usize,
    /// Bytes of the message that are still to come.
    left: usize,
    /// What the message is; 0 of a greeting.
    kind: u8,
    /// In a simple query: something stands behind the last semicolon.
    open: bool,
    /// The first bytes of a greeting say what it is.
    code: [u8; 4],
    coded: usize,
}

/// What asks whether the server would encrypt, and is followed by the real greeting.
const SSL_REQUEST: u32 = 80_877_103;

impl Reader {
    /// The statements that are executed by these bytes.
    fn read(&mut self, mut bytes: &[u8]) -> u32 {
        let mut statements = 0;
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.left == 0 {
                self.head[self.held] = byte;
                self.held += 1;
                if self.held == if self.greeted { 5 } else { 4 } {
                    statements += self.begin();
                }
            } else {
                statements += self.go_on(byte);
            }
            bytes = rest;
        }
        statements
    }

    fn begin(&mut self) -> u32 {
        let length = &self.head[self.held - 4..self.held];
        let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
        self.kind = if self.greeted { self.head[0] } else { 0 };
        (self.left, self.held) = (length as usize - 4, 0);
        (self.open, self.coded) = (false, 0);
        // Execute, of the extended protocol.
        u32::from(self.kind == b'E')
    }

    /// Of `begin; set local x = 1` two.
    fn go_on(&mut self, byte: u8) -> u32 {
        self.left -= 1;
        match self.kind {
            b'Q' if byte == b';' => {
                self.open = false;
                0
            }
            b'Q' if byte != 0 && !byte.is_ascii_whitespace() && !self.open => {
                self.open = true;
                1
            }
            0 => {
                if self.coded < 4 {
                    self.code[self.coded] = byte;
                    self.coded += 1;
                }
                self.greeted |= self.left == 0 && u32::from_be_bytes(self.code) != SSL_REQUEST;
                0
            }
            _ => 0,
        }
    }
}
