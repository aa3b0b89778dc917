//! A lead becomes business: its contact and its company are created or linked, and its status is `converted`, in one
//! transaction (requirement L-11).

use serde_json::{Value, json};
use shared::TenantTx;
use shared::contacts::company::{self, NONE};
use shared::id::{CompanyId, ContactId, LeadId};
use shared::scope::Scope;
use utoipa::ToSchema;

use super::place::Destination;
use super::{CONVERTED, Lead, moves, store};
use crate::auth::Caller;
use crate::crm::companies::{self, NewCompany};
use crate::crm::contacts::{self, EXISTING, NewContact};
use crate::crm::references::References;
use crate::error::{Details, Error, Result};
use crate::http::fields::{Fields, Input};
use crate::http::{IfMatch, Resource as _, rules};

/// What a lead becomes. Without a contact it is the lead's, if that is still there, or a new one by the lead's title;
/// without a company it is the lead's, or none.
#[derive(Clone, Debug, Default, ToSchema)]
#[schema(rename_all = "camelCase")]
#[schema(example = json!({"contact": {"name": "John Doe"}, "company": {"name": "ACME Corp"}}))]
pub struct Conversion {
    /// A contact that is there; not beside `contact`.
    #[schema(value_type = Option<Uuid>)]
    pub contact_id: Option<ContactId>,
    /// A new contact.
    pub contact: Option<NewContact>,
    /// A company that is there; not beside `company`.
    #[schema(value_type = Option<Uuid>)]
    pub company_id: Option<CompanyId>,
    /// A new company.
    pub company: Option<NewCompany>,
}

impl Input for Conversion {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let targets = fields.targets();
        let contact_id = fields.optional("contactId", rules::id());
        let contact = fields.optional("contact", rules::record(targets));
        let company_id = fields.optional("companyId", rules::id());
        let company = fields.optional("company", rules::record(targets));
        fields.together(|| json!({"allOf": [not_both("contact", "contactId"), not_both("company", "companyId")]}));
        // What is there and faulty is there.
        if !matches!(contact_id, Some(None)) && !matches!(contact, Some(None)) {
            fields.refuse("contact", "Must be absent beside contactId");
        }
        if !matches!(company_id, Some(None)) && !matches!(company, Some(None)) {
            fields.refuse("company", "Must be absent beside companyId");
        }
        Some(Self {
            contact_id: contact_id?,
            contact: contact?,
            company_id: company_id?,
            company: company?,
        })
    }
}

/// Two members of which one is absent or `null`.
fn not_both(one: &str, other: &str) -> Value {
    let absent = |name: &str| json!({"properties": {name: {"type": "null"}}});
    json!({"anyOf": [absent(one), absent(other)]})
}

/// Converts a lead and announces `lead.updated` and everything that was created for it. Creating contacts and
/// companies takes the rights that it takes elsewhere.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`], [`Error::Conflict`] when it is converted already,
/// [`Error::Invalid`], [`Error::InsufficientScope`].
pub async fn convert(
    tx: &mut TenantTx,
    caller: &Caller,
    id: LeadId,
    seen: &IfMatch,
    conversion: Conversion,
) -> Result<Lead> {
    let before = store::lock(tx, id).await?.ok_or_else(LeadId::not_found)?;
    seen.check(before.version)?;
    if before.status == CONVERTED {
        return Err(Error::Conflict("The lead is converted already".into()));
    }
    let (mut after, now) = (before.clone(), tx.now());
    after.company_id = conversion.company_id.or(before.company_id);
    after.contact_id = linked(tx, &before, &conversion).await?;
    if let Some(new) = conversion.company {
        permitted(caller, Scope::CompaniesWrite)?;
        let company = companies::create(tx, new).await.map_err(within("company"))?;
        after.company_id = Some(company.id);
    }
    let named = || NewContact { name: before.title.clone(), ..NewContact::default() };
    let new = conversion.contact.or_else(|| after.contact_id.is_none().then(named));
    if let Some(mut new) = new {
        permitted(caller, Scope::ContactsWrite)?;
        if new.company_id.is_none() {
            new.company_id = employer(tx, after.company_id, conversion.company_id).await?;
        }
        let contact = contacts::create(tx, new).await.map_err(within("contact"))?;
        after.contact_id = Some(contact.id);
    }
    after.stand(CONVERTED.to_owned(), now);
    after.touch(now);
    store::update(tx, &after).await?;
    moves::told(tx, &before, &after, &Destination::Stay).await?;
    Ok(after)
}

/// The contact that is there for the lead already: the one that the body names, or the lead's own unless that is gone.
///
/// # Errors
/// [`Error::Invalid`] for each record that the body names and that is not there, whether or not it is the lead's own.
async fn linked(
    tx: &mut TenantTx,
    lead: &Lead,
    conversion: &Conversion,
) -> Result<Option<ContactId>> {
    let (contact, company) = (conversion.contact_id.or(lead.contact_id), conversion.company_id);
    let mut gone = Details::new();
    References { contact, company, ..References::default() }.check(tx, &mut gone).await?;
    let own_is_gone = conversion.contact_id.is_none() && gone.remove("contactId").is_some();
    if gone.is_empty() { Ok(contact.filter(|_| !own_is_gone)) } else { Err(Error::Invalid(gone)) }
}

/// The company of a new contact, kept until the transaction ends, so that it does not go before the contact comes. The
/// lead's own may be gone; one that the body names may not.
async fn employer(
    tx: &mut TenantTx,
    company: Option<CompanyId>,
    named: Option<CompanyId>,
) -> Result<Option<CompanyId>> {
    let known = company::known(tx, company.as_slice()).await?.pop();
    match known {
        None if named.is_some() => Err(Error::field("companyId", NONE)),
        known => Ok(known.map(|(id, _)| id)),
    }
}

fn permitted(caller: &Caller, scope: Scope) -> Result<()> {
    if caller.holds(scope) { Ok(()) } else { Err(Error::InsufficientScope(scope)) }
}

/// Names the faults of a new record by their path in this body.
fn within(member: &'static str) -> impl Fn(Error) -> Error {
    // The id of the record that has it already is no field.
    let name = move |field: String| match &*field {
        EXISTING => field,
        _ => format!("{member}.{field}"),
    };
    let inside = move |details: Details| -> Details {
        details.into_iter().map(|(field, fault)| (name(field), fault)).collect()
    };
    move |error| match error {
        Error::Invalid(details) => Error::Invalid(inside(details)),
        Error::Taken(sentence, details) => Error::Taken(sentence, inside(details)),
        other => other,
    }
}
