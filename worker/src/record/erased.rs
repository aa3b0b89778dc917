//! Outcomes of deliveries whose data was erased while the request was under way: what the receiver said may repeat it.

use shared::SystemTx;
use uuid::Uuid;

/// Leaves out what receivers said to those of these deliveries that are erased. Asked after the outcomes are written:
/// whoever erases a body waits for rows that were written here, and looks at attempts only when every transaction from
/// before has ended (worker/src/erasures).
pub(super) async fn leave_out(
    tx: &mut SystemTx,
    tenants: &[Uuid],
    deliveries: &[Uuid],
) -> sqlx::Result<()> {
    sqlx::query!(
        "update webhook_attempts a set excerpt = null, detail = erased_detail(a.detail)
         from (select e.tenant_id, e.id from unnest($1::uuid[], $2::uuid[]) o (tenant_id, id)
               cross join lateral (
                   select tenant_id, id from webhook_events e
                   where e.tenant_id = o.tenant_id and e.id = o.id and e.erased_at is not null offset 0) e) late
         where a.tenant_id = late.tenant_id and a.delivery_id = late.id",
        tenants,
        deliveries,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
