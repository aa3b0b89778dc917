//! `api admin tenant create`. It needs no power over other tenants: it begins a transaction of the tenant-to-be.

use serde::Serialize;
use serde_json::Value;
use shared::db::{Origin, check};
use shared::id::{ApiKeyId, TenantId, UserId};
use shared::scope::{Role, Scope};
use shared::{Clock, Db, TenantTx};

use super::{CommandResult, say};
use crate::auth::api_key;
use crate::config::Config;
use crate::http::rules;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    tenant: Tenant<'a>,
    user: User<'a>,
    api_key: &'a str,
}

#[derive(Serialize)]
struct Tenant<'a> {
    id: TenantId,
    name: &'a str,
}

#[derive(Serialize)]
struct User<'a> {
    id: UserId,
    email: &'a str,
    role: &'static str,
}

/// Creates a tenant, its owner and a key with every scope, and prints them.
pub(crate) async fn create(config: Config, name: &str, owner_email: &str, json: bool) -> CommandResult {
    let name = rules::line(100)(Value::from(name)).map_err(|fault| format!("--name: {fault}"))?;
    let email = rules::email(Value::from(owner_email)).map_err(|fault| format!("--owner-email: {fault}"))?;
    let db = Db::connect(&config.db, Clock::system())?;
    check::require(&db).await?;
    let now = db.clock().now();
    let (tenant, user) = (TenantId::fresh(now), UserId::fresh(now));
    let key = api_key::generate();

    let mut tx = db.tenant(tenant, Origin::default()).await?;
    insert(&mut tx, &name, user, &email).await?;
    insert_key(&mut tx, user, &key.prefix, &config.pepper.hash(key.text.expose())).await?;
    tx.commit().await?;

    let created = Created {
        tenant: Tenant { id: tenant, name: &name },
        user: User { id: user, email: &email, role: Role::Owner.as_str() },
        api_key: key.text.expose(),
    };
    if json {
        return say(&serde_json::to_string(&created)?);
    }
    say(&format!("tenant   {tenant}  {name}"))?;
    say(&format!("owner    {user}  {email}"))?;
    say(&format!("API key  {}", created.api_key))?;
    say("The key is not shown again.")
}

async fn insert(tx: &mut TenantTx, name: &str, owner: UserId, email: &str) -> sqlx::Result<()> {
    let (tenant, now) = (tx.tenant(), tx.now());
    sqlx::query!("insert into tenants (id, name, created_at, updated_at) values ($1, $2, $3, $3)", tenant.0, name, now)
        .execute(tx.conn())
        .await?;
    sqlx::query!(
        "insert into users (tenant_id, id, email, name, role, created_at, updated_at)
         values ($1, $2, $3, $3, 'owner', $4, $4)",
        tenant.0,
        owner.0,
        email,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

async fn insert_key(tx: &mut TenantTx, owner: UserId, prefix: &str, hash: &[u8]) -> sqlx::Result<()> {
    let (tenant, now) = (tx.tenant(), tx.now());
    let scopes: Vec<String> = Scope::ALL.iter().map(ToString::to_string).collect();
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
