//! Erasures over HTTP: which there are, and how far they are.

use axum::extract::State;
use shared::id::ErasureId;
use shared::scope::Scope;

use super::{Erasure, LIST, PATH};
use crate::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::routes::Routes;
use crate::http::{Data, Id, Listed, Params};
use crate::list::ListQuery;

/// What can be done with erasures: look. They are begun at their records.
pub fn routes() -> Routes {
    let list_doc = Doc::page::<Erasure>("listErasures", "List erasures", &LIST);
    let show_doc = Doc::data::<Erasure>("getErasure", "See how far an erasure is");
    Routes::under(PATH, "Erasures").get("", Scope::ContactsErase, list, list_doc).get(
        "/{id}",
        Scope::ContactsErase,
        show,
        show_doc,
    )
}

async fn list(caller: Caller, State(app): State<App>, params: Params) -> Result<Listed<Erasure>> {
    let query = ListQuery::parse(&LIST, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::list(&mut tx, &query).await;
    tx.finish(page).await
}

async fn show(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ErasureId>,
) -> Result<Data<Erasure>> {
    let mut tx = app.begin(&caller).await?;
    let erasure = super::show(&mut tx, id).await;
    tx.finish(erasure).await.map(Data)
}
