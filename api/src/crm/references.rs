//! Whether records exist that others want to refer to. A record of another tenant is none, by its policies; a deleted
//! one is none either, although what referred to it before goes on to.

use shared::TenantTx;
use shared::id::{CompanyId, ContactId, LeadId, UserId};

use crate::error::Details;

/// The records that are referred to anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct References {
    /// `owner`.
    pub owner: Option<UserId>,
    /// `contactId`.
    pub contact: Option<ContactId>,
    /// `companyId`.
    pub company: Option<CompanyId>,
    /// `leadId`.
    pub lead: Option<LeadId>,
}

impl References {
    /// Adds a fault for each that is missing. A contact is kept from being erased until the transaction ends, so that
    /// nothing about it is written behind the erasure.
    ///
    /// # Errors
    /// The database's.
    pub async fn check(self, tx: &mut TenantTx, faults: &mut Details) -> sqlx::Result<()> {
        let (owner, contact) = (self.owner.map(|id| id.0), self.contact.map(|id| id.0));
        let (company, lead) = (self.company.map(|id| id.0), self.lead.map(|id| id.0));
        if [owner, contact, company, lead].iter().all(Option::is_none) {
            return Ok(());
        }
        let known = sqlx::query!(
            r#"select exists (select from users where id = $1 and active) as "owner!",
                      exists (select from contacts where id = $2 and deleted_at is null for key share) as "contact!",
                      exists (select from companies where id = $3 and deleted_at is null) as "company!",
                      exists (select from leads where id = $4 and deleted_at is null) as "lead!""#,
            owner,
            contact,
            company,
            lead,
        )
        .fetch_one(tx.conn())
        .await?;
        for (field, id, known, fault) in [
            ("owner", owner, known.owner, "No such active user"),
            ("contactId", contact, known.contact, "No such contact"),
            ("companyId", company, known.company, "No such company"),
            ("leadId", lead, known.lead, "No such lead"),
        ] {
            if id.is_some() && !known {
                faults.insert(field.to_owned(), fault.to_owned());
            }
        }
        Ok(())
    }
}
