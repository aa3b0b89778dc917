//! Runs each request as a task of its own, so that a client that hangs up cannot cancel a commit half-way,
//! a handler that takes too long is answered for, and one that panics answers too.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::Instant;
use tracing::Instrument as _;

use crate::App;
use crate::error::Error;

/// When a request is answered for. A handler that reads a long upload puts it off.
#[derive(Clone, Debug)]
pub struct Deadline(Arc<Mutex<Instant>>);

impl Deadline {
    fn after(limit: Duration) -> Self {
        Self(Arc::new(Mutex::new(Instant::now() + limit)))
    }

    /// Puts it off to this long from now.
    pub fn extend(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now() + by;
    }

    fn at(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends at the deadline, however often it is put off meanwhile.
    async fn passed(&self) {
        while Instant::now() < self.at() {
            tokio::time::sleep_until(self.at()).await;
        }
    }
}

/// See the module. After `REQUEST_TIMEOUT` the caller gets 503 while the task goes on to its own end, which the
/// database's statement timeout bounds, and what waits for a connection or a look-up.
pub async fn detach(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let deadline = Deadline::after(app.config.request_timeout);
    request.extensions_mut().insert(deadline.clone());
    let task = tokio::spawn(async move { next.run(request).await }.in_current_span());
    tokio::select! {
        answered = task => match answered {
            Ok(response) => response,
            Err(panicked) => Error::Internal(panicked.into()).into_response(),
        },
        () = deadline.passed() => {
            Error::Unavailable("the request took too long".into()).into_response()
        }
    }
}
