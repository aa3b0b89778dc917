//! One statement outside any transaction; one that only reads can be asked again.

use sqlx::PgConnection;

use super::fault;
use super::guarded::Guarded;
use super::pool::Pool;

/// A connection for it; see [`ask!`](crate::ask).
pub struct Reading(Guarded);

impl Reading {
    pub(super) async fn begin(pool: &Pool) -> sqlx::Result<Self> {
        Ok(Self(Guarded::unbegun(pool).await?))
    }

    /// Where it runs.
    pub fn reader(&mut self) -> &mut PgConnection {
        self.0.conn()
    }

    /// Whether it may run again on another connection, because this one had died in the pool.
    ///
    /// # Errors
    /// There is no other connection.
    pub async fn may_ask_again(&mut self, error: &sqlx::Error) -> sqlx::Result<bool> {
        Ok(fault::is_disconnect(error) && self.0.replace().await?)
    }

    /// Gives the connection back; a statement that failed is as much at its end as one that did not.
    ///
    /// # Errors
    /// The statement's.
    pub fn end<T>(self, answer: sqlx::Result<T>) -> sqlx::Result<T> {
        if !answer.as_ref().is_err_and(fault::is_disconnect) {
            self.0.give_back();
        }
        answer
    }
}

/// Runs one statement that only reads, on the connection of a [`TenantTx`](crate::TenantTx) or a [`Reading`]; again on
/// another where that one had died in the pool.
#[macro_export]
macro_rules! again {
    ($on:expr, |$conn:ident| $statement:expr) => {
        loop {
            let $conn = $on.reader();
            let answer = $statement.await;
            match answer {
                Err(error) if $on.may_ask_again(&error).await? => {}
                answer => break answer,
            }
        }
    };
}

/// Runs one statement that reads, outside any transaction, as [`Db::direct`](crate::Db::direct) does. A connection that
/// has died in the pool is replaced: what only reads can be asked twice.
#[macro_export]
macro_rules! ask {
    ($db:expr, |$conn:ident| $statement:expr) => {
        async {
            let mut reading = $db.reading().await?;
            let answer = $crate::again!(reading, |$conn| $statement);
            reading.end(answer)
        }
    };
}
