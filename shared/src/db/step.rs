//! Time limits of our own beside the server's. A host that has vanished answers nothing, and TCP notices after a
//! quarter of an hour, or never while we only wait.

use std::io;
use std::time::Duration;

use tokio::time::timeout;

/// For a few statements, each of which the server ends after 30 s (`deploy/roles.sql`).
pub const STEP: Duration = Duration::from_secs(90);

/// For many statements of work in no hurry.
pub const ROUND: Duration = Duration::from_mins(15);

/// Gives a step up after so long, as if its connection had broken; it is closed.
///
/// # Errors
/// The step's, and [`io::ErrorKind::TimedOut`]: whether a statement under way took effect is unknown.
pub async fn in_time<T>(
    limit: Duration,
    step: impl Future<Output = sqlx::Result<T>>,
) -> sqlx::Result<T> {
    timeout(limit, step).await.unwrap_or_else(|_| Err(timed_out()))
}

/// What a step that was given up ends with.
#[must_use]
pub fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(io::ErrorKind::TimedOut.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_step_that_never_ends_is_given_up_like_one_whose_connection_broke() {
        let never = std::future::pending::<sqlx::Result<()>>();
        let error = in_time(Duration::from_millis(1), never).await.unwrap_err();
        assert!(crate::db::fault::is_disconnect(&error), "{error}");
        assert!(matches!(in_time(STEP, async { Ok(7) }).await, Ok(7)));
    }
}
