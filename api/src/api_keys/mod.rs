//! API keys: the rules. Nobody gets more out of a key than it has itself (requirement K-10), so whoever changes,
//! rotates or revokes a key must cover it, before and after.

mod http;
mod input;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::audit::Actor;
use shared::id::{ApiKeyId, TenantId, UserId};
use shared::{TenantTx, clock};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::api_key::{self, Pepper};
use crate::auth::{Bounds, Caller};
use crate::changes::{self, Tracked};
use crate::error::{Error, Result};
use crate::http::{IfMatch, Listed, Representation, Resource};
use crate::list::{Column, Kind, List, ListQuery};
pub use http::routes;
use input::{ApiKeyPatch, NewApiKey, Rotation};

/// A program's key to its tenant; the secret is not in it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"name": "Nightly export", "prefix": "abcdefgh", "scopes": ["contacts:read"],
    "active": true}))]
pub struct ApiKey {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: ApiKeyId,
    /// The tenant it belongs to.
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    /// 1 to 100 characters.
    pub name: String,
    /// The characters after `crm_live_` that tell keys apart.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<String>,
    /// Whether it works.
    pub active: bool,
    /// Where it works from; anywhere when `null`.
    pub allowed_ips: Option<Vec<String>>,
    /// Until when it works; for ever when `null`.
    #[serde(serialize_with = "clock::serialize_option")]
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to the minute.
    #[serde(serialize_with = "clock::serialize_option")]
    pub last_used_at: Option<DateTime<Utc>>,
    /// The user who made it; `null` when a program did, which the audit log names.
    #[schema(value_type = Option<Uuid>)]
    pub created_by: Option<UserId>,
    /// When it was revoked.
    #[serde(serialize_with = "clock::serialize_option")]
    pub revoked_at: Option<DateTime<Utc>>,
    /// Counts the changes, from 1.
    pub version: i32,
    /// When it was created.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(serialize_with = "clock::serialize")]
    pub updated_at: DateTime<Utc>,
}

/// An API key with its secret, which no other answer shows.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({"key": "crm_live_abcdefgh_…"}))]
pub struct ShownApiKey {
    /// The key's record.
    #[serde(flatten)]
    pub record: ApiKey,
    /// The whole key, to be sent as `X-API-Key`.
    pub key: String,
}

impl ApiKey {
    fn bounds(&self) -> Bounds {
        Bounds::stored(&self.scopes, self.expires_at, self.allowed_ips.as_deref())
    }
}

impl Representation for ApiKey {
    fn version(&self) -> Option<i32> {
        Some(self.version)
    }
}

impl Representation for ShownApiKey {
    fn version(&self) -> Option<i32> {
        Some(self.record.version)
    }
}

impl Tracked for ApiKey {
    const TYPE: &'static str = "api_key";

    fn id(&self) -> Uuid {
        self.id.0
    }
}

impl Resource for ApiKeyId {
    const NAME: &'static str = "API key";
}

/// What lists of API keys can be asked.
pub static LIST: List = List {
    columns: &[Column { name: "createdAt", sql: "created_at", kind: Kind::Time }],
    sorts: &[("createdAt", "created_at")],
    default_sort: "-createdAt",
    search: None,
    expansions: &[],
};

/// One page of the tenant's keys, without the revoked ones.
///
/// # Errors
/// The database's.
pub async fn list(tx: &mut TenantTx, query: &ListQuery) -> Result<Listed<ApiKey>> {
    Ok(query.fetch(tx, &store::SOURCE).await?)
}

