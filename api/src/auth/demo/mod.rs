//! Demo login: signs anyone in to a demo tenant, when the operator says so (requirement A-5).

mod http;
mod store;

use shared::id::TenantId;
use shared::scope::Role;
use shared::{Db, TenantTx};
use utoipa::ToSchema;

use super::sessions::{self, Client, SignIn, SignedIn, Via};
use super::token::TokenKeys;
use crate::error::{Error, Result};
use crate::http::fields::{Fields, Input};
use crate::http::rules;
pub use http::routes;

/// The demo tenant that is opened when none is named.
const DEFAULT: &str = "demo";

/// Which tenant to open, and as whom.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"tenant": "demo", "role": "admin"}))]
pub struct DemoLogin {
    /// The demo tenant's name; `demo` when absent.
    #[schema(value_type = Option<String>)]
    pub tenant: String,
    /// `owner`, `admin`, `member` or `read_only`; `admin` when absent.
    #[schema(value_type = Option<String>)]
    pub role: Role,
}

impl Input for DemoLogin {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let tenant = fields.optional("tenant", rules::string());
        let role = fields.optional("role", rules::one_of(Role::ALL, Role::as_str));
        fields.ignore_rest();
        Some(Self {
            tenant: tenant?.unwrap_or_else(|| DEFAULT.to_owned()),
            role: role?.unwrap_or(Role::Admin),
        })
    }
}

/// The demo tenant of this name.
///
/// # Errors
/// [`Error::NotFound`]; a tenant that was not created for demos is never found.
pub async fn tenant(db: &Db, name: &str) -> Result<TenantId> {
    super::store::find_demo_tenant(db, name).await?.ok_or(Error::NotFound("Demo tenant"))
}

/// Signs in as the tenant's oldest active user of this role.
///
/// # Errors
/// [`Error::NotFound`] when there is none.
pub async fn log_in(
    tx: &mut TenantTx,
    keys: &TokenKeys,
    role: Role,
    client: Client,
) -> Result<SignedIn> {
    let user = store::find_user(tx, role).await?.ok_or(Error::NotFound("Demo user"))?;
    let sign_in = SignIn { user, via: Via::Demo, approved_by: None, device_name: None, client };
    sessions::open(tx, keys, &sign_in).await
}
