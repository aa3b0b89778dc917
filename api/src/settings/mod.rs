//! What a tenant settles for itself. What an operator settles for it, such as limits, is not here.

mod http;
mod input;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::event::EventType;
use shared::id::TenantId;
use shared::{TenantTx, clock};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::changes::{self, Events, Tracked};
use crate::crm::currency;
use crate::error::{Details, Error, Result};
use crate::http::{IfMatch, Representation};
pub use http::routes;
pub use input::SettingsPatch;

/// The settings of a tenant.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"name": "acme", "currency": "USD", "timezone": "UTC", "locale": "en-US",
    "uniqueContactEmails": false, "qrLoginAllowed": true, "qrSameNetworkRequired": false,
    "eventRetentionDays": 30}))]
pub struct Settings {
    /// Whose they are.
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    /// The tenant's name, 1 to 100 characters.
    pub name: String,
    /// The currency of amounts that name none.
    #[schema(schema_with = currency::schema)]
    pub currency: String,
    /// A time zone of the IANA database, for whoever shows times; the api's are in UTC.
    pub timezone: String,
    /// A language and region as BCP 47 writes them, for whoever shows anything.
    pub locale: String,
    /// Whether no two contacts may share an e-mail address.
    pub unique_contact_emails: bool,
    /// Whether users may sign in by scanning a QR code.
    pub qr_login_allowed: bool,
    /// Whether the scanning phone must be in the network of the screen.
    pub qr_same_network_required: bool,
    /// How many days events, deliveries and attempts are kept.
    #[schema(minimum = 1, maximum = 90)]
    pub event_retention_days: i64,
    /// Counts the changes, from 1.
    pub version: i32,
    /// When the tenant was created.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When they last changed.
    #[serde(serialize_with = "clock::serialize")]
    pub updated_at: DateTime<Utc>,
}

impl Representation for Settings {
    fn version(&self) -> Option<i32> {
        Some(self.version)
    }
}

impl Tracked for Settings {
    const TYPE: &'static str = "tenant.settings";
    // They begin and end with their tenant, so the other two never happen.
    const EVENTS: Option<Events> = Some(Events {
        created: EventType::TenantSettingsUpdated,
        updated: EventType::TenantSettingsUpdated,
        deleted: EventType::TenantSettingsUpdated,
    });

    fn id(&self) -> Uuid {
        self.tenant_id.0
    }
}

/// The settings.
///
/// # Errors
/// The database's.
pub async fn show(tx: &mut TenantTx) -> Result<Settings> {
    Ok(store::find(tx).await?)
}

/// Merges a change into the settings and announces `tenant.settings.updated`, unless nothing changed.
///
/// # Errors
/// [`Error::PreconditionFailed`]; [`Error::Taken`] when e-mail addresses shall be unique and are not.
pub async fn update(tx: &mut TenantTx, seen: &IfMatch, patch: SettingsPatch) -> Result<Settings> {
    let before = store::lock(tx).await?;
    seen.check(before.version)?;
    let mut after = before.clone();
    patch.apply(&mut after);
    if after == before {
        return Ok(before);
    }
    if after.unique_contact_emails && !before.unique_contact_emails {
        require_unique_emails(tx).await?;
    }
    changes::touch(&mut after.version, &mut after.updated_at, tx.now());
    store::update(tx, &after).await?;
    changes::updated(tx, &before, &after)?;
    Ok(after)
}

/// From here to the end of the transaction nobody writes a contact's address.
async fn require_unique_emails(tx: &mut TenantTx) -> Result<()> {
    store::lock_emails(tx).await?;
    let (addresses, contacts) = store::shared_emails(tx).await?;
    if addresses == 0 {
        return Ok(());
    }
    let fault = format!("{contacts} contacts share {addresses} e-mail addresses");
    let details = Details::from([
        ("uniqueContactEmails".to_owned(), fault),
        ("sharedEmails".to_owned(), addresses.to_string()),
        ("contacts".to_owned(), contacts.to_string()),
    ]);
    Err(Error::Taken("Contacts share e-mail addresses; merge or change them first", details))
}
