//! Outcomes of deliveries whose data was erased while the request was under way: what the receiver said may repeat it.

use std::borrow::Cow;
use std::collections::HashSet;

use shared::SystemTx;
use shared::webhook::attempt::AttemptDetail;
use uuid::Uuid;

/// Keeps everyone off these deliveries until the transaction ends, and says which of them are erased. Whoever erases one
/// comes either before, and is seen here, or afterwards, and sees the attempts (worker/src/erasures).
pub(super) async fn hold(
    tx: &mut SystemTx,
    tenants: &[Uuid],
    deliveries: &[Uuid],
) -> sqlx::Result<HashSet<Uuid>> {
    let held = sqlx::query!(
        r#"select e.id as "id!", e.erased as "erased!" from unnest($1::uuid[], $2::uuid[]) o (tenant_id, id)
           cross join lateral (
               select e.id, e.erased_at is not null as erased from webhook_events e
               where e.tenant_id = o.tenant_id and e.id = o.id for no key update) e"#,
        tenants,
        deliveries,
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(held.into_iter().filter(|row| row.erased).map(|row| row.id).collect())
}

/// What an attempt tells of itself, without what the receiver said.
pub(super) fn left(detail: &AttemptDetail, erased: bool) -> Cow<'_, AttemptDetail> {
    if !erased {
        return Cow::Borrowed(detail);
    }
    let mut left = detail.clone();
    left.response_headers.clear();
    Cow::Owned(left)
}
