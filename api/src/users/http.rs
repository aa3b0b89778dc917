//! Users over HTTP.

use axum::extract::State;
use shared::id::UserId;
use shared::scope::Scope;

use super::{LIST, User};
use crate::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::routes::Routes;
use crate::http::{Data, Id, Listed, Params};
use crate::list::ListQuery;

/// What can be done with users.
pub fn routes() -> Routes {
    Routes::under("/api/v1/users", "Users")
        .get("", Scope::UsersRead, list, Doc::page::<User>("listUsers", "List users", &LIST))
        .get("/{id}", Scope::UsersRead, show, Doc::data::<User>("getUser", "Get a user"))
}

async fn list(caller: Caller, State(app): State<App>, params: Params) -> Result<Listed<User>> {
    let query = ListQuery::parse(&LIST, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::list(&mut tx, &query).await;
    tx.finish(page).await
}

async fn show(caller: Caller, State(app): State<App>, Id(id): Id<UserId>) -> Result<Data<User>> {
    let mut tx = app.begin(&caller).await?;
    let user = super::show(&mut tx, id).await;
    tx.finish(user).await.map(Data)
}
