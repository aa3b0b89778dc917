//! The operators' port: `/healthz` (the process lives), `/readyz` (it can serve), `/metrics`.

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::{StatusCode, header};
use shared::Db;
use shared::telemetry::metrics::{CONTENT_TYPE, Exposition};
use tokio_util::sync::CancellationToken;

#[derive(Clone)]
struct Admin {
    db: Db,
    metrics: Exposition,
    leaving: CancellationToken,
}

pub(super) fn router(db: Db, metrics: Exposition, leaving: CancellationToken) -> Router {
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
    match admin.db.serves().await {
        Ok(()) => (StatusCode::OK, "ready"),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
    }
}

async fn render(State(admin): State<Admin>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], admin.metrics.render(&admin.db))
}
