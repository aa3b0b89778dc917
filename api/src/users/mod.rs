//! The users of a tenant: who can own leads, and who does what. They are made at the command line.

mod http;
mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::id::{TenantId, UserId};
use shared::scope::Role;
use shared::{TenantTx, clock};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::sessions;
use crate::changes::{self, Tracked};
use crate::error::{Error, Result};
use crate::http::expand::{self, Records};
use crate::http::{Listed, Representation, Resource};
use crate::list::{Column, Kind, List, ListQuery};
pub use http::routes;

/// A person who works for the tenant.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema, sqlx::FromRow)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"email": "ada@acme.example", "name": "Ada Lovelace", "role": "admin", "active": true}))]
pub struct User {
    /// Its id.
    #[schema(value_type = Uuid)]
    pub id: UserId,
    /// The tenant it belongs to.
    #[schema(value_type = Uuid)]
    pub tenant_id: TenantId,
    /// As it was given; no two users of a tenant share one.
    pub email: String,
    /// What it is called.
    pub name: String,
    /// What it may do: `owner`, `admin`, `member` or `read_only`.
    #[schema(pattern = "^(owner|admin|member|read_only)$")]
    pub role: String,
    /// Whether it may do anything at all.
    pub active: bool,
    /// When it was created.
    #[serde(serialize_with = "clock::serialize")]
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    #[serde(serialize_with = "clock::serialize")]
    pub updated_at: DateTime<Utc>,
}

impl Representation for User {}

impl Tracked for User {
    const TYPE: &'static str = "user";

    fn id(&self) -> Uuid {
        self.id.0
    }
}

impl Resource for UserId {
    const NAME: &'static str = "User";
}

/// What lists of users can be asked.
pub static LIST: List = List {
    columns: &[
        Column { name: "name", sql: "name_key", kind: Kind::Folded },
        Column { name: "email", sql: "email_key", kind: Kind::Folded },
        Column { name: "role", sql: "role", kind: Kind::OneOf(Role::NAMES) },
        Column { name: "active", sql: "active", kind: Kind::Bool },
        Column { name: "createdAt", sql: "created_at", kind: Kind::Time },
        Column { name: "updatedAt", sql: "updated_at", kind: Kind::Time },
    ],
    sorts: &[
        ("createdAt", "created_at"),
        ("updatedAt", "updated_at"),
        ("name", "name_key"),
        ("email", "email_key"),
    ],
    default_sort: "-createdAt",
    search: None,
    expansions: &[],
};

/// One page of the tenant's users.
///
/// # Errors
/// The database's.
pub async fn list(tx: &mut TenantTx, query: &ListQuery) -> Result<Listed<User>> {
    Ok(query.fetch(tx, &store::SOURCE).await?)
}

/// The user.
///
/// # Errors
/// [`Error::NotFound`].
pub async fn show(tx: &mut TenantTx, id: UserId) -> Result<User> {
    store::find(tx, id).await?.ok_or_else(UserId::not_found)
}

/// Those of the users that are there, for whoever refers to them.
///
/// # Errors
/// The database's.
pub async fn referred(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Records> {
    expand::records(&store::find_all(tx, ids).await?, |user| user.id.0)
}

/// Whether the transaction's tenant is one: only the command line has to ask.
///
/// # Errors
/// The database's.
pub async fn tenant_exists(tx: &mut TenantTx) -> Result<bool> {
    Ok(store::tenant_exists(tx).await?)
}

/// What changes in a user: what is absent stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct UserPatch {
    /// Replaces the role.
    pub role: Option<Role>,
    /// Whether it may do anything at all; its sessions end with it, its API keys do not.
    pub active: Option<bool>,
}

/// Merges a change into a user. It counts from the user's next request on.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] when the tenant would be left without an active owner.
pub async fn update(tx: &mut TenantTx, id: UserId, patch: UserPatch) -> Result<User> {
    store::lock_all(tx).await?;
    let before = show(tx, id).await?;
    let mut after = before.clone();
    if let Some(role) = patch.role {
        role.as_str().clone_into(&mut after.role);
    }
    after.active = patch.active.unwrap_or(after.active);
    if after == before {
        return Ok(before);
    }
    let owns = |user: &User| user.active && user.role == Role::Owner.as_str();
    if owns(&before) && !owns(&after) && !store::has_other_owner(tx, id).await? {
        let text = "The tenant has no other active owner; give somebody else the role first";
        return Err(Error::Conflict(text.into()));
    }
    after.updated_at = tx.now().max(before.updated_at);
    store::update(tx, &after).await?;
    changes::updated(tx, &before, &after)?;
    if before.active && !after.active {
        sessions::deactivate(tx, id).await?;
    }
    Ok(after)
}

/// Stores a user. Name and address are taken as they are.
///
/// # Errors
/// [`Error::Conflict`] when the tenant has a user with this address.
pub async fn create(tx: &mut TenantTx, email: String, name: String, role: Role) -> Result<User> {
    let now = tx.now();
    let user = User {
        id: UserId::fresh(now),
        tenant_id: tx.tenant(),
        email,
        name,
        role: role.as_str().to_owned(),
        active: true,
        created_at: now,
        updated_at: now,
    };
    if !store::insert(tx, &user).await? {
        return Err(Error::Conflict("The tenant has a user with this e-mail address".into()));
    }
    changes::created(tx, &user)?;
    Ok(user)
}
