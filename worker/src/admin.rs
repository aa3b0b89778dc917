//! The operators' port: `/healthz` (the process lives), `/readyz` (it can work), `/metrics`.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;
use shared::Db;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A database that takes longer is not ready.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Admin {
    db: Db,
    metrics: PrometheusHandle,
    stop: CancellationToken,
}

/// Serves until `gone`; from `stop` on, the worker is not ready.
pub async fn serve(
    listener: TcpListener,
    db: Db,
    metrics: PrometheusHandle,
    stop: CancellationToken,
    gone: CancellationToken,
) {
    let router = Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(async |State(admin): State<Admin>| admin.metrics.render()))
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
    let probe = sqlx::query("select 1").execute(admin.db.direct());
    match tokio::time::timeout(PATIENCE, probe).await {
        Ok(Ok(_)) => (StatusCode::OK, "ready"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the database cannot be reached"),
    }
}
