//! The SQL of demo login.

use shared::TenantTx;
use shared::id::UserId;
use shared::scope::Role;

pub(super) async fn find_user(tx: &mut TenantTx, role: Role) -> sqlx::Result<Option<UserId>> {
    sqlx::query_scalar!(
        r#"select id as "id: UserId" from users where role = $1 and active order by created_at, id limit 1"#,
        role.as_str(),
    )
    .fetch_optional(tx.conn())
    .await
}
