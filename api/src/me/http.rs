//! The caller over HTTP.

use axum::extract::State;

use super::Me;
use crate::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::Data;
use crate::http::doc::Doc;
use crate::http::routes::{Access, Routes};

/// What a caller can ask of itself.
pub fn routes() -> Routes {
    Routes::under("/api/v1/me", "Users").get(
        "",
        Access::Any,
        show,
        Doc::data::<Me>("getMe", "Who the credential stands for and what it may do"),
    )
}

async fn show(caller: Caller, State(app): State<App>) -> Result<Data<Me>> {
    let mut tx = app.begin(&caller).await?;
    let me = super::show(&mut tx, &caller).await;
    tx.finish(me).await.map(Data)
}
