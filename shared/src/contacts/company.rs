//! A contact's company: a text, and perhaps the record of that name (requirement C-10). A text that is the record's
//! name follows it; any other text stays as it is.

use uuid::Uuid;

use super::Contact;
use crate::db::TenantTx;
use crate::id::CompanyId;

/// What is wrong with an id that no company of the tenant has.
pub const NONE: &str = "No such company";

/// Companies by their names; each stays as it is until the transaction ends.
pub type Known = Vec<(CompanyId, String)>;

/// A contact refers to a company that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSuchCompany;

/// Those of the companies that are there. `for share`, because a foreign key's own lock would let a company be
/// deleted or renamed meanwhile.
///
/// # Errors
/// The database's.
pub async fn known(tx: &mut TenantTx, ids: &[CompanyId]) -> sqlx::Result<Known> {
    if ids.is_empty() {
        return Ok(Known::new());
    }
    tx.open().await?;
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let rows = sqlx::query!(
        r#"select id as "id: CompanyId", name from companies
           where id = any ($1) and deleted_at is null order by id for share"#,
        &ids,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}

/// Checks the company of a contact that is new or was `before`, and lets the text follow it.
///
/// # Errors
/// A company that it did not have before and that is not among those known.
pub fn join(
    known: &Known,
    before: Option<&Contact>,
    after: &mut Contact,
) -> Result<(), NoSuchCompany> {
    let name = |id| known.iter().find(|(known, _)| *known == id).map(|(_, name)| name);
    let Some(id) = after.company_id else { return Ok(()) };
    let moved = before.is_none_or(|before| before.company_id != Some(id));
    let Some(current) = name(id) else {
        return if moved { Err(NoSuchCompany) } else { Ok(()) };
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
