//! Step 1 of 6. Before: a tenant's program. After: api/src/crm/contacts/mod.rs.
//!
//! Contacts over HTTP: parse the body, *then* begin the tenant's transaction, call the rules, commit, answer.

use axum::extract::State;
use shared::id::ContactId;
use shared::scope::Scope;

use super::{Contact, ContactPatch, LIST, NewContact};
use crate::App;
use crate::auth::Caller;
use crate::crm::deleted::{self, Deleted};
use crate::erasures::{self, Erasure};
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::expand::{Expand, Expanded};
use crate::http::routes::Routes;
use crate::http::{Accepted, Created, Data, Id, IfMatch, Listed, NoContent, Params, Reply, Valid};
use crate::list::ListQuery;

const PATH: &str = "/api/v1/connection/contacts";

const TAKEN: &str =
    "Another contact has the external id, or the e-mail address where addresses are unique";

/// What can be done with contacts.
pub fn routes() -> Routes {
    use Scope::{ContactsErase, ContactsRead, ContactsWrite};
    Routes::under(PATH, "Contacts")
        .get("", ContactsRead, list, Doc::page::<Contact>("listContacts", "List contacts", &LIST))
        .post(
            "",
            ContactsWrite,
            create,
            Doc::created::<Contact>("createContact", "Create a contact")
                .body::<NewContact>()
                .conflict(TAKEN),
        )
        .get(
            "/deleted",
            ContactsRead,
            deleted,
            Doc::page::<Deleted<Contact>>(
                "listDeletedContacts",
                "List deleted contacts",
                &deleted::LIST,
            ),
        )
        .get(
            "/{id}",
            ContactsRead,
            show,
            Doc::data::<Contact>("getContact", "Get a contact").expands(LIST.expansions),
        )
        .merge(
            "/{id}",
            ContactsWrite,
            update,
            Doc::data::<Contact>("updateContact", "Change a contact")
                .body::<ContactPatch>()
                .conditional()
                .conflict(TAKEN),
        )
        .delete(
            "/{id}",
            ContactsWrite,
            remove,
            Doc::done("deleteContact", "Delete a contact").conditional(),
        )
        .post(
            "/{id}/restore",
            ContactsWrite,
            restore,
            Doc::data::<Contact>("restoreContact", "Restore a deleted contact").conflict(TAKEN),
        )
        .post(
            "/{id}/erase",
            ContactsErase,
            erase,
            Doc::accepted::<Erasure>("eraseContact", "Erase a contact for good, and its history")
                .conditional(),
        )
}

async fn list(
    caller: Caller,
    State(app): State<App>,
    params: Params,
) -> Result<Listed<Expanded<Contact>>> {
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
) -> Result<Listed<Deleted<Contact>>> {
    let query = ListQuery::parse(&deleted::LIST, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let page = super::list_deleted(&mut tx, query).await;
    tx.finish(page).await
}

async fn create(
    caller: Caller,
    State(app): State<App>,
    Valid(new): Valid<NewContact>,
) -> Result<Reply> {
    let mut tx = app.begin_creation(&caller).await?;
    let contact = super::create(&mut tx, new).await;
    let created = contact.map(|data| Created { location: format!("{PATH}/{}", data.id), data });
    app.commit(&caller, tx, created).await
}

async fn show(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ContactId>,
    params: Params,
) -> Result<Data<Expanded<Contact>>> {
    let expand = Expand::parse(LIST.expansions, &params)?;
    let mut tx = app.begin_reading(&caller).await?;
    let contact = super::show(&mut tx, id).await;
    let contact = expand.record(&mut tx, contact).await;
    tx.finish(contact).await.map(Data)
}

async fn update(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ContactId>,
    seen: IfMatch,
    Valid(patch): Valid<ContactPatch>,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let contact = super::update(&mut tx, id, &seen, patch).await;
    app.commit(&caller, tx, contact.map(Data)).await
}

async fn remove(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ContactId>,
    seen: IfMatch,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let removed = super::remove(&mut tx, id, &seen).await;
    app.commit(&caller, tx, removed.map(|()| NoContent)).await
}

async fn restore(caller: Caller, State(app): State<App>, Id(id): Id<ContactId>) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let contact = super::restore(&mut tx, id).await;
    app.commit(&caller, tx, contact.map(Data)).await
}

async fn erase(
    caller: Caller,
    State(app): State<App>,
    Id(id): Id<ContactId>,
    seen: IfMatch,
) -> Result<Reply> {
    let mut tx = app.begin(&caller).await?;
    let erasure = super::erase(&mut tx, id, &seen).await;
    let begun = erasure.map(|data| Accepted { location: erasures::location(data.id), data });
    app.commit(&caller, tx, begun).await
}
