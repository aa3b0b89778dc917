//! API keys over HTTP.

use axum::extract::State;
use shared::id::ApiKeyId;
use shared::scope::Scope;

use super::input::{ApiKeyPatch, NewApiKey, Rotation};
use super::{ApiKey, LIST, ShownApiKey};
use crate::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::routes::Routes;
use crate::http::{
    Created, Data, Id, IfMatch, Listed, NoContent, OptionalBody, Params, Reply, Valid,
};
use crate::list::ListQuery;

const PATH: &str = "/api/v1/api-keys";

/// What can be done with API keys.
pub fn routes() -> Routes {
    use Scope::{ApiKeysRead, ApiKeysWrite};
    Routes::under(PATH, "API keys")
        .get("", ApiKeysRead, list, Doc::page::<ApiKey>("listApiKeys", "List API keys", &LIST))
        .post(
            "",
            ApiKeysWrite,
            create,
            Doc::created::<ShownApiKey>("createApiKey", "Create an API key and show it this once")
                .body::<NewApiKey>(),
        )
        .get("/{id}", ApiKeysRead, show, Doc::data::<ApiKey>("getApiKey", "Get an API key"))
        .merge(
            "/{id}",
            ApiKeysWrite,
            update,
            Doc::data::<ApiKey>("updateApiKey", "Change an API key")
                .body::<ApiKeyPatch>()
                .conditional(),
        )
        .delete(
            "/{id}",
            ApiKeysWrite,
            revoke,
            Doc::done("revokeApiKey", "Revoke an API key").conditional(),
        )
        .post(
            "/{id}/rotate",
            ApiKeysWrite,
            rotate,
            Doc::data::<ShownApiKey>("rotateApiKey", "Give an API key a new secret")
                .optional_body::<Rotation>()
                .conditional(),
        )
}

async fn list(caller: Caller, State(app): State<App>, params: Params) -> Result<Listed<ApiKey>> {
    let query = ListQuery::parse(&LIST, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::list(&mut tx, &query).await;
    tx.finish(page).await
}

async fn create(
    caller: Caller,
    State(app): State<App>,
    Valid(new): Valid<NewApiKey>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let key = super::create(&mut tx, &caller, new, &app.config.pepper).await;
    let created = key.map(|data| Created { location: format!("{PATH}/{}", data.record.id), data });
    app.commit(&caller, tx, created).await
}

async fn show(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ApiKeyId>,
) -> Result<Data<ApiKey>> {
    let mut tx = app.begin(&caller).await?;
    let key = super::show(&mut tx, id).await;
    tx.finish(key).await.map(Data)
}

async fn update(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ApiKeyId>,
    seen: IfMatch,
    Valid(patch): Valid<ApiKeyPatch>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let key = super::update(&mut tx, &caller, id, &seen, patch).await;
    app.commit(&caller, tx, key.map(Data)).await
}

async fn revoke(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ApiKeyId>,
    seen: IfMatch,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let revoked = super::revoke(&mut tx, &caller, id, &seen).await;
    app.commit(&caller, tx, revoked.map(|()| NoContent)).await
}

async fn rotate(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ApiKeyId>,
    seen: IfMatch,
    OptionalBody(rotation): OptionalBody<Rotation>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let pepper = &app.config.pepper;
    let key = super::rotate(&mut tx, &caller, id, &seen, &rotation, pepper).await;
    app.commit(&caller, tx, key.map(Data)).await
}
