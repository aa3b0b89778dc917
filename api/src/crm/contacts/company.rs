//! A contact's company: a text, and perhaps the record of that name (requirement C-10). A text that is the record's
//! name follows it; any other text stays as it is.

use shared::TenantTx;
use shared::id::{CompanyId, ContactId};

use super::{Contact, ContactPatch, store};
use crate::crm::companies;
use crate::error::{Error, Result};
use crate::http::fields::Change;

/// What is wrong with an id that no company of the tenant has.
const NONE: &str = "No such company";

/// Companies by their names; each stays as it is until the transaction ends.
pub(super) type Known = Vec<(CompanyId, String)>;

/// Those of the companies that are there.
pub(super) async fn known(tx: &mut TenantTx, ids: &[CompanyId]) -> Result<Known> {
    if ids.is_empty() { Ok(Vec::new()) } else { companies::names(tx, ids).await }
}

/// The companies that a change needs to know. Taken before the contact is, as a company's own changes do: whoever
/// takes two things in the other order may wait for ever.
pub(super) async fn before_change(
    tx: &mut TenantTx,
    id: ContactId,
    patch: &ContactPatch,
) -> Result<Known> {
    if patch.company_id == Change::Keep && patch.company != Change::Clear {
        return Ok(Vec::new());
    }
    let mut ids = Vec::from_iter(store::company_of(tx, id).await?);
    if let Change::Set(new) = patch.company_id {
        ids.push(new);
    }
    known(tx, &ids).await
}

/// Checks the company of a contact that is new or was `before`, and lets the text follow it.
pub(super) fn join(known: &Known, before: Option<&Contact>, after: &mut Contact) -> Result<()> {
    let name = |id| known.iter().find(|(known, _)| *known == id).map(|(_, name)| name);
    let Some(id) = after.company_id else { return Ok(()) };
    let moved = before.is_none_or(|before| before.company_id != Some(id));
    let Some(current) = name(id) else {
        return if moved { Err(Error::field("companyId", NONE)) } else { Ok(()) };
    };
    let followed = before.is_some_and(|before| {
        before.company == after.company
            && before.company.as_ref() == before.company_id.and_then(name)
    });
    if after.company.is_none() || followed {
        after.company = Some(current.clone());
    }
    Ok(())
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
