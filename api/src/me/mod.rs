//! Who a credential stands for, and what it may do.

mod http;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::id::{ApiKeyId, SessionId, TenantId};
use shared::scope::Scope;
use shared::{TenantTx, clock};
use utoipa::ToSchema;

use crate::auth::{Caller, Principal};
use crate::error::Result;
use crate::http::Representation;
use crate::users::{self, User};
pub use http::routes;

/// The caller as the api sees it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"principal": "api_key", "credential": "api_key", "scopes": ["contacts:read"],
    "tenant": {"id": "01a2036b-3a53-7b66-93a5-a64f6d8bbd70", "name": "acme"},
    "apiKey": {"id": "01a2036c-0d4c-7400-87c8-25f570a5ef24", "name": "Nightly export",
        "prefix": "abcdefgh", "expiresAt": null}}))]
pub struct Me {
    /// `user` or `api_key`: which of the two members below is set.
    #[schema(pattern = "^(user|api_key)$")]
    pub principal: &'static str,
    /// `api_key`; or how the user signed in: `session`, here, or `outside_issuer`.
    #[schema(pattern = "^(api_key|session|outside_issuer)$")]
    pub credential: &'static str,
    /// The one tenant that it belongs to.
    pub tenant: OwnTenant,
    /// The user.
    #[schema(required)]
    pub user: Option<User>,
    /// The API key.
    #[schema(required)]
    pub api_key: Option<OwnKey>,
    /// A user's session; an outside issuer's token has none.
    #[schema(required)]
    pub session: Option<OwnSession>,
    /// What it may do: a key's own scopes, or those of the user's role.
    pub scopes: Vec<&'static str>,
}

/// The caller's tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnTenant {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: TenantId,
    /// What it is called.
    pub name: String,
}

/// The caller's API key.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct OwnKey {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: ApiKeyId,
    /// What it is called.
    pub name: String,
    /// Its first characters, by which people know it.
    pub prefix: String,
    /// When it ends.
    #[schema(required)]
    #[serde(serialize_with = "clock::serialize_option")]
    pub expires_at: Option<DateTime<Utc>>,
}

/// The caller's session.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnSession {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: SessionId,
}

impl Representation for Me {}

/// The caller.
///
/// # Errors
/// The database's.
pub async fn show(tx: &mut TenantTx, caller: &Caller) -> Result<Me> {
    let scopes = caller.scopes().map(Scope::as_str).collect();
    let tenant = store::tenant(tx).await?;
    let (user, api_key, session) = match caller.principal {
        Principal::User { id, session } => {
            (Some(users::show(tx, id).await?), None, session.map(|id| OwnSession { id }))
        }
        Principal::ApiKey(id) => (None, Some(store::key(tx, id).await?), None),
        Principal::Operator => (None, None, None),
    };
    let (principal, credential) = match caller.principal {
        Principal::ApiKey(_) => ("api_key", "api_key"),
        Principal::User { session: Some(_), .. } => ("user", "session"),
        Principal::User { session: None, .. } => ("user", "outside_issuer"),
        Principal::Operator => ("system", "operator"),
    };
    Ok(Me { principal, credential, tenant, user, api_key, session, scopes })
}
