//! Imports of contacts: what can be asked of them. How rows are applied is `shared::import`, how they are read `rows`.

mod arrival;
mod errors_csv;
mod forms;
mod http;
mod options;
mod rows;
mod stage;
mod store;
mod upload;

use shared::TenantTx;
use shared::id::ImportId;
use shared::import::{INLINE, Import, Status, rows as kept, store as imports, undo as taken_back};

use crate::changes;
use crate::error::{Error, Result};
use crate::http::{IfMatch, Listed, Representation, Resource};
use crate::list::{Column, Kind, List, ListQuery};
pub use http::routes;

/// Failed rows that an import shows; `errors.csv` has all.
const SHOWN: i64 = 100;

impl Representation for Import {
    fn version(&self) -> Option<i32> {
        Some(self.version)
    }
}

impl Resource for ImportId {
    const NAME: &'static str = "Import";
}

/// What lists of imports can be asked.
static LIST: List = List {
    columns: &[
        Column { name: "status", sql: "status", kind: Kind::OneOf(Status::NAMES) },
        Column { name: "createdAt", sql: "created_at", kind: Kind::Time },
    ],
    sorts: &[("createdAt", "created_at")],
    default_sort: "-createdAt",
    search: None,
    expansions: &[],
};

async fn list(tx: &mut TenantTx, query: &ListQuery) -> Result<Listed<Import>> {
    let mut page = query.fetch(tx, &store::SOURCE).await?;
    page.items = page.items.into_iter().map(Import::complete).collect();
    Ok(page)
}

async fn show(tx: &mut TenantTx, id: ImportId) -> Result<Import> {
    let import = imports::find(tx, id).await?.ok_or_else(ImportId::not_found)?;
    with_errors(tx, import).await
}

async fn with_errors(tx: &mut TenantTx, import: Import) -> Result<Import> {
    let errors = kept::failed(tx, import.id, 0, SHOWN).await?;
    Ok(Import { errors: Some(errors), ..import.complete() })
}

/// Takes an import back: at once when it is small, otherwise by the worker. Asking again changes nothing.
async fn undo(tx: &mut TenantTx, id: ImportId, seen: &IfMatch) -> Result<Import> {
    imports::find(tx, id).await?.ok_or_else(ImportId::not_found)?;
    let busy = || Error::Conflict("A worker is busy with the import; try again".into());
    let mut import = imports::take(tx, id).await?.ok_or_else(busy)?;
    seen.check(import.version)?;
    if matches!(import.status, Status::Undoing | Status::Undone) {
        return with_errors(tx, import).await;
    }
    let until = import.undoable_until.ok_or_else(|| {
        Error::Conflict("There is nothing to undo: no contact was imported, or not yet all".into())
    })?;
    if tx.now() > until {
        return Err(Error::Conflict("An import can be undone for 24 hours".into()));
    }
    import.status = Status::Undoing;
    import.undoable_until = None;
    changes::noted(tx, &import, "undone");
    if usize::try_from(import.total).is_ok_and(|total| total <= INLINE) {
        taken_back::whole(tx, &mut import).await.map_err(meanwhile)?;
    } else {
        imports::act_as(tx, import.id).await?;
    }
    imports::save(tx, &mut import).await?;
    tx.wake();
    with_errors(tx, import).await
}

/// A unique value was taken between a look and a write.
fn meanwhile(error: sqlx::Error) -> Error {
    match shared::db::fault::constraint(&error) {
        Some("contacts_email_taken" | "contacts_external_id_taken") => Error::Conflict(
            "Somebody else was writing the same contacts; nothing was changed, try again".into(),
        ),
        _ => error.into(),
    }
}
