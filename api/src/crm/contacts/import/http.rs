//! Imports over HTTP.

use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::future::ready;
use futures_util::stream::{self, StreamExt as _};
use http::header;
use serde_json::json;
use shared::id::ImportId;
use shared::import::{Import, MatchBy, Status};
use shared::scope::Scope;
use std::time::Duration;

use super::options::Options;
use super::upload::Upload;
use super::{LIST, arrival, errors_csv, forms, stage};
use crate::App;
use crate::auth::Caller;
use crate::error::Result;
use crate::http::authorize::{Begun, confirm};
use crate::http::doc::Doc;
use crate::http::routes::Routes;
use crate::http::{Accepted, Data, Deadline, Id, IfMatch, Listed, Params, QueryFaults, Reply};
use crate::list::ListQuery;

const PATH: &str = "/api/v1/connection/contacts/imports";
/// What a request may take besides its upload, which ends by itself: the last rows, and small imports.
const AFTERWARDS: Duration = Duration::from_mins(1);

/// What can be done with imports.
pub fn routes() -> Routes {
    use Scope::{ContactsRead, ContactsWrite};
    let import = Doc::at_once_or_accepted::<Import>("importContacts", "Import contacts")
        .streams(forms::FORMS)
        .choice(
            "mode",
            "What is done with rows of contacts that are there",
            &["create", "upsert", "skip"],
        )
        .parameter(
            "matchBy",
            "What a row and a contact have in common; `email` when it is absent. Not with `mode=create`",
            json!({"type": "string", "enum": MatchBy::NAMES}),
        )
        .choice("async", "Whether the worker does it", &["auto", "true", "false"])
        .choice("atomic", "All rows or none", &["false", "true"])
        .choice(
            "events",
            "Whether it is announced, to webhooks and in the event log",
            &["true", "false"],
        )
        .conflict("Somebody else was writing the same contacts");
    let undo = Doc::at_once_or_accepted::<Import>("undoImport", "Take an import back")
        .conditional()
        .conflict("There is nothing to undo, or it is too late");
    Routes::under("/api/v1/connection/contacts", "Contacts")
        .post("/import", ContactsWrite, import_contacts, import)
        .get(
            "/imports",
            ContactsRead,
            list,
            Doc::page::<Import>("listImports", "List imports", &LIST),
        )
        .get("/imports/{id}", ContactsRead, show, Doc::data::<Import>("getImport", "Get an import"))
        .get(
            "/imports/{id}/errors.csv",
            ContactsRead,
            errors,
            Doc::file(
                "getImportErrors",
                "Get the rows of an import that failed",
                ("text/csv", forms::ERRORS),
            )
            .answers_with("Content-Disposition", "The name of the file"),
        )
        .post("/imports/{id}/undo", ContactsWrite, undo_import, undo)
}

async fn import_contacts(
    caller: Caller,
    State(app): State<App>,
    Extension(deadline): Extension<Deadline>,
    request: Request,
) -> Result<Reply> {
    let query = request.uri().query().unwrap_or_default();
    let faults = QueryFaults::of(request.extensions());
    let options = Options::read(query, caller.terms.dry_run, faults)?;
    deadline.extend(arrival::WHOLE + AFTERWARDS);
    let begun = Begun::now(&app);
    let _place = app.uploads.take(caller.tenant).await?;
    let (parts, body) = request.into_parts();
    let mut upload = Upload::of(&parts.headers, body).await?;
    let (sender, to) = (caller.clone(), app.clone());
    let confirmed =
        async move { confirm(&to, &parts.headers, &sender, begun).await.err().map(Err) };
    upload.bytes = upload.bytes.chain(stream::once(confirmed).filter_map(ready)).boxed();
    stage::receive(&app, &caller, options, upload, PATH).await
}

async fn list(caller: Caller, State(app): State<App>, params: Params) -> Result<Listed<Import>> {
    let query = ListQuery::parse(&LIST, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::list(&mut tx, &query).await;
    tx.finish(page).await
}

async fn show(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ImportId>,
) -> Result<Data<Import>> {
    let mut tx = app.begin(&caller).await?;
    let import = super::show(&mut tx, id).await;
    tx.finish(import).await.map(Data)
}

async fn errors(caller: Caller, State(app): State<App>, Id(id): Id<ImportId>) -> Result<Response> {
    let mut tx = app.begin(&caller).await?;
    let columns = match super::show(&mut tx, id).await {
        Ok(_) => errors_csv::columns(&mut tx, id).await,
        Err(error) => Err(error),
    };
    let columns = tx.finish(columns).await?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"errors.csv\""),
        (header::CACHE_CONTROL, "no-store, private"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, errors_csv::body(app, caller, id, columns)).into_response())
}

async fn undo_import(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ImportId>,
    seen: IfMatch,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    match super::undo(&mut tx, id, &seen).await {
        Ok(data) if data.status == Status::Undoing => {
            let begun = Accepted { location: format!("{PATH}/{id}"), data };
            app.commit(&caller, tx, Ok(begun)).await
        }
        done => app.commit(&caller, tx, done.map(Data)).await,
    }
}
