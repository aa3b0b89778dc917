//! Step 2 of 6. Before: api/src/crm/contacts/http.rs. After: shared/src/outbox.rs.
//!
//! Contacts: the rules. Every change announces itself in the transaction that makes it.

mod http;
mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use shared::event::EventType;
use shared::id::{ContactId, TenantId};
use shared::{TenantTx, clock};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::changes::{self, Events, Tracked};
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::http::fields::{Change, Fields, Input};
use crate::http::{IfMatch, Listed, Representation, Resource, rules};
use crate::list::{Column, Kind, List, ListQuery};
pub use http::routes;

/// How long a deleted contact can be restored.
const RESTORABLE: TimeDelta = TimeDelta::days(30);

/// A person or organisation that the tenant knows.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: ContactId,
    /// Whose it is.
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    /// 1 to 100 characters.
    pub name: String,
    /// As it was given.
    pub email: Option<String>,
    /// As it was given.
    pub phone: Option<String>,
    /// The phone in E.164 form, when it names its country.
    #[serde(rename = "phoneE164")]
    pub phone_e164: Option<String>,
    /// 1 to 100 characters.
    pub company: Option<String>,
    /// Counts the changes, from 1.
    pub version: i32,
    /// When it was created.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(serialize_with = "clock::serialize")]
    pub updated_at: DateTime<Utc>,
}

/// What a contact is created from.
#[derive(Clone, Debug, ToSchema)]
#[schema(example = json!({"name": "John Doe", "email": "john@example.com", "phone": "+1234567890", "company": "ACME Corp"}))]
pub struct NewContact {
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// An e-mail address.
    #[schema(max_length = 254)]
    pub email: Option<String>,
    /// 7 to 15 digits, with `+`, spaces, dots, dashes and brackets.
    pub phone: Option<String>,
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    pub company: Option<String>,
}

/// What changes in a contact: absent fields stay, `null` clears.
#[derive(Clone, Debug, Default, ToSchema)]
pub struct ContactPatch {
    /// Replaces the name.
    pub name: Option<String>,
    /// Changes the e-mail address.
    #[schema(value_type = Option<String>)]
    pub email: Change<String>,
    /// Changes the telephone number.
    #[schema(value_type = Option<String>)]
    pub phone: Change<String>,
    /// Changes the company.
    #[schema(value_type = Option<String>)]
    pub company: Change<String>,
}

impl Representation for Contact {
    fn version(&self) -> Option<i32> {
        Some(self.version)
    }
}

impl Tracked for Contact {
    const TYPE: &'static str = "contact";
    const EVENTS: Option<Events> = Some(Events {
        created: EventType::ContactCreated,
        updated: EventType::ContactUpdated,
        deleted: EventType::ContactDeleted,
    });

    fn id(&self) -> Uuid {
        self.id.0
    }
}

impl Resource for ContactId {
    const NAME: &'static str = "Contact";
}

impl Input for NewContact {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.required("name", rules::line(100));
        let email = fields.optional("email", rules::email);
        let phone = fields.optional("phone", rules::phone);
        let company = fields.optional("company", rules::line(100));
        fields.ignore(&["phoneE164"]);
        Some(Self { name: name?, email: email?, phone: phone?, company: company? })
    }
}

impl Input for ContactPatch {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.replaced("name", rules::line(100));
        let email = fields.changed("email", rules::email);
        let phone = fields.changed("phone", rules::phone);
        let company = fields.changed("company", rules::line(100));
        fields.ignore(&["phoneE164"]);
        Some(Self { name: name?, email: email?, phone: phone?, company: company? })
    }
}

/// What lists of contacts can be asked.
pub static LIST: List = List {
    columns: &[
        Column { name: "name", sql: "name_key", kind: Kind::Folded },
        Column { name: "email", sql: "email_key", kind: Kind::Folded },
        Column { name: "company", sql: "company_key", kind: Kind::Folded },
        Column { name: "phone", sql: "phone_e164", kind: Kind::Phone },
        Column { name: "createdAt", sql: "created_at", kind: Kind::Time },
        Column { name: "updatedAt", sql: "updated_at", kind: Kind::Time },
    ],
    sorts: &[("createdAt", "created_at"), ("updatedAt", "updated_at"), ("name", "name_key")],
    default_sort: "-createdAt",
    search: Some("search_contacts"),
    expansions: &[],
};

/// One page of the tenant's contacts.
///
/// # Errors
/// The database's.
pub async fn list(tx: &mut TenantTx, query: &ListQuery) -> Result<Listed<Contact>> {
    Ok(query.fetch(tx, &store::SOURCE).await?)
}

/// Stores a contact and announces `contact.created`.
///
/// # Errors
/// The database's.
pub async fn create(tx: &mut TenantTx, new: NewContact) -> Result<Contact> {
    let now = tx.now();
    let contact = Contact {
        id: ContactId::fresh(now),
        tenant_id: tx.tenant(),
        phone_e164: new.phone.as_deref().and_then(rules::e164),
        name: new.name,
        email: new.email,
        phone: new.phone,
        company: new.company,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    store::insert(tx, &contact).await?;
    changes::created(tx, &contact)?;
    Ok(contact)
}

/// The contact.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(tx: &mut TenantTx, id: ContactId) -> Result<Contact> {
    store::find(tx, id).await?.ok_or_else(ContactId::not_found)
}

/// Merges a change into a contact and announces `contact.updated`, unless nothing changed.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`].
pub async fn update(
    tx: &mut TenantTx,
    id: ContactId,
    seen: &IfMatch,
    patch: ContactPatch,
) -> Result<Contact> {
    let before = store::lock(tx, id).await?.ok_or_else(ContactId::not_found)?;
    seen.check(before.version)?;
    let mut after = before.clone();
    if let Some(name) = patch.name {
        after.name = name;
    }
    patch.email.apply(&mut after.email);
    patch.phone.apply(&mut after.phone);
    patch.company.apply(&mut after.company);
    after.phone_e164 = after.phone.as_deref().and_then(rules::e164);
    if after == before {
        return Ok(before);
    }
    after.version += 1;
    // Whoever waited for the row began before the one it waited for: time does not run backwards for readers.
    after.updated_at = tx.now().max(before.updated_at);
    store::update(tx, &after).await?;
    changes::updated(tx, &before, &after)?;
    Ok(after)
}

/// Hides a contact, which can be restored for 30 days, and announces `contact.deleted` with its last state.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`].
pub async fn remove(tx: &mut TenantTx, id: ContactId, seen: &IfMatch) -> Result<()> {
    let mut contact = store::lock(tx, id).await?.ok_or_else(ContactId::not_found)?;
    seen.check(contact.version)?;
    store::delete(tx, id).await?;
    contact.version += 1;
    changes::deleted(tx, &contact)
}

/// Brings a deleted contact back and announces `contact.created` with `restored: true`; one that was never gone
/// is left as it is.
///
/// # Errors
/// [`Error::NotFound`], also when it was deleted more than 30 days ago.
pub async fn restore(tx: &mut TenantTx, id: ContactId) -> Result<Contact> {
    if let Some(contact) = store::restore(tx, id, tx.now() - RESTORABLE).await? {
        changes::restored(tx, &contact)?;
        return Ok(contact);
    }
    show(tx, id).await
}
