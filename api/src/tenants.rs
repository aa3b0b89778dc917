//! New tenants. Creating one needs no power over the others: it begins a transaction of the tenant-to-be.

use serde_json::json;
use shared::changes;
use shared::db::Origin;
use shared::id::{ApiKeyId, TenantId, UserId};
use shared::scope::{Role, Scope};
use shared::{Db, Secret, TenantTx};

use crate::auth::api_key::{self, Pepper};

/// A tenant that was just created.
pub struct Created {
    /// The tenant.
    pub tenant: TenantId,
    /// Its owner.
    pub owner: UserId,
    /// A key with every scope, to be shown this once.
    pub api_key: Secret<String>,
}

/// Creates a tenant, its owner and a key with every scope. Name and address are taken as they are. With `demo` it has a
/// user of every role, and demo login opens it under that name.
///
/// # Errors
/// The database's.
pub async fn create(
    db: &Db,
    pepper: &Pepper,
    name: &str,
    owner_email: &str,
    demo: Option<&str>,
) -> sqlx::Result<Created> {
    let now = db.clock().now();
    let (tenant, owner) = (TenantId::fresh(now), UserId::fresh(now));
    let key = api_key::generate();

    let mut tx = db.tenant(tenant, Origin::default()).await?;
    insert(&mut tx, name, demo).await?;
    insert_user(&mut tx, owner, owner_email, owner_email, Role::Owner).await?;
    if let Some(demo) = demo {
        for role in [Role::Admin, Role::Member, Role::ReadOnly] {
            let email = format!("{}@{demo}.invalid", role.as_str());
            let name = format!("Demo {}", role.as_str().replace('_', "-"));
            insert_user(&mut tx, UserId::fresh(now), &email, &name, role).await?;
        }
    }
    insert_key(&mut tx, owner, &key.prefix, &pepper.hash(key.text.expose())).await?;
    let made = json!({"name": name, "ownerId": owner, "apiKeyPrefix": key.prefix});
    changes::logged(&mut tx, ("tenant", tenant.0), "created", &made)?;
    tx.commit().await?;
    Ok(Created { tenant, owner, api_key: key.text })
}

async fn insert(tx: &mut TenantTx, name: &str, demo: Option<&str>) -> sqlx::Result<()> {
    let (tenant, now) = (tx.tenant(), tx.now());
    sqlx::query!(
        "insert into tenants (id, name, demo, created_at, updated_at) values ($1, $2, $3, $4, $4)",
        tenant.0,
        name,
        demo,
        now
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn insert_user(
    tx: &mut TenantTx,
    id: UserId,
    email: &str,
    name: &str,
    role: Role,
) -> sqlx::Result<()> {
    let (tenant, now) = (tx.tenant(), tx.now());
    sqlx::query!(
        "insert into users (tenant_id, id, email, name, role, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $6)",
        tenant.0,
        id.0,
        email,
        name,
        role.as_str(),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn insert_key(
    tx: &mut TenantTx,
    owner: UserId,
    prefix: &str,
    hash: &[u8],
) -> sqlx::Result<()> {
    let (tenant, now) = (tx.tenant(), tx.now());
    let scopes: Vec<String> = Scope::NAMES.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "insert into api_keys (tenant_id, id, name, prefix, hash, scopes, created_by, created_at, updated_at)
         values ($1, $2, 'First key', $3, $4, $5, $6, $7, $7)",
        tenant.0,
        ApiKeyId::fresh(now).0,
        prefix,
        hash,
        &scopes,
        owner.0,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
