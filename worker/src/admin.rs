//! The operators' port: `/healthz` (the process lives), `/readyz` (it can work), `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{StatusCode, header};
use shared::Db;
use shared::telemetry::metrics::{CONTENT_TYPE, Exposition};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
struct Admin {
    db: Db,
    metrics: Exposition,
    stop: CancellationToken,
}

/// How a worker ends.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// It takes on nothing more: it is not ready.
    pub stop: CancellationToken,
    /// Nothing is under way any more.
    pub gone: CancellationToken,
}

/// Serves until the worker is gone.
pub async fn serve(
    listener: TcpListener,
    db: Db,
    metrics: Exposition,
    Shutdown { stop, gone }: Shutdown,
) {
    let router = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state(Admin { db, metrics, stop });
    let served = axum::serve(listener, router).with_graceful_shutdown(gone.cancelled_owned()).await;
    if let Err(error) = served {
        tracing::error!(%error, "the operators' port is closed");
    }
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if admin.stop.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining");
    }
    match admin.db.serves().await {
        Ok(()) => (StatusCode::OK, "ready"),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

async fn render(State(admin): State<Admin>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], admin.metrics.render(&admin.db))
}
