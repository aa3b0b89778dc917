//! Transactions across tenants: for the relay, the queue and the sweeps.

use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::guarded::Guarded;
use super::pool::Pool;

/// A transaction across tenants. Single statements cross by [`Db::direct`](super::Db::direct): search for both.
pub struct SystemTx {
    tx: Guarded,
}

impl SystemTx {
    pub(super) async fn begin(
        pool: &Pool,
        question: Option<&str>,
    ) -> sqlx::Result<(Self, Vec<PgRow>)> {
        let begin = question.map_or("begin".into(), |question| format!("begin; {question}"));
        let (tx, answer) = Guarded::begin(pool, &begin).await?;
        Ok((Self { tx }, answer))
    }

    /// Where statements run.
    pub fn conn(&mut self) -> &mut PgConnection {
        self.tx.conn()
    }

    /// Commits durably, as the cluster is configured.
    ///
    /// # Errors
    /// As for [`TenantTx::commit`](super::TenantTx::commit).
    pub async fn commit(self) -> sqlx::Result<()> {
        self.tx.end("commit").await
    }

    /// Commits without waiting for the disk: for bookkeeping that a crash may undo because it is done again.
    ///
    /// # Errors
    /// As for [`TenantTx::commit`](super::TenantTx::commit).
    pub async fn commit_lazily(self) -> sqlx::Result<()> {
        self.tx.end("set local synchronous_commit = off; commit").await
    }
}
