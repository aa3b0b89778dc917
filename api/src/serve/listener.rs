//! Accepts connections and serves a router on them, with bounds on what keeps quiet or does not read, and a clean stop.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use http::Version;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulConnection;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// The head of a connection's first request must arrive within this.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The head of a further one within this: longer than proxies keep an idle connection, so that the end is theirs to
/// choose and no request meets it. Who is gone without a word is found out within it, too.
const IDLE_TIMEOUT: Duration = Duration::from_secs(75);

/// How long a caller may take nothing of an answer that is ready.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a connection of HTTP/2 is given requests; then its caller is asked to make another, so that nothing can
/// keep one for good.
const AGE: Duration = Duration::from_hours(1);

/// How long its last answers may take after that: longer than any may, but for the file of an import's failed rows.
const LAST_ANSWERS: Duration = Duration::from_mins(16);

/// Requests of one connection of HTTP/2 at once: as few as RFC 9113 (6.5.2) recommends to allow.
const STREAMS: u32 = 100;

/// Bytes of answers that the kernel buffers for a slow caller. Its own choice would be megabytes, of which a third has
/// to drain before a write goes on.
const SEND_BUFFER: u32 = 256 * 1024;

/// Connections that wait to be accepted, as far as the system allows.
const BACKLOG: u32 = 1024;

/// How long each is waited for.
#[derive(Clone, Copy)]
struct Timeouts {
    head: Duration,
    idle: Duration,
    write: Duration,
    age: Duration,
    last: Duration,
}

const TIMEOUTS: Timeouts = Timeouts {
    head: HEAD_TIMEOUT,
    idle: IDLE_TIMEOUT,
    write: WRITE_TIMEOUT,
    age: AGE,
    last: LAST_ANSWERS,
};

/// Listens; accepted connections inherit the size of the buffer.
///
/// # Errors
/// As for any socket.
pub(super) fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until `stop`, then lets requests under way end within `grace`.
pub(super) async fn run(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    grace: Duration,
) {
    let connections = TaskTracker::new();
    accept(listener, router, &stop, &connections, TIMEOUTS).await;
    connections.close();
    if timeout(grace, connections.wait()).await.is_err() {
        tracing::warn!("requests were still under way when the grace period ended");
    }
}

async fn accept(
    listener: TcpListener,
    router: Router,
    stop: &CancellationToken,
    connections: &TaskTracker,
    timeouts: Timeouts,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(timeouts.idle);
    let mut http2 = builder.http2();
    http2.timer(TokioTimer::new()).keep_alive_interval(timeouts.idle);
    http2.max_concurrent_streams(STREAMS);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: connections that end free some.
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let asked = Arc::new(Asked::default());
        let service = router.clone().map_request({
            let asked = Arc::clone(&asked);
            move |mut request: Request<Incoming>| {
                asked.note(request.version());
                request.extensions_mut().insert(ConnectInfo(peer));
                request
            }
        });
        let service = TowerToHyperService::new(service);
        let stream = TokioIo::new(bounded(stream, timeouts.write));
        let connection = builder.serve_connection(stream, service).into_owned();
        connections.spawn(carry(connection, peer, asked, stop.clone(), timeouts));
    }
}

/// The stream, whose writes fail when nothing of them is taken in time.
fn bounded(stream: TcpStream, timeouts: Duration) -> Pin<Box<TimeoutWriter<TcpStream>>> {
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(timeouts));
    Box::pin(stream)
}

/// Carries a connection to its end.
async fn carry<C>(
    connection: C,
    peer: SocketAddr,
    asked: Arc<Asked>,
    stop: CancellationToken,
    timeouts: Timeouts,
) where
    C: GracefulConnection,
    C::Error: std::fmt::Display,
{
    let mut connection = pin!(connection);
    let tell = |ended: Result<(), C::Error>| {
        if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection ended badly");
        }
    };
    let retired = tokio::select! {
        ended = &mut connection => return tell(ended),
        () = stop.cancelled() => Retired::Old,
        retired = retired(&asked, timeouts) => retired,
    };
    if matches!(retired, Retired::Unused) {
        return tracing::debug!(%peer, "a connection asked for nothing");
    }
    connection.as_mut().graceful_shutdown();
    // What has not asked yet, such as by half a head, has no answer to wait for.
    let last = if asked.so_far() == 0 { timeouts.head } else { timeouts.last };
    if let Ok(ended) = timeout(last, connection).await {
        tell(ended);
    } else {
        tracing::debug!(%peer, "a connection did not take its last answers");
    }
}

/// What a connection has been asked: nothing, something by HTTP/1, or so many requests of HTTP/2.
#[derive(Debug, Default)]
struct Asked(AtomicU32);

impl Asked {
    const BY_HTTP_1: u32 = u32::MAX;

    fn note(&self, version: Version) {
        if version == Version::HTTP_2 {
            self.0.fetch_add(1, Ordering::Relaxed);
        } else {
            self.0.store(Self::BY_HTTP_1, Ordering::Relaxed);
        }
    }

