//! Erasing a contact for good: its row is emptied at once, its history by the worker (docs/decisions/0022).

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::audit::Entry;
use shared::event::EventType;
use shared::id::{ContactId, TenantId};
use shared::{TenantTx, clock};
use utoipa::ToSchema;

use super::{Contact, store};
use crate::changes::Tracked as _;
use crate::erasures::{self, Erasure};
#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::http::{IfMatch, Resource as _};

/// A contact of which nothing is left, as `contact.erased` tells it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"version": 3, "erased": true}))]
pub struct ErasedContact {
    /// The contact's id.
    #[schema(value_type = Uuid)]
    pub id: ContactId,
    /// Whose it was.
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    /// Its last version.
    pub version: i32,
    /// When it was erased.
    #[serde(serialize_with = "clock::serialize")]
    pub erased_at: DateTime<Utc>,
    /// Always `true`, as in everything of which the data is erased.
    pub erased: bool,
}

/// What is left of a contact, in the shape of one.
#[derive(Serialize)]
struct Left<'a> {
    #[serde(flatten)]
    contact: &'a Contact,
    erased: bool,
}

/// Empties a contact, deleted or not, and announces `contact.erased`; of one that was not deleted, `contact.deleted`
/// too, without its last state. The worker erases its history. A contact that was erased before stays as it is.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`].
pub async fn erase(tx: &mut TenantTx, id: ContactId, seen: &IfMatch) -> Result<Erasure> {
    let (contact, deleted) =
        store::lock_for_good(tx, id).await?.ok_or_else(ContactId::not_found)?;
    if let Some(erasure) = erasures::of(tx, id.0).await? {
        return Ok(erasure);
    }
    seen.check(contact.version)?;
    let now = tx.now();
    let sought = [
        Some(&contact.name),
        contact.email.as_ref(),
        contact.phone.as_ref(),
        contact.phone_e164.as_ref(),
        contact.external_id.as_ref(),
    ];
    let sought: Vec<String> =
        sought.into_iter().flatten().map(|text| text.to_lowercase()).collect();
    let left = Contact {
        name: String::new(),
        email: None,
        phone: None,
        phone_e164: None,
        company: None,
        company_id: None,
        external_id: None,
        version: contact.version + 1,
        updated_at: now.max(contact.updated_at),
        ..contact
    };
    store::empty(tx, &left).await?;
    if !deleted {
        tx.emit(EventType::ContactDeleted, &Left { contact: &left, erased: true })?;
    }
    let erased = ErasedContact {
        id,
        tenant_id: left.tenant_id,
        version: left.version,
        erased_at: now,
        erased: true,
    };
    let event = tx.emit(EventType::ContactErased, &erased)?;
    tx.audit(Entry {
        id: event.0,
        action: EventType::ContactErased.as_str().to_owned(),
        record_type: Contact::TYPE,
        record_id: id.0,
        before: None,
        after: None,
    });
    erasures::start(tx, (Contact::TYPE, id.0), &sought).await
}
