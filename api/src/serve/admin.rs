//! The operators' port: `/healthz` (the process lives), `/readyz` (it can serve), `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use metrics_exporter_prometheus::PrometheusHandle;
use shared::Db;
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
struct Admin {
    db: Db,
    metrics: PrometheusHandle,
    leaving: CancellationToken,
}

pub(super) fn router(db: Db, metrics: PrometheusHandle, leaving: CancellationToken) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state(Admin { db, metrics, leaving })
}

async fn ready(State(admin): State<Admin>) -> (StatusCode, &'static str) {
    if admin.leaving.is_cancelled() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping");
    }
    if admin.db.answers().await {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the database cannot be reached")
    }
}

async fn render(State(admin): State<Admin>) -> String {
    let (open, idle) = admin.db.connections();
    for (state, connections) in [("open", open), ("idle", idle)] {
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        metrics::gauge!("db_connections", "state" => state).set(f64::from(connections));
    }
    admin.metrics.render()
}
