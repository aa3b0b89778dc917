//! Contacts, as far as both processes know them: the api writes them one by one, imports many at once.

pub mod company;
pub mod store;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::changes;
use crate::changes::{Events, Tracked};
use crate::clock;
use crate::event::EventType;
use crate::id::{CompanyId, ContactId, TenantId};
use crate::patch::Change;
use company::{Known, NoSuchCompany};

/// A person or organisation that the tenant knows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"name": "John Doe", "email": "john@example.com", "phone": "+1234567890",
    "phoneE164": "+1234567890", "company": "ACME Corp"}))]
pub struct Contact {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: ContactId,
    /// The tenant it belongs to.
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
    /// The name of its company: any text, or that of `companyId`.
    pub company: Option<String>,
    /// Its company.
    #[schema(value_type = Option<Uuid>)]
    pub company_id: Option<CompanyId>,
    /// What another system calls it; no two contacts of the tenant share it.
    pub external_id: Option<String>,
    /// Counts the changes, from 1.
    pub version: i32,
    /// When it was created.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(serialize_with = "clock::serialize")]
    pub updated_at: DateTime<Utc>,
}

/// What changes in a contact: absent fields stay, `null` clears.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"email": "john@example.org", "phone": null}))]
pub struct ContactPatch {
    /// Replaces the name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Changes the e-mail address.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub email: Change<String>,
    /// Changes the telephone number.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub phone: Change<String>,
    /// Changes the company.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub company: Change<String>,
    /// Changes its company; a text that was the former one's name becomes the new one's.
    #[schema(value_type = Option<Uuid>)]
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub company_id: Change<CompanyId>,
    /// Changes what another system calls it.
    #[schema(value_type = Option<String>)]
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub external_id: Change<String>,
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

impl Contact {
    /// The contact after a change at that moment; none when nothing changes.
    ///
    /// # Errors
    /// A company that is not among those known.
    pub fn changed(
        &self,
        patch: ContactPatch,
        companies: &Known,
        now: DateTime<Utc>,
    ) -> Result<Option<Self>, NoSuchCompany> {
        let mut after = self.clone();
        if let Some(name) = patch.name {
            after.name = name;
        }
        patch.email.apply(&mut after.email);
        patch.phone.apply(&mut after.phone);
        patch.company.apply(&mut after.company);
        patch.company_id.apply(&mut after.company_id);
        patch.external_id.apply(&mut after.external_id);
        company::join(companies, Some(self), &mut after)?;
        after.phone_e164 = after.phone.as_deref().and_then(e164);
        if after == *self {
            return Ok(None);
        }
        changes::touch(&mut after.version, &mut after.updated_at, now);
        Ok(Some(after))
    }
}

/// The E.164 form of a telephone number, when it names its country with `+`.
#[must_use]
pub fn e164(phone: &str) -> Option<String> {
    let rest = phone.strip_prefix('+')?;
    Some(std::iter::once('+').chain(rest.chars().filter(char::is_ascii_digit)).collect())
}
