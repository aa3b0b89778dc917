//! Takes an import back: contacts that it made are deleted, those that it changed become what they were. What
//! somebody has changed since is left alone, and so is what cannot be put back without breaking a rule.

use std::collections::HashMap;

use uuid::Uuid;

use super::batch::{Batch, Wanted};
use super::{Import, Status, rows};
use crate::changes;
use crate::contacts::{Contact, store};
use crate::db::TenantTx;

/// Takes an import of few rows back. Its state is up to the caller to save.
///
/// # Errors
/// The database's.
pub async fn whole(tx: &mut TenantTx, import: &mut Import) -> sqlx::Result<()> {
    while import.status == Status::Undoing {
        step(tx, import).await?;
    }
    Ok(())
}

/// Puts back the next contacts of the import; behind the last it is undone.
pub(super) async fn step(tx: &mut TenantTx, import: &mut Import) -> sqlx::Result<()> {
    if !import.events {
        tx.mute();
    }
    if !next(tx, import).await? {
        import.status = Status::Undone;
    }
    Ok(())
}

/// Puts back the next contacts and counts them; says whether there may be more.
async fn next(tx: &mut TenantTx, import: &mut Import) -> sqlx::Result<bool> {
    store::take_turns(tx).await?;
    let applied = rows::applied(tx, import.id).await?;
    let ids: Vec<Uuid> = applied.iter().map(|applied| applied.contact.0).collect();
    let former = || applied.iter().filter_map(|applied| applied.before.as_ref()).map(|b| &b.0);
    let wanted = Wanted {
        contacts: store::companies_of(tx, &ids).await?,
        companies: former().filter_map(|before| before.company_id).collect(),
        emails: former().filter_map(|before| before.email.clone()).collect(),
        keys: HashMap::new(),
        external_ids: former().filter_map(|before| before.external_id.clone()).collect(),
    };
    let mut batch = Batch::begin(tx, wanted).await?;
    for applied in &applied {
        let place = batch.slots.iter().position(|slot| slot.after.id == applied.contact);
        let place = place.filter(|place| {
            applied.unbroken && batch.slots[*place].after.version == applied.version
        });
        let undone = match (place, &applied.before) {
            (None, _) => false,
            (Some(place), None) => {
                let slot = &mut batch.slots[place];
                slot.gone = true;
                let before = slot.after.clone();
                slot.after.version += 1;
                changes::deleted_as(tx, &before, &slot.after)?;
                true
            }
            (Some(place), Some(before)) => restore(tx, &mut batch, place, &before.0)?,
        };
        *if undone { &mut import.undone } else { &mut import.kept } += 1;
    }
    batch.write(tx).await?;
    rows::settle(tx, import.id, &ids).await?;
    Ok(!ids.is_empty())
}

fn restore(
    tx: &mut TenantTx,
    batch: &mut Batch,
    place: usize,
    before: &Contact,
) -> sqlx::Result<bool> {
    let current = batch.slots[place].after.clone();
    let known = |id| batch.companies.iter().any(|(known, _)| *known == id);
    let mut after = Contact {
        company_id: before.company_id.filter(|id| known(*id)),
        version: current.version,
        updated_at: current.updated_at,
        ..before.clone()
    };
    // One row undid another's change: there is nothing to write and nothing to tell.
    if after == current {
        return Ok(true);
    }
    changes::touch(&mut after.version, &mut after.updated_at, tx.now());
    if batch.conflict(Some(place), &after).is_some() {
        return Ok(false);
    }
    changes::updated(tx, &current, &after)?;
    batch.slots[place].after = after;
    Ok(true)
}
