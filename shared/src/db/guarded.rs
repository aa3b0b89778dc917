//! A connection in a transaction. sqlx 0.9 returns a connection to the pool with its transaction *and its tenant* still
//! set when a request is cancelled during `begin` (docs/decisions/0003), so the guard here is armed before the first
//! byte is sent, and a connection that did not end cleanly is closed instead of reused.

use futures_util::TryStreamExt as _;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgConnection};

use super::fault;
use super::pool::{Pool, Pooled};

/// More dead connections than any pool of ours holds; see [`Guarded::replace`].
const MOST_DEAD: usize = 64;

/// A connection in a transaction, closed when dropped unless it was ended.
pub(super) struct Guarded {
    conn: Pooled,
    /// How many dead connections it has replaced.
    dead: usize,
}

impl Guarded {
    /// Takes a connection and sends `begin` on it, with what else is to be asked in the same round trip.
    pub(super) async fn begin(pool: &Pool, begin: &str) -> sqlx::Result<(Self, Vec<PgRow>)> {
        let mut armed = Self::unbegun(pool).await?;
        let answer = armed.send(begin).await?;
        Ok((armed, answer))
    }

    /// Replaces a connection on which nothing was begun; `false` after [`MOST_DEAD`] of them.
    pub(super) async fn replace(&mut self) -> sqlx::Result<bool> {
        self.dead += 1;
        if self.dead > MOST_DEAD {
            return Ok(false);
        }
        self.conn.replace().await?;
        Ok(true)
    }

    /// Sends `begin` on a connection on which nothing was begun. Connections that died in the pool (a restart of
    /// PostgreSQL) are dropped and the next one tried: nothing has been asked of them yet, so nothing can happen twice.
    pub(super) async fn send(&mut self, begin: &str) -> sqlx::Result<Vec<PgRow>> {
        loop {
            let sent = sqlx::raw_sql(AssertSqlSafe(begin.to_owned())).fetch_all(self.conn()).await;
            if sent.as_ref().is_err_and(fault::is_pooler_full) {
                metrics::counter!("db_connection_timeouts_total", "reason" => "pooler")
                    .increment(1);
            }
            match sent {
                Err(error) if fault::is_disconnect(&error) && self.replace().await? => {}
                sent => return sent,
            }
        }
    }

    pub(super) fn conn(&mut self) -> &mut PgConnection {
        self.conn.conn()
    }

    /// Takes a connection and sends nothing yet.
    pub(super) async fn unbegun(pool: &Pool) -> sqlx::Result<Self> {
        Ok(Self { conn: pool.take().await?, dead: 0 })
    }

    /// To be called only without an open transaction.
    pub(super) fn give_back(self) {
        self.conn.give_back();
    }

    pub(super) async fn end(mut self, how: &'static str) -> sqlx::Result<()> {
        sqlx::raw_sql(how).execute(self.conn()).await?;
        self.conn.give_back();
        Ok(())
    }

    /// Ends the transaction by a message's first statement, which holds whatever becomes of the others; says whether
    /// they succeeded.
    pub(super) async fn end_with_more(mut self, how: &'static str) -> sqlx::Result<bool> {
        let mut answers = sqlx::raw_sql(how).fetch_many(self.conn());
        answers.try_next().await?;
        let rest = answers.try_collect::<Vec<_>>().await;
        if rest.is_ok() {
            self.conn.give_back();
        }
        Ok(rest.is_ok())
    }
}
