//! What kind of trouble a database error is.

/// The connection is gone; whether a statement under way took effect is unknown.
#[must_use]
pub fn is_disconnect(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        // 57P: shut down, crashed, starting up; 08: connection exceptions.
        sqlx::Error::Database(db) => {
            db.code().is_some_and(|code| code.starts_with("57P") || code.starts_with("08"))
        }
        _ => false,
    }
}

/// There is no connection, so that whatever else is asked will fail as well.
#[must_use]
pub fn is_away(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) || is_disconnect(error)
}

/// Worth trying again later: nothing is wrong with the request, something is wrong with the weather.
#[must_use]
pub fn is_transient(error: &sqlx::Error) -> bool {
    let codes = [
        "40001", // serialization failure
        "40P01", // deadlock
        "55P03", // lock timeout
        "57014", // statement timeout
        "25P03", // idle in transaction timeout
        "25006", // a standby, until another one is the primary
    ];
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Tls(_) => true,
        sqlx::Error::Database(db) => {
            // 53: disk full, out of memory, too many connections.
            let code = db.code();
            let code = code.as_deref().unwrap_or_default();
            codes.contains(&code) || code.starts_with("53") || is_disconnect(error)
        }
        _ => is_disconnect(error),
    }
}

/// The name of the constraint that a statement broke, for rules that the database keeps.
#[must_use]
pub fn constraint(error: &sqlx::Error) -> Option<&str> {
    error.as_database_error()?.constraint()
}

/// A pooler lent no connection in time: so PgBouncer ends a connection whose first statement waited for longer than its
/// `query_wait_timeout`.
#[must_use]
pub(super) fn is_pooler_full(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|db| db.message() == "query_wait_timeout")
}

/// It was given up on our side ([`step`](super::step)).
#[must_use]
pub(super) fn is_timed_out(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(io) if io.kind() == std::io::ErrorKind::TimedOut)
}

/// A statement waited for another transaction as long as a lock may be waited for.
#[must_use]
pub fn is_lock_timeout(error: &sqlx::Error) -> bool {
    has_code(error, "55P03")
}

/// Two transactions waited for each other, and this one was ended.
#[must_use]
pub fn is_deadlock(error: &sqlx::Error) -> bool {
    has_code(error, "40P01")
}

/// A statement took longer than one may.
#[must_use]
pub fn is_out_of_time(error: &sqlx::Error) -> bool {
    has_code(error, "57014")
}

/// A key or a unique value is taken.
#[must_use]
pub fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(sqlx::error::DatabaseError::is_unique_violation)
}

fn has_code(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).as_deref() == Some(code)
}
