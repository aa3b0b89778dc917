//! Leads over HTTP.

use axum::extract::State;
use shared::id::LeadId;
use shared::scope::Scope;

use super::{Conversion, HISTORY, LIST, Lead, LeadPatch, Move, NewLead, StageMove};
use crate::App;
use crate::auth::Caller;
use crate::crm::deleted::{self, Deleted};
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::expand::{Expand, Expanded};
use crate::http::fields::Change;
use crate::http::routes::Routes;
use crate::http::{Created, Data, Id, IfMatch, Listed, NoContent, Params, Reply, Valid};
use crate::list::ListQuery;

const PATH: &str = "/api/v1/connection/leads";

/// What can be done with leads.
pub fn routes() -> Routes {
    use Scope::{LeadsRead, LeadsWrite};
    Routes::under(PATH, "Leads")
        .get("", LeadsRead, list, Doc::page::<Lead>("listLeads", "List leads", &LIST))
        .post(
            "",
            LeadsWrite,
            create,
            Doc::created::<Lead>("createLead", "Create a lead").body::<NewLead>(),
        )
        .get(
            "/deleted",
            LeadsRead,
            deleted,
            Doc::page::<Deleted<Lead>>("listDeletedLeads", "List deleted leads", &deleted::LIST),
        )
        .get(
            "/{id}",
            LeadsRead,
            show,
            Doc::data::<Lead>("getLead", "Get a lead").expands(LIST.expansions),
        )
        .merge(
            "/{id}",
            LeadsWrite,
            update,
            Doc::data::<Lead>("updateLead", "Change a lead").body::<LeadPatch>().conditional(),
        )
        .delete("/{id}", LeadsWrite, remove, Doc::done("deleteLead", "Delete a lead").conditional())
        .post(
            "/{id}/restore",
            LeadsWrite,
            restore,
            Doc::data::<Lead>("restoreLead", "Restore a deleted lead"),
        )
        .post(
            "/{id}/move",
            LeadsWrite,
            shift,
            Doc::data::<Lead>("moveLead", "Move a lead to a stage").body::<Move>().conditional(),
        )
        .post(
            "/{id}/convert",
            LeadsWrite,
            convert,
            Doc::data::<Lead>("convertLead", "Make a contact and a company of a lead")
                .body::<Conversion>()
                .conditional()
                .conflict(
                    "The lead is converted already, or another contact has the new one's values",
                ),
        )
        .get(
            "/{id}/history",
            LeadsRead,
            history,
            Doc::page::<StageMove>("listLeadHistory", "List a lead's moves", &HISTORY),
        )
}

async fn list(
    caller: Caller,
    State(app): State<App>,
    params: Params,
) -> Result<Listed<Expanded<Lead>>> {
    let query = ListQuery::parse(&LIST, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::list(&mut tx, &query).await;
    let page = query.expand(&mut tx, page).await;
    tx.finish(page).await
}

async fn deleted(
    caller: Caller,
    State(app): State<App>,
    params: Params,
) -> Result<Listed<Deleted<Lead>>> {
    let query = ListQuery::parse(&deleted::LIST, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::list_deleted(&mut tx, query).await;
    tx.finish(page).await
}

async fn create(
    caller: Caller,
    State(app): State<App>,
    Valid(new): Valid<NewLead>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let lead = super::create(&mut tx, new).await;
    let created = lead.map(|data| Created { location: format!("{PATH}/{}", data.id), data });
    app.commit(&caller, tx, created).await
}

async fn show(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<LeadId>,
    params: Params,
) -> Result<Data<Expanded<Lead>>> {
    let expand = Expand::parse(LIST.expansions, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let lead = super::show(&mut tx, id).await;
    let lead = expand.record(&mut tx, lead).await;
    tx.finish(lead).await.map(Data)
}

async fn update(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<LeadId>,
    seen: IfMatch,
    Valid(patch): Valid<LeadPatch>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let lead = super::update(&mut tx, id, &seen, patch).await;
    app.commit(&caller, tx, lead.map(Data)).await
}

async fn remove(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<LeadId>,
    seen: IfMatch,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let removed = super::remove(&mut tx, id, &seen).await;
    app.commit(&caller, tx, removed.map(|()| NoContent)).await
}

async fn restore(caller: Caller, State(app): State<App>, Id(id): Id<LeadId>) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let lead = super::restore(&mut tx, id).await;
    app.commit(&caller, tx, lead.map(Data)).await
}

/// A change of the stage alone.
async fn shift(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<LeadId>,
    seen: IfMatch,
    Valid(wanted): Valid<Move>,
) -> Result<Reply> {
    let patch = LeadPatch { stage_id: Change::Set(wanted.stage_id), ..LeadPatch::default() };
    let mut tx = app.begin(&caller).await?;
    let lead = super::update(&mut tx, id, &seen, patch).await;
    app.commit(&caller, tx, lead.map(Data)).await
}

async fn convert(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<LeadId>,
    seen: IfMatch,
    Valid(conversion): Valid<Conversion>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let lead = super::convert(&mut tx, &caller, id, &seen, conversion).await;
    app.commit(&caller, tx, lead.map(Data)).await
}

async fn history(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<LeadId>,
    params: Params,
) -> Result<Listed<StageMove>> {
    let query = ListQuery::parse(&HISTORY, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::history(&mut tx, id, &query).await;
    tx.finish(page).await
}
