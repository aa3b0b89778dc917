//! The SQL of signature checks: what was really sent.

use shared::TenantTx;
use uuid::Uuid;

use super::Sent;

/// Other webhooks of a tenant whose secrets are tried.
const OTHERS: i64 = 20;

/// A delivery of the tenant with the times of its attempts.
pub(super) async fn find_sent(tx: &mut TenantTx, delivery: Uuid) -> sqlx::Result<Option<Sent>> {
    sqlx::query_as!(
        Sent,
        r#"select e.webhook_id as webhook, e.body::text as "body!",
                  array(select a.started_at from webhook_attempts a
                        where a.delivery_id = e.id order by a.started_at desc limit 50) as "attempts!"
           from webhook_events e where e.id = $1"#,
        delivery,
    )
    .fetch_optional(tx.conn())
    .await
}

/// The newest webhooks of the tenant beside this one.
pub(super) async fn find_others(tx: &mut TenantTx, webhook: Uuid) -> sqlx::Result<Vec<Uuid>> {
    sqlx::query_scalar!(
        "select id from webhooks where id <> $1 and deleted_at is null order by created_at desc, id desc limit $2",
        webhook,
        OTHERS,
    )
    .fetch_all(tx.conn())
    .await
}
