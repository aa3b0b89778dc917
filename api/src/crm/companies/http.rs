//! Companies over HTTP.

use axum::extract::State;
use shared::id::CompanyId;
use shared::scope::Scope;

use super::{Company, CompanyPatch, LIST, NewCompany};
use crate::App;
use crate::auth::Caller;
use crate::crm::deleted::{self, Deleted};
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::permits::TenantPermit;
use crate::http::routes::Routes;
use crate::http::{Created, Data, Id, IfMatch, Listed, NoContent, Params, Reply, Valid};
use crate::list::ListQuery;

const PATH: &str = "/api/v1/connection/companies";

/// What can be done with companies.
pub fn routes() -> Routes {
    use Scope::{CompaniesRead, CompaniesWrite};
    Routes::under(PATH, "Companies")
        .get(
            "",
            CompaniesRead,
            list,
            Doc::page::<Company>("listCompanies", "List companies", &LIST),
        )
        .post(
            "",
            CompaniesWrite,
            create,
            Doc::created::<Company>("createCompany", "Create a company").body::<NewCompany>(),
        )
        .get(
            "/deleted",
            CompaniesRead,
            deleted,
            Doc::page::<Deleted<Company>>(
                "listDeletedCompanies",
                "List deleted companies",
                &deleted::LIST,
            ),
        )
        .get("/{id}", CompaniesRead, show, Doc::data::<Company>("getCompany", "Get a company"))
        .merge(
            "/{id}",
            CompaniesWrite,
            update,
            Doc::data::<Company>("updateCompany", "Change a company")
                .body::<CompanyPatch>()
                .conditional(),
        )
        .delete(
            "/{id}",
            CompaniesWrite,
            remove,
            Doc::done("deleteCompany", "Delete a company").conditional(),
        )
        .post(
            "/{id}/restore",
            CompaniesWrite,
            restore,
            Doc::data::<Company>("restoreCompany", "Restore a deleted company"),
        )
}

async fn list(caller: Caller, State(app): State<App>, params: Params) -> Result<Listed<Company>> {
    let query = ListQuery::parse(&LIST, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::list(&mut tx, &query).await;
    tx.finish(page).await
}

async fn deleted(
    caller: Caller,
    State(app): State<App>,
    params: Params,
) -> Result<Listed<Deleted<Company>>> {
    let query = ListQuery::parse(&deleted::LIST, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::list_deleted(&mut tx, query).await;
    tx.finish(page).await
}

async fn create(
    caller: Caller,
    State(app): State<App>,
    Valid(new): Valid<NewCompany>,
) -> Result<Reply> {
    let mut tx = app.begin_creation(&caller).await?;
    let company = super::create(&mut tx, new).await;
    let created = company.map(|data| Created { location: format!("{PATH}/{}", data.id), data });
    app.commit(&caller, tx, created).await
}

async fn show(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<CompanyId>,
) -> Result<Data<Company>> {
    let mut tx = app.begin_reading(&caller).await?;
    let company = super::show(&mut tx, id).await;
    tx.finish(company).await.map(Data)
}

async fn update(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<CompanyId>,
    seen: IfMatch,
    Valid(patch): Valid<CompanyPatch>,
) -> Result<Reply> {
    let _place = match &patch.name {
        Some(name) => place(&app, &caller, id, Some(name)).await?,
        None => None,
    };
    let mut tx = app.begin(&caller).await?;
    let company = super::update(&mut tx, id, &seen, patch).await;
    app.commit(&caller, tx, company.map(Data)).await
}

/// A place for a change of all contacts of a company that has very many: its deletion, or its new name, which they
/// carry too. Taken before the connection that it holds.
async fn place(
    app: &App,
    caller: &Caller,
    id: CompanyId,
    name: Option<&str>,
) -> Result<Option<TenantPermit>> {
    let mut tx = app.begin(caller).await?;
    let many = super::changes_many(&mut tx, id, name).await;
    if tx.finish(many).await? { Ok(Some(app.sweeps.take(caller.tenant).await?)) } else { Ok(None) }
}

async fn remove(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<CompanyId>,
    seen: IfMatch,
) -> Result<Reply> {
    let _place = place(&app, &caller, id, None).await?;
    let mut tx = app.begin(&caller).await?;
    let removed = super::remove(&mut tx, id, &seen).await;
    app.commit(&caller, tx, removed.map(|()| NoContent)).await
}

async fn restore(caller: Caller, State(app): State<App>, Id(id): Id<CompanyId>) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let company = super::restore(&mut tx, id).await;
    app.commit(&caller, tx, company.map(Data)).await
}
