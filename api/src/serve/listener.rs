//! Accepts connections and serves a router on them, with bounds on silence and slow request heads, and a clean stop.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// The head of a connection's first request must arrive within this.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// The head of a further one within this: longer than proxies keep an idle connection, so that the end is theirs to choose and no
/// request meets it. Who is gone without a word is found out within it, too.
const IDLE_PATIENCE: Duration = Duration::from_secs(75);

/// Serves until `stop`, then lets requests under way end within `grace`.
pub(super) async fn run(
    listener: TcpListener,
    router: Router,
    stop: CancellationToken,
    grace: Duration,
) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE_PATIENCE);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(IDLE_PATIENCE);
    let connections = GracefulShutdown::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, mostly: connections that end free some.
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let asked = Arc::new(Notify::new());
        let service = router.clone().map_request({
            let asked = Arc::clone(&asked);
            move |mut request: Request<Incoming>| {
                asked.notify_one();
                request.extensions_mut().insert(ConnectInfo(peer));
                request
            }
        });
        let service = TowerToHyperService::new(service);
        let connection = builder.serve_connection(TokioIo::new(stream), service).into_owned();
        let watched = connections.watch(connection);
        tokio::spawn(async move {
            let mut watched = std::pin::pin!(watched);
            let ended = tokio::select! {
                ended = &mut watched => ended,
                () = silence(&asked) => {
                    tracing::debug!(%peer, "a connection asked for nothing");
                    return;
                }
            };
            if let Err(error) = ended {
                tracing::debug!(%error, "a connection ended badly");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(grace, connections.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way when the grace period ended");
    }
}

/// Ends when nothing was asked in time; after the first request it does not. hyper's own timer begins with the bytes that tell HTTP/1
/// from HTTP/2, for which it would wait for ever.
async fn silence(asked: &Notify) {
    if tokio::time::timeout(HEAD_PATIENCE, asked.notified()).await.is_ok() {
        std::future::pending::<()>().await;
    }
}
