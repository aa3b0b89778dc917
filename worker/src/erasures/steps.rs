//! The steps of an erasure, in the order of [`Stage`].

use chrono::TimeDelta;
use shared::TenantTx;
use shared::seal::Keyring;
use uuid::Uuid;

use super::history::{self, Place};
use super::{Cursor, Erasure, Stage, answers, imports, store};

/// How long transactions from before are waited for, before they are looked for again.
const SETTLING: TimeDelta = TimeDelta::milliseconds(200);

/// How long an import that is not over is waited for.
const IMPORTING: TimeDelta = TimeDelta::seconds(2);

/// Does the next step, and says how long the one after it has to wait.
///
/// # Errors
/// The database's.
pub(super) async fn step(
    tx: &mut TenantTx,
    keyring: &Keyring,
    erasure: &mut Erasure,
) -> sqlx::Result<Option<TimeDelta>> {
    match erasure.stage {
        Stage::Outbox => {
            history::hold_relay(tx).await?;
            erasure.counts.events += history::erase_outbox(tx, erasure.record).await?;
            let kept = answers::erase(tx, keyring, "contact", &[erasure.record]).await?;
            erasure.counts.answers += kept;
            erasure.enter(Stage::Changes);
        }
        Stage::Changes => {
            let page = history::changes(tx, erasure.record, erasure.cursor).await?;
            let ids = ids(&page);
            history::seek(tx, erasure.id, &ids).await?;
            erasure.counts.audit_entries += history::erase_entries(tx, &ids).await?;
            erase_bodies(tx, erasure, &ids).await?;
            turn(erasure, &page, Stage::Activities);
        }
        Stage::Activities => {
            let page = history::activities(tx, erasure.record, erasure.cursor).await?;
            let ids = ids(&page);
            let events = history::told(tx, &ids).await?;
            erasure.counts.activities += history::erase_activities(tx, &ids).await?;
            erasure.counts.audit_entries += history::erase_entries_about(tx, &ids).await?;
            erasure.counts.answers += answers::erase(tx, keyring, "activity", &ids).await?;
            erase_bodies(tx, erasure, &events).await?;
            turn(erasure, &page, Stage::Settling);
        }
        Stage::Settling => match erasure.fence {
            Some(fence) if !store::settled(tx, fence).await? => return Ok(Some(SETTLING)),
            _ => erasure.enter(Stage::ChangeAttempts),
        },
        Stage::ChangeAttempts => {
            let page = history::changes(tx, erasure.record, erasure.cursor).await?;
            erasure.counts.attempts += history::erase_attempts(tx, &ids(&page)).await?;
            turn(erasure, &page, Stage::ActivityAttempts);
        }
        Stage::ActivityAttempts => {
            let page = history::activities(tx, erasure.record, erasure.cursor).await?;
            let events = history::told(tx, &ids(&page)).await?;
            erasure.counts.attempts += history::erase_attempts(tx, &events).await?;
            turn(erasure, &page, Stage::Imports);
        }
        Stage::Imports => match imports::next(tx, erasure).await? {
            None => erasure.enter(Stage::Done),
            Some(import) if !import.over => return Ok(Some(IMPORTING)),
            Some(import) => {
                let (rows, next) = imports::erase(tx, erasure, import.id).await?;
                erasure.counts.import_rows += rows;
                if rows > 0 {
                    let kept = answers::erase(tx, keyring, "import", &[import.id]).await?;
                    erasure.counts.answers += kept;
                }
                erasure.cursor = next;
            }
        },
        Stage::Done => {}
    }
    Ok(None)
}

async fn erase_bodies(
    tx: &mut TenantTx,
    erasure: &mut Erasure,
    events: &[Uuid],
) -> sqlx::Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let logged = history::erase_events(tx, events).await?;
    let delivered = history::erase_deliveries(tx, events).await?;
    if logged + delivered > 0 {
        erasure.fence = Some(store::transaction(tx).await?);
    }
    erasure.counts.events += logged;
    erasure.counts.deliveries += delivered;
    Ok(())
}

fn ids(page: &[Place]) -> Vec<Uuid> {
    page.iter().map(|place| place.id).collect()
}

/// Goes on behind the page, or with the next stage after an empty one.
fn turn(erasure: &mut Erasure, page: &[Place], next: Stage) {
    match page.last() {
        Some(last) => {
            erasure.cursor = Cursor { at: Some(last.at), id: Some(last.id), row: None };
        }
        None => erasure.enter(next),
    }
}
