//! Runs each request as a task of its own, so that a client that hangs up cannot cancel a commit half-way,
//! a handler that takes too long is answered for, and one that panics answers too.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep, sleep_until};
use tracing::Instrument as _;

use super::envelope;
use crate::App;
use crate::error::Error;

/// A request's deadline. A handler that reads a long upload puts it off; one whose answer can be repeated for a short
/// time only brings it forward.
#[derive(Clone, Debug)]
pub struct Deadline(Arc<watch::Sender<Instant>>);

impl Deadline {
    fn after(limit: Duration) -> Self {
        Self(Arc::new(watch::Sender::new(Instant::now() + limit)))
    }

    /// Puts it off to this long from now.
    pub fn extend(&self, by: Duration) {
        self.0.send_replace(Instant::now() + by);
    }

    /// Brings it forward to this long from now, if it is later.
    pub fn hasten(&self, limit: Duration) {
        let at = Instant::now() + limit;
        self.0.send_modify(|deadline| *deadline = at.min(*deadline));
    }

    /// Ends at the deadline, wherever it is moved meanwhile.
    async fn passed(&self) {
        let mut moved = self.0.subscribe();
        loop {
            let at = *moved.borrow_and_update();
            tokio::select! {
                () = sleep_until(at) => return,
                _ = moved.changed() => {}
            }
        }
    }
}

/// How long a task may go on behind its answer. The server ends each statement long before; but a server that is gone
/// ends none, and its connections must come back.
const AFTERWARDS: Duration = Duration::from_mins(2);

/// See the module. After `REQUEST_TIMEOUT` the caller gets 503 while the task goes on to its own end.
pub async fn detach(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let deadline = Deadline::after(app.config.request_timeout);
    request.extensions_mut().insert(deadline.clone());
    let bound = deadline.clone();
    let task = async move {
        tokio::select! {
            response = next.run(request) => response,
            () = async { bound.passed().await; sleep(AFTERWARDS).await } => late(),
        }
    };
    let mut task = tokio::spawn(task.in_current_span());
    tokio::select! {
        answered = &mut task => answered.unwrap_or_else(panicked),
        () = deadline.passed() => {
            tokio::spawn(tell_the_end(task).in_current_span());
            late()
        }
    }
}

fn late() -> Response {
    Error::Unavailable("the request took too long".into()).into_response()
}

fn panicked(error: JoinError) -> Response {
    Error::Internal(error.into()).into_response()
}

/// What became of a request that was answered for before: whether it committed is what its caller will ask.
async fn tell_the_end(task: JoinHandle<Response>) {
    let response = task.await.unwrap_or_else(panicked);
    let status = response.status().as_u16();
    let error = envelope::problem(&response).map(Error::chain);
    tracing::warn!(status, error, "a request has ended behind its answer");
}
