//! The order in which a contact and its company are locked, and what a caller is told of one that is not there. What
//! the two have to do with each other is in `shared::contacts::company`.

use shared::TenantTx;
use shared::contacts::company::{Known, NONE, NoSuchCompany};
pub(super) use shared::contacts::company::{join, known};
use shared::id::{CompanyId, ContactId};

use super::{Contact, ContactPatch, store};
use crate::crm::companies;
use crate::error::{Error, Result};
use crate::http::fields::Change;

/// The companies that a change needs to know. Taken before the contact is, as a company's own changes do: whoever
/// takes two things in the other order may wait for ever.
pub(super) async fn before_change(
    tx: &mut TenantTx,
    id: ContactId,
    patch: &ContactPatch,
) -> Result<Known> {
    if !concerns(patch) {
        return Ok(Vec::new());
    }
    let mut ids = Vec::from_iter(store::company_of(tx, id).await?);
    if let Change::Set(new) = patch.company_id {
        ids.push(new);
    }
    Ok(known(tx, &ids).await?)
}

/// Adds the company that the contact, which is taken now, has by another change since they were looked up. It needs no
/// lock: who renames it waits for the contact.
pub(super) async fn overtaken(
    tx: &mut TenantTx,
    before: &Contact,
    patch: &ContactPatch,
    companies: &mut Known,
) -> Result<()> {
    if let Some(id) = before.company_id
        && concerns(patch)
        && companies.iter().all(|(known, _)| *known != id)
    {
        companies.push((id, companies::show(tx, id).await?.name));
    }
    Ok(())
}

/// Whether a change has to do with the company.
fn concerns(patch: &ContactPatch) -> bool {
    patch.company_id != Change::Keep || patch.company == Change::Clear
}

/// The answer to a company that is not there.
pub(super) fn none(_: NoSuchCompany) -> Error {
    Error::field("companyId", NONE)
}

/// Whether a company has so many contacts that to change them all takes time.
///
/// # Errors
/// The database's.
pub async fn are_many_of(tx: &mut TenantTx, company: CompanyId) -> Result<bool> {
    Ok(store::are_many_of(tx, company).await?)
}

/// Contacts that carry a company's former name carry the new one. They change and do not announce it: a company
/// may have more contacts than anyone wants to hear of, and `company.updated` tells the same.
///
/// # Errors
/// The database's.
pub async fn rename_company(
    tx: &mut TenantTx,
    company: CompanyId,
    from: &str,
    to: &str,
) -> Result<()> {
    Ok(store::rename_company(tx, company, from, to).await?)
}

/// The contacts of a company that ends keep its name and refer to nothing (requirement CO-10), without announcing
/// it, as in [`rename_company`].
///
/// # Errors
/// The database's.
pub async fn leave_company(tx: &mut TenantTx, company: CompanyId) -> Result<()> {
    Ok(store::leave_company(tx, company).await?)
}
