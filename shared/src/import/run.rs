//! Carries an import out whose rows are there: by the request that brought them, or by the worker.

use super::apply::{Done, apply};
use super::{BATCH, Import, Outcome, Status, rows, undo};
use crate::db::TenantTx;

/// Who carries it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The request that brought it: all in its transaction, which is taken back as a whole when it is only tried.
    Request,
    /// The worker: a batch in each transaction, and all in one only when it must be.
    Worker,
}

/// Does the next piece of work. Its state is up to the caller to save.
///
/// # Errors
/// The database's.
pub async fn step(tx: &mut TenantTx, import: &mut Import, by: By) -> sqlx::Result<()> {
    if !import.events {
        tx.mute();
    }
    if import.status == Status::Undoing {
        while undo::undo(tx, import).await? {
            if by == By::Worker {
                return Ok(());
            }
        }
        import.status = Status::Undone;
        return Ok(());
    }
    import.status = Status::Running;
    import.started_at = import.started_at.or(Some(tx.now()));
    if import.atomic || import.dry_run && by == By::Worker {
        return at_once(tx, import, by).await;
    }
    loop {
        let pending = rows::pending(tx, import.id, 0).await?;
        let last = pending.len() < BATCH;
        let done = apply(tx, import, pending).await?;
        rows::record(tx, import.id, &done).await?;
        import.count(&done);
        if last {
            import.end(Status::Completed, tx.now());
        }
        if last || by == By::Worker {
            return Ok(());
        }
    }
}

/// All rows in this transaction; none of them when one fails, or when it is only tried.
async fn at_once(tx: &mut TenantTx, import: &mut Import, by: By) -> sqlx::Result<()> {
    let held = tx.hold().await?;
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let pending = rows::pending(tx, import.id, after).await?;
        let Some(last) = pending.last() else { break };
        after = last.row;
        let done = apply(tx, import, pending).await?;
        import.count(&done);
        tx.flush().await?;
        all.extend(done);
    }
    let refused = import.atomic && import.failed > 0;
    if refused || import.dry_run && by == By::Worker {
        tx.back(held).await?;
        all.iter_mut().for_each(Done::forget);
    }
    if refused {
        all.retain(|done| done.outcome == Outcome::Failed);
        (import.created, import.updated, import.skipped) = (0, 0, 0);
        import.error = Some("Nothing was imported, because rows failed".to_owned());
        import.end(Status::Failed, tx.now());
    } else {
        import.end(Status::Completed, tx.now());
    }
    for done in all.chunks(BATCH) {
        rows::record(tx, import.id, done).await?;
    }
    if refused {
        rows::give_up(tx, import.id).await?;
    }
    Ok(())
}