    fn so_far(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Why a connection is to take no more requests.
enum Retired {
    /// It never had one. hyper's own timer begins with the bytes that tell HTTP/1 from HTTP/2, for which it would wait
    /// for ever.
    Unused,
    /// It had none for a while; pings would keep it.
    Quiet,
    /// It had them for long enough.
    Old,
}

/// Waits until a connection is to take no more requests. HTTP/1 is left to hyper's timers: a next request could be on
/// its way, where HTTP/2 says which was the last. It samples, to cost a request nothing, so `Quiet` comes after one to
/// two times the timeouts.
async fn retired(asked: &Asked, timeouts: Timeouts) -> Retired {
    sleep(timeouts.head).await;
    match asked.so_far() {
        0 => return Retired::Unused,
        Asked::BY_HTTP_1 => std::future::pending().await,
        _ => {}
    }
    let quiet = async {
        let mut before = 0;
        loop {
            let now = asked.so_far();
            if now == before {
                return Retired::Quiet;
            }
            before = now;
            sleep(timeouts.idle).await;
        }
    };
    timeout(timeouts.age, quiet).await.unwrap_or(Retired::Old)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Body;
    use axum::routing::get;
    use bytes::Bytes;
    use futures_util::stream;
    use http_body_util::{BodyExt as _, Empty};
    use hyper::client::conn::{http1, http2};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LONG: Duration = Duration::from_hours(1);
    const SHORT: Duration = Duration::from_millis(100);
    /// Long enough for a first request to arrive.
    const HEAD: Duration = Duration::from_secs(2);
    const LONG_TIMEOUTS: Timeouts =
        Timeouts { head: LONG, idle: LONG, write: LONG, age: LONG, last: LONG };

    /// A server that waits so long, with `/` and an answer that never ends.
    struct Server {
        address: SocketAddr,
        connections: TaskTracker,
    }

    impl Server {
        fn start(timeouts: Timeouts) -> Self {
            let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let address = listener.local_addr().unwrap();
            let endless = || stream::repeat(Ok::<_, Infallible>(Bytes::from(vec![0; 4096])));
            let router = Router::new()
                .route("/", get(async || "here"))
                .route("/endless", get(async move || Body::from_stream(endless())));
            let connections = TaskTracker::new();
            tokio::spawn({
                let connections = connections.clone();
                async move {
                    let stop = CancellationToken::new();
                    accept(listener, router, &stop, &connections, timeouts).await;
                }
            });
            Self { address, connections }
        }

        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }

        /// Waits until nobody is connected any more, of those who had an answer.
        async fn is_left(&self) {
            self.connections.close();
            timeout(Duration::from_mins(1), self.connections.wait()).await.expect("it is kept");
        }
    }

    fn request(path: &str) -> Request<Empty<Bytes>> {
        let request = Request::get(path).header("host", "localhost");
        request.body(Empty::new()).unwrap()
    }

    /// A caller who speaks HTTP/2 and sends a ping whenever it may.
    async fn pinging(server: &Server) -> http2::SendRequest<Empty<Bytes>> {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(Duration::from_millis(10))
            .keep_alive_while_idle(true);
        let io = TokioIo::new(server.connect().await);
        let (caller, connection) = builder.handshake(io).await.unwrap();
        tokio::spawn(connection);
        caller
    }

    #[tokio::test]
    async fn a_connection_that_never_asks_is_let_go() {
        let server = Server::start(Timeouts { head: SHORT, ..LONG_TIMEOUTS });
        let mut silent = server.connect().await;
        silent.write_all(b"GET / HT").await.unwrap();
        let mut said = Vec::new();
        let ended = timeout(Duration::from_mins(1), silent.read_to_end(&mut said)).await;
        assert!(ended.is_ok() && said.is_empty(), "it is kept");
    }

    #[tokio::test]
    async fn a_caller_that_reads_nothing_is_let_go() {
        let server = Server::start(Timeouts { write: SHORT, ..LONG_TIMEOUTS });
        let mut deaf = server.connect().await;
        deaf.write_all(b"GET /endless HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
        assert_eq!(deaf.read_u8().await.unwrap(), b'H');
        server.is_left().await;
    }

    #[tokio::test]
    async fn pings_do_not_keep_a_quiet_connection() {
        let server = Server::start(Timeouts { head: HEAD, idle: SHORT, ..LONG_TIMEOUTS });
        let mut caller = pinging(&server).await;
        let answer = caller.send_request(request("http://localhost/")).await.unwrap();
        assert_eq!(answer.collect().await.unwrap().to_bytes(), "here");
        server.is_left().await;
    }

    #[tokio::test]
    async fn an_old_connection_ends_its_answers_and_takes_no_more() {
        let server = Server::start(Timeouts { head: HEAD, age: SHORT, ..LONG_TIMEOUTS });
        let mut caller = pinging(&server).await;
        let asked = caller.send_request(request("http://localhost/endless"));
        let mut answer = asked.await.unwrap().into_body();
        let refused = async {
            while caller.send_request(request("http://localhost/")).await.is_ok() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_mins(1), refused).await.expect("it takes more");
        for _ in 0..100 {
            answer.frame().await.unwrap().unwrap();
        }
        drop(answer);
        server.is_left().await;
    }

    #[tokio::test]
    async fn a_connection_of_http_1_is_its_callers_to_end() {
        let server = Server::start(Timeouts { head: HEAD, age: SHORT, ..LONG_TIMEOUTS });
        let io = TokioIo::new(server.connect().await);
        let (mut caller, connection) = http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        for _ in 0..2 {
            let answer = caller.send_request(request("/")).await.unwrap();
            assert_eq!(answer.collect().await.unwrap().to_bytes(), "here");
            sleep(3 * SHORT).await;
        }
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_is_given_up_with_its_old_connection() {
        let server =
            Server::start(Timeouts { head: HEAD, age: SHORT, last: SHORT, ..LONG_TIMEOUTS });
        let mut caller = pinging(&server).await;
        let kept = caller.send_request(request("http://localhost/endless")).await.unwrap();
        server.is_left().await;
        drop(kept);
    }
}
