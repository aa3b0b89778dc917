//! The audit log over HTTP.

use axum::extract::State;
use shared::id::EntryId;
use shared::scope::Scope;

use super::{AuditEntry, LIST};
use crate::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::routes::Routes;
use crate::http::{Data, Id, Listed, Params};
use crate::list::ListQuery;

/// What can be done with the audit log: read it.
pub fn routes() -> Routes {
    let list_doc = Doc::page::<AuditEntry>("listAuditEntries", "List who changed what", &LIST);
    let show_doc = Doc::data::<AuditEntry>("getAuditEntry", "Get one change");
    Routes::under("/api/v1/audit-log", "Audit log").get("", Scope::AuditRead, list, list_doc).get(
        "/{id}",
        Scope::AuditRead,
        show,
        show_doc,
    )
}

async fn list(
    caller: Caller,
    State(app): State<App>,
    params: Params,
) -> Result<Listed<AuditEntry>> {
    let query = ListQuery::parse(&LIST, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::list(&mut tx, &query).await;
    tx.finish(page).await
}

async fn show(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<EntryId>,
) -> Result<Data<AuditEntry>> {
    let mut tx = app.begin(&caller).await?;
    let entry = super::show(&mut tx, id).await;
    tx.finish(entry).await.map(Data)
}
