//! A small table of routes with every class and every kind of answer, for what the product's own does not have.

use api::error::{Error, Result};
use api::http::doc::Doc;
use api::http::routes::{Routes, router};
use api::http::{NoContent, layered};
use api::limit::Class;
use axum::Router;
use axum::extract::State;
use shared::scope::Scope;

/// Where it is mounted.
pub const TABLE: &str = "/table";

/// The table as an api.
pub fn table(app: api::App) -> Router {
    let doc = |id| Doc::done(id, "A route of a test.");
    let routes = Routes::under(TABLE, "table")
        .public_post("/login", Class::Login, identity, doc("login"))
        .public_post("/refresh", Class::Refresh, done, doc("refresh"))
        .public_post("/qr", Class::Qr, done, doc("qr"))
        .public_get("/qr/{session}/status", Class::QrPoll, done, doc("poll"))
        .public_get("/panics", Class::Read, panics, doc("panics"))
        .public_get("/broken", Class::Read, broken, doc("broken"))
        .post("/scan", Scope::ContactsRead, done, doc("scan"))
        .limited(Class::Qr)
        .delete("/record", Scope::ContactsRead, done, doc("remove"));
    layered(router(routes.into_list(), &app), app)
}

async fn done() -> NoContent {
    NoContent
}

/// Counts by what only a handler sees: here the text of the body.
async fn identity(State(app): State<api::App>, body: String) -> Result<NoContent> {
    let _said = app.limits.take(Class::Login, &body).await?;
    Ok(NoContent)
}

async fn panics() -> NoContent {
    panic!("a route of a test")
}

async fn broken() -> Error {
    Error::Internal("a route of a test".into())
}
