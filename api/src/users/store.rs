//! The SQL of users.

use shared::TenantTx;
use shared::id::{TenantId, UserId};
use uuid::Uuid;

use super::User;
use crate::list::Source;

/// What lists of users select from.
pub(super) static SOURCE: Source = Source {
    columns: "id, tenant_id, email, name, role, active, created_at, updated_at",
    table: "users",
    condition: "true",
    inside: None,
};

pub(super) async fn find(tx: &mut TenantTx, id: UserId) -> sqlx::Result<Option<User>> {
    Ok(find_all(tx, &[id.0]).await?.pop())
}

/// Those of the users that are there.
pub(super) async fn find_all(tx: &mut TenantTx, ids: &[Uuid]) -> sqlx::Result<Vec<User>> {
    sqlx::query_as!(
        User,
        r#"select id as "id: UserId", tenant_id as "tenant_id: TenantId", email, name, role, active, created_at,
                  updated_at
           from users where id = any ($1)"#,
        ids,
    )
    .fetch_all(tx.conn())
    .await
}

/// Whether there was room: no other user has the address.
pub(super) async fn insert(tx: &mut TenantTx, user: &User) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "insert into users (tenant_id, id, email, name, role, active, created_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8)
         on conflict on constraint users_email_taken do nothing",
        user.tenant_id.0,
        user.id.0,
        user.email,
        user.name,
        user.role,
        user.active,
        user.created_at,
        user.updated_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn tenant_exists(tx: &mut TenantTx) -> sqlx::Result<bool> {
    let tenant = tx.tenant();
    sqlx::query_scalar!(
        r#"select exists (select from tenants where id = $1) as "exists!""#,
        tenant.0
    )
    .fetch_one(tx.conn())
    .await
}

/// Keeps other changes of the tenant's users off until the transaction ends.
pub(super) async fn lock_all(tx: &mut TenantTx) -> sqlx::Result<()> {
    let tenant = tx.tenant();
    sqlx::query!("select id from tenants where id = $1 for no key update", tenant.0)
        .fetch_optional(tx.conn())
        .await?;
    Ok(())
}

/// Whether anybody else is an owner who may do something.
pub(super) async fn has_other_owner(tx: &mut TenantTx, user: UserId) -> sqlx::Result<bool> {
    sqlx::query_scalar!(
        r#"select exists (select from users where role = 'owner' and active and id <> $1) as "exists!""#,
        user.0,
    )
    .fetch_one(tx.conn())
    .await
}

pub(super) async fn update(tx: &mut TenantTx, user: &User) -> sqlx::Result<()> {
    sqlx::query!(
        "update users set role = $2, active = $3, updated_at = $4 where id = $1",
        user.id.0,
        user.role,
        user.active,
        user.updated_at,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