/// Makes a key. The answer is the only one that shows it.
///
/// # Errors
/// [`Error::InsufficientScope`] and [`Error::Forbidden`] for a key that can do more than the caller;
/// [`Error::Invalid`] for one that has expired already.
pub async fn create(
    tx: &mut TenantTx,
    caller: &Caller,
    new: NewApiKey,
    pepper: &Pepper,
) -> Result<ShownApiKey> {
    let now = tx.now();
    let secret = api_key::generate();
    let record = ApiKey {
        id: ApiKeyId::fresh(now),
        tenant_id: tx.tenant(),
        name: new.name,
        prefix: secret.prefix,
        scopes: new.scopes,
        active: new.active,
        allowed_ips: new.allowed_ips,
        expires_at: new.expires_at,
        last_used_at: None,
        created_by: match tx.actor() {
            Actor::User(user) => Some(user),
            _ => None,
        },
        revoked_at: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    in_future(record.expires_at, now)?;
    caller.covers(&record.bounds())?;
    store::insert(tx, &record, &pepper.hash(secret.text.expose())).await?;
    changes::created(tx, &record)?;
    Ok(ShownApiKey { record, key: secret.text.expose().clone() })
}

/// The key, also when it is revoked.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(tx: &mut TenantTx, id: ApiKeyId) -> Result<ApiKey> {
    store::find(tx, id).await?.ok_or_else(ApiKeyId::not_found)
}

/// Merges a change into a key; it counts from the next request on.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`], and those of [`create`].
pub async fn update(
    tx: &mut TenantTx,
    caller: &Caller,
    id: ApiKeyId,
    seen: &IfMatch,
    patch: ApiKeyPatch,
) -> Result<ApiKey> {
    let before = managed(tx, caller, id, seen).await?;
    let mut after = before.clone();
    if let Some(name) = patch.name {
        after.name = name;
    }
    if let Some(scopes) = patch.scopes {
        after.scopes = scopes;
    }
    if let Some(active) = patch.active {
        after.active = active;
    }
    patch.expires_at.apply(&mut after.expires_at);
    patch.allowed_ips.apply(&mut after.allowed_ips);
    if after == before {
        return Ok(before);
    }
    if after.expires_at != before.expires_at {
        in_future(after.expires_at, tx.now())?;
    }
    caller.covers(&after.bounds())?;
    count(&mut after, tx.now());
    store::update(tx, &after).await?;
    changes::updated(tx, &before, &after)?;
    Ok(after)
}

/// Revokes a key at once and for good; its row is kept.
///
/// # Errors
/// [`Error::NotFound`], also when it is revoked already; [`Error::PreconditionFailed`]; the rights' of [`create`].
pub async fn revoke(
    tx: &mut TenantTx,
    caller: &Caller,
    id: ApiKeyId,
    seen: &IfMatch,
) -> Result<()> {
    let mut key = managed(tx, caller, id, seen).await?;
    count(&mut key, tx.now());
    key.revoked_at = Some(key.updated_at);
    store::update(tx, &key).await?;
    Ok(changes::deleted(tx, &key)?)
}

/// Gives a key a new secret. Those that it has work on during the overlap; an end that is set already only comes
/// nearer, so a second rotation never cuts off a secret before its time unless it asks for a shorter overlap.
///
/// # Errors
/// As for [`revoke`].
pub async fn rotate(
    tx: &mut TenantTx,
    caller: &Caller,
    id: ApiKeyId,
    seen: &IfMatch,
    rotation: &Rotation,
    pepper: &Pepper,
) -> Result<ShownApiKey> {
    let mut record = managed(tx, caller, id, seen).await?;
    let secret = api_key::generate();
    record.prefix = secret.prefix;
    count(&mut record, tx.now());
    let end = tx.now() + rotation.overlap_seconds;
    store::replace_secret(tx, &record, &pepper.hash(secret.text.expose()), end).await?;
    changes::noted(tx, &record, "rotated");
    Ok(ShownApiKey { record, key: secret.text.expose().clone() })
}

/// A key that the caller may change, kept from other writers.
async fn managed(
    tx: &mut TenantTx,
    caller: &Caller,
    id: ApiKeyId,
    seen: &IfMatch,
) -> Result<ApiKey> {
    let key = store::lock(tx, id).await?.ok_or_else(ApiKeyId::not_found)?;
    caller.covers(&key.bounds())?;
    seen.check(key.version)?;
    Ok(key)
}

fn count(key: &mut ApiKey, now: DateTime<Utc>) {
    changes::touch(&mut key.version, &mut key.updated_at, now);
}

fn in_future(expires_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<()> {
    match expires_at {
        Some(end) if end <= now => Err(Error::field("expiresAt", "Must be in the future")),
        _ => Ok(()),
    }
}
