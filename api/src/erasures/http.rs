//! Erasures over HTTP: how far they are.

use axum::extract::State;
use shared::id::ErasureId;
use shared::scope::Scope;

use super::{Erasure, PATH};
use crate::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::routes::Routes;
use crate::http::{Data, Id};

/// What can be done with erasures: look. They are begun at their records.
pub fn routes() -> Routes {
    Routes::under(PATH, "Erasures").get(
        "/{id}",
        Scope::ContactsErase,
        show,
        Doc::data::<Erasure>("getErasure", "See how far an erasure is"),
    )
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
