//! The steps of an erasure, in the order of [`Stage`].

use chrono::TimeDelta;
use shared::TenantTx;
use shared::seal::Keyring;
use uuid::Uuid;

use super::answers::{self, Shown};
use super::history::{self, Place};
use super::{Cursor, Erasure, Stage, imports};

/// How long others are left to write what they are writing.
const BUSY: TimeDelta = TimeDelta::milliseconds(50);

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
            // Before the relay is held, which everybody's events wait for.
            let shown = Shown::Record("contact");
            let kept = answers::erase_some(tx, keyring, shown, &[erasure.record]).await?;
            erasure.counts.answers += kept;
            if kept == answers::PAGE {
                return Ok(None);
            }
            history::lock_relay(tx).await?;
            erasure.counts.events += history::erase_outbox(tx, erasure.record).await?;
            erasure.enter(Stage::Changes);
        }
        Stage::Changes => {
            let page = history::changes(tx, erasure.record, erasure.cursor).await?;
            let ids = ids(&page);
            history::seek(tx, erasure.id, &ids).await?;
            erasure.counts.audit_entries += history::erase_entries(tx, &ids).await?;
            if erase_told(tx, keyring, erasure, &ids).await? {
                return Ok(Some(BUSY));
            }
            turn(erasure, &page, Stage::Activities);
        }
        Stage::Activities => {
            let page = history::activities(tx, erasure.record, erasure.cursor).await?;
            let ids = ids(&page);
            let events = history::told(tx, &ids).await?;
            erasure.counts.activities += history::erase_activities(tx, &ids).await?;
            erasure.counts.audit_entries += history::erase_entries_about(tx, &ids).await?;
            erasure.counts.answers +=
                answers::erase(tx, keyring, Shown::Record("activity"), &ids).await?;
            if erase_told(tx, keyring, erasure, &events).await? {
                return Ok(Some(BUSY));
            }
            if page.is_empty() && !imports::none_is_new(tx).await? {
                return Ok(Some(BUSY));
            }
            turn(erasure, &page, Stage::Imports);
        }
        Stage::Imports => match imports::next(tx, erasure).await? {
            None => erasure.enter(Stage::Done),
            Some(import) if !import.over => return Ok(Some(IMPORTING)),
            Some(import) => {
                let (rows, next) = imports::erase(tx, erasure, import.id).await?;
                erasure.counts.import_rows += rows;
                if rows > 0 {
                    let shown = Shown::Record("import");
                    let kept = answers::erase(tx, keyring, shown, &[import.id]).await?;
                    erasure.counts.answers += kept;
                }
                erasure.cursor = next;
            }
        },
        Stage::Done => {}
    }
    Ok(None)
}

/// Erases the data of events and their deliveries, then what receivers said: whoever writes an attempt holds its
/// delivery, so none comes unseen. Says whether deliveries were passed over, so that the step is to be done again.
async fn erase_told(
    tx: &mut TenantTx,
    keyring: &Keyring,
    erasure: &mut Erasure,
    events: &[Uuid],
) -> sqlx::Result<bool> {
    if events.is_empty() {
        return Ok(false);
    }
    erasure.counts.events += history::erase_events(tx, events).await?;
    erasure.counts.deliveries += history::erase_deliveries(tx, events).await?;
    erasure.counts.attempts += history::erase_attempts(tx, events).await?;
    let deliveries = history::deliveries(tx, events).await?;
    erasure.counts.answers += answers::erase(tx, keyring, Shown::Delivery, &deliveries).await?;
    history::left(tx, events).await
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
