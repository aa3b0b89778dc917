//! Carries an import out: by the request that brought it, or batch by batch by the worker.

use super::apply::{Done, apply};
use super::chunks::{self, Pending};
use super::{Import, Outcome, Status, rows, undo};
use crate::db::TenantTx;

/// Carries out an import of few rows, which are at hand. Its state is up to the caller to save.
///
/// # Errors
/// The database's.
pub async fn whole(
    tx: &mut TenantTx,
    import: &mut Import,
    pending: Vec<Pending>,
) -> sqlx::Result<()> {
    begin(tx, import);
    if import.atomic {
        return at_once(tx, import, Some(pending)).await;
    }
    let done = apply(tx, import, pending).await?;
    rows::record(tx, import.id, &done).await?;
    import.count(&done);
    import.end(Status::Completed, tx.now());
    Ok(())
}

/// Does the next batch of an import whose rows wait in the database, or of its undo; all of it when it is one
/// transaction. Its state is up to the caller to save.
///
/// # Errors
/// The database's.
pub async fn step(tx: &mut TenantTx, import: &mut Import) -> sqlx::Result<()> {
    if import.status == Status::Undoing {
        return undo::step(tx, import).await;
    }
    begin(tx, import);
    if import.at_once() {
        return at_once(tx, import, None).await;
    }
    let chunk = chunks::take(tx, import.id).await?;
    let last = chunk.as_ref().is_none_or(|chunk| chunk.last);
    if let Some(chunk) = chunk {
        let done = apply(tx, import, chunk.rows).await?;
        rows::record(tx, import.id, &done).await?;
        import.count(&done);
    }
    if last {
        import.end(Status::Completed, tx.now());
    }
    Ok(())
}

fn begin(tx: &mut TenantTx, import: &mut Import) {
    if !import.events {
        tx.mute();
    }
    import.status = Status::Running;
    import.started_at = import.started_at.or(Some(tx.now()));
}

/// All rows in this transaction, those at hand or those that wait; none of them when one fails, or when it is only
/// tried.
async fn at_once(
    tx: &mut TenantTx,
    import: &mut Import,
    mut at_hand: Option<Vec<Pending>>,
) -> sqlx::Result<()> {
    let (held, waited) = (tx.savepoint().await?, at_hand.is_none());
    let mut all = Vec::new();
    loop {
        let next = match at_hand.take() {
            Some(rows) => Some(rows),
            None if waited => chunks::take(tx, import.id).await?.map(|chunk| chunk.rows),
            None => None,
        };
        let Some(rows) = next else { break };
        let done = apply(tx, import, rows).await?;
        import.count(&done);
        tx.flush().await?;
        all.extend(done);
    }
    let refused = import.atomic && import.failed > 0;
    if refused || import.dry_run && waited {
        tx.rollback_to(held).await?;
        all.iter_mut().for_each(Done::forget);
        if waited {
            chunks::give_up(tx, import.id).await?;
        }
    }
    if refused {
        all.retain(|done| done.outcome == Outcome::Failed);
        (import.created, import.updated, import.skipped) = (0, 0, 0);
        import.error = Some("Nothing was imported, because rows failed".to_owned());
        import.end(Status::Failed, tx.now());
    } else {
        import.end(Status::Completed, tx.now());
    }
    rows::record(tx, import.id, &all).await
}
