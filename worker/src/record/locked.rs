//! Outcomes whose rows somebody else holds, found without waiting: one row that a session keeps locked must not keep
//! the outcomes of all tenants from being written.

use std::collections::HashSet;

use shared::Db;

use super::{Entry, Report, health};
use crate::retry::Next;

/// Takes those out of `batch` that would wait for a row that is locked: their place in the queue, their delivery, and
/// of their webhook, its health and their replay what they change. What is gone is not waited for. Rows that workers
/// share may be locked for a moment only, so whoever has been taken out is to be looked at again soon.
///
/// # Errors
/// The database's; `batch` is as it was then.
pub(super) async fn take(db: &Db, batch: &mut Vec<Entry>) -> sqlx::Result<Vec<Entry>> {
    let changes = |these: fn(&Report) -> bool| -> Vec<bool> {
        batch.iter().map(|entry| entry.report.as_ref().is_some_and(these)).collect()
    };
    let mut tx = db.system().await?;
    let locked = sqlx::query_file_scalar!(
        "src/record/locked.sql",
        &batch.iter().map(|entry| entry.delivery.tenant.0).collect::<Vec<_>>(),
        &batch.iter().map(|entry| entry.delivery.webhook.0).collect::<Vec<_>>(),
        &batch.iter().map(|entry| entry.delivery.id.0).collect::<Vec<_>>(),
        &changes(|_| true),
        &changes(|report| report.held_until.is_some()),
        &changes(|report| !health::is_ours(report)),
        &changes(|report| report.next == Next::Done),
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit_lazily().await?;
    let locked: HashSet<_> = locked.into_iter().collect();
    Ok(batch.extract_if(.., |entry| locked.contains(&entry.delivery.id.0)).collect())
}
