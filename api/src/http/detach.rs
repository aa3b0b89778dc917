//! Runs each request as a task of its own, so that a client that hangs up cannot cancel a commit half-way,
//! a handler that takes too long is answered for, and one that panics answers too.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;

use crate::App;
use crate::error::Error;

/// See the module. After `REQUEST_TIMEOUT` the caller gets 503 while the task goes on to its own end, which the
/// database's statement timeout bounds.
pub async fn detach(State(app): State<App>, request: Request, next: Next) -> Response {
    let task = tokio::spawn(async move { next.run(request).await }.in_current_span());
    match tokio::time::timeout(app.config.request_timeout, task).await {
        Ok(Ok(response)) => response,
        Ok(Err(panicked)) => Error::Internal(panicked.into()).into_response(),
        Err(_) => Error::Unavailable(too_slow(app.config.request_timeout).into()).into_response(),
    }
}

fn too_slow(limit: Duration) -> String {
    format!("the request took longer than {limit:?}")
}
