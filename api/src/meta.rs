//! What words and numbers the api knows, for whoever builds forms: made of the constants that validate them.

use serde::Serialize;
use shared::event::{self, EventType};
use shared::scope::{Role, Scope};
use utoipa::ToSchema;

use crate::crm::activities::TYPES;
use crate::crm::companies::INDUSTRIES;
use crate::crm::currency::CURRENCIES;
use crate::crm::leads::STATUSES;
use crate::error::Result;
use crate::http::doc::Doc;
use crate::http::routes::{Access, Routes};
use crate::http::{Data, MAX_BODY, Representation};
use crate::list;

/// Every list of words, and the limits. The same for all tenants.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"industries": ["manufacturing"], "currencies": ["EUR"], "leadStatuses": ["new"],
    "activityTypes": ["note"], "roles": ["admin"], "scopes": ["contacts:read"], "eventTypes": ["contact.created"],
    "webhookPatterns": ["contact.*"],
    "limits": {"defaultPageSize": 20, "maxPageSize": 100, "maxBodyBytes": 1_048_576}}))]
pub struct Enums {
    /// What `industry` of companies can be.
    pub industries: &'static [&'static str],
    /// What currencies can be.
    pub currencies: &'static [&'static str],
    /// What `status` of leads can be.
    pub lead_statuses: &'static [&'static str],
    /// What `type` of activities can be; `system` is the api's own.
    pub activity_types: &'static [&'static str],
    /// What `role` of users can be.
    pub roles: &'static [&'static str],
    /// What API keys may do.
    pub scopes: &'static [&'static str],
    /// What can happen.
    pub event_types: &'static [&'static str],
    /// What `events` of webhooks can hold.
    pub webhook_patterns: Vec<String>,
    /// Numbers that requests are held to.
    pub limits: Limits,
}

/// Numbers that requests are held to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// The largest body, in bytes.
    pub max_body_bytes: usize,
    /// The largest `pageSize`.
    pub max_page_size: i64,
    /// The `pageSize` when none is given.
    pub default_page_size: i64,
}

impl Representation for Enums {}

/// What can be asked about the api itself.
pub fn routes() -> Routes {
    let doc = Doc::data::<Enums>("getEnums", "Get the words and limits that the api knows");
    Routes::under("/api/v1/meta", "Meta").get("/enums", Access::Any, enums, doc)
}

async fn enums() -> Result<Data<Enums>> {
    Ok(Data(Enums {
        industries: INDUSTRIES,
        currencies: CURRENCIES,
        lead_statuses: STATUSES,
        activity_types: TYPES,
        roles: Role::NAMES,
        scopes: Scope::NAMES,
        event_types: EventType::NAMES,
        webhook_patterns: event::patterns(),
        limits: Limits {
            max_body_bytes: MAX_BODY,
            max_page_size: list::MAX_SIZE,
            default_page_size: list::DEFAULT_SIZE,
        },
    }))
}
