//! Step 2 of 6. Before: api/src/crm/contacts/http.rs. After: shared/src/outbox.rs.
//!
//! Contacts: the rules. A contact's change is announced in its transaction; what its company's change does to it is
//! not.

mod company;
mod erase;
mod http;
pub mod import;
mod input;
mod store;
mod unique;

use shared::TenantTx;
use shared::contacts::e164;
pub use shared::contacts::{Contact, ContactPatch};
use shared::id::ContactId;
use shared::scope::Scope;
use uuid::Uuid;

use super::companies;
use super::deleted::{self, Deleted};
use crate::changes;
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::http::doc::SchemaOf;
use crate::http::expand::{self, Expansion, Records};
use crate::http::{IfMatch, Listed, Representation, Resource};
use crate::list::{Column, Kind, List, ListQuery, Search};
pub use company::{are_many_of, leave_company, rename_company};
pub use erase::{ErasedContact, erase};
pub use http::routes;
pub use input::NewContact;
pub use unique::EXISTING;

impl Representation for Contact {
    fn version(&self) -> Option<i32> {
        Some(self.version)
    }
}

impl Resource for ContactId {
    const NAME: &'static str = "Contact";
}

/// What lists of contacts can be asked.
pub static LIST: List = List {
    columns: &[
        Column { name: "name", sql: "name_key", kind: Kind::Folded },
        Column { name: "email", sql: "email_key", kind: Kind::Folded },
        Column { name: "company", sql: "company_key", kind: Kind::Folded },
        Column { name: "companyId", sql: "company_id", kind: Kind::Id },
        Column { name: "externalId", sql: "external_id", kind: Kind::Exact },
        Column { name: "phone", sql: "phone_e164", kind: Kind::Phone },
        Column { name: "createdAt", sql: "created_at", kind: Kind::Time },
        Column { name: "updatedAt", sql: "updated_at", kind: Kind::Time },
    ],
    sorts: &[("createdAt", "created_at"), ("updatedAt", "updated_at"), ("name", "name_key")],
    default_sort: "-createdAt",
    search: Some(Search { function: "search_contacts", column: "search" }),
    expansions: &[Expansion {
        name: "company",
        member: "companyId",
        schema: SchemaOf::of::<companies::Company>(),
        scope: Scope::CompaniesRead,
        load: |tx, ids| Box::pin(companies::referred(tx, ids)),
    }],
};

/// One page of the tenant's contacts.
///
/// # Errors
/// The database's.
pub async fn list(tx: &mut TenantTx, query: &ListQuery) -> Result<Listed<Contact>> {
    Ok(query.fetch(tx, &store::SOURCE).await?)
}

/// One page of the contacts that were deleted and can be restored.
///
/// # Errors
/// The database's.
pub async fn list_deleted(tx: &mut TenantTx, query: ListQuery) -> Result<Listed<Deleted<Contact>>> {
    Ok(deleted::page(tx, query, &store::SOURCE, "deleted_at is not null and erased_at is null")
        .await?)
}

/// Stores a contact and announces `contact.created`.
///
/// # Errors
/// [`Error::Invalid`] for a company that is not there, [`Error::Taken`].
pub async fn create(tx: &mut TenantTx, new: NewContact) -> Result<Contact> {
    let now = tx.now();
    let mut contact = Contact {
        id: ContactId(tx.fresh_id()),
        tenant_id: tx.tenant(),
        phone_e164: new.phone.as_deref().and_then(e164),
        name: new.name,
        email: new.email,
        phone: new.phone,
        company: new.company,
        company_id: new.company_id,
        external_id: new.external_id,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    let companies = company::known(tx, contact.company_id.as_slice()).await?;
    company::join(&companies, None, &mut contact).map_err(company::none)?;
    let creation = changes::creation(tx, &contact)?;
    store::insert(tx, &contact, creation).await.map_err(unique::translate(&contact))?;
    Ok(contact)
}

/// The contact.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(tx: &mut TenantTx, id: ContactId) -> Result<Contact> {
    store::find(tx, id).await?.ok_or_else(ContactId::not_found)
}

/// Those of the contacts that are there, for whoever refers to them.
///
/// # Errors
/// The database's.
pub async fn referred(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Records> {
    expand::records(&store::find_all(tx, ids).await?, |contact| contact.id.0)
}

/// Merges a change into a contact and announces `contact.updated`, unless nothing changed.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`]; as for [`create`].
pub async fn update(
    tx: &mut TenantTx,
    id: ContactId,
    seen: &IfMatch,
    patch: ContactPatch,
) -> Result<Contact> {
    let mut companies = company::before_change(tx, id, &patch).await?;
    let before = store::lock(tx, id).await?.ok_or_else(ContactId::not_found)?;
    seen.check(before.version)?;
    company::overtaken(tx, &before, &patch, &mut companies).await?;
    let Some(after) = before.changed(patch, &companies, tx.now()).map_err(company::none)? else {
        return Ok(before);
    };
    store::update(tx, &after).await.map_err(unique::translate(&after))?;
    changes::updated(tx, &before, &after)?;
    Ok(after)
}

/// Hides a contact, which can be restored for 30 days, and announces `contact.deleted` with its last state.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`].
pub async fn remove(tx: &mut TenantTx, id: ContactId, seen: &IfMatch) -> Result<()> {
    let contact = store::lock(tx, id).await?.ok_or_else(ContactId::not_found)?;
    seen.check(contact.version)?;
    store::delete(tx, id).await?;
    let last = Contact { version: contact.version + 1, ..contact.clone() };
    Ok(changes::deleted_as(tx, &contact, &last)?)
}

/// Brings a deleted contact back and announces `contact.created` with `restored: true`; one that was never gone
/// is left as it is.
///
/// # Errors
/// [`Error::NotFound`], also when it was deleted more than 30 days ago; [`Error::Taken`] when another contact has
/// taken its place.
pub async fn restore(tx: &mut TenantTx, id: ContactId) -> Result<Contact> {
    let restored = store::restore(tx, id, tx.now() - deleted::RESTORABLE).await;
    if let Some(contact) = restored.map_err(unique::returning)? {
        changes::restored(tx, &contact)?;
        return Ok(contact);
    }
    // Locked, so that who erases it comes before or sees what is kept of this answer.
    store::lock(tx, id).await?.ok_or_else(ContactId::not_found)
}
