//! A tenant's settings over HTTP.

use axum::extract::State;
use shared::scope::Scope;

use super::{Settings, SettingsPatch};
use crate::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::routes::Routes;
use crate::http::{Data, IfMatch, Reply, Valid};

/// What can be done with settings.
pub fn routes() -> Routes {
    let get = Doc::data::<Settings>("getSettings", "Get the tenant's settings");
    let change = Doc::data::<Settings>("updateSettings", "Change the tenant's settings")
        .body::<SettingsPatch>()
        .conditional()
        .conflict("E-mail addresses shall be unique and contacts share some");
    Routes::under("/api/v1/tenant/settings", "Settings")
        .get("", Scope::SettingsRead, show, get)
        .merge("", Scope::SettingsWrite, update, change)
}

async fn show(caller: Caller, State(app): State<App>) -> Result<Data<Settings>> {
    let mut tx = app.begin(&caller).await?;
    let settings = super::show(&mut tx).await;
    tx.finish(settings).await.map(Data)
}

async fn update(
    caller: Caller,
    State(app): State<App>,
    seen: IfMatch,
    Valid(patch): Valid<SettingsPatch>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let settings = super::update(&mut tx, &seen, patch).await;
    app.commit(&caller, tx, settings.map(Data)).await
}
