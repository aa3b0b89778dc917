//! Outcomes of deliveries whose data was erased while the request was under way: what the receiver said may repeat it.

use std::borrow::Cow;
use std::collections::HashMap;

use shared::SystemTx;
use shared::webhook::attempt::AttemptDetail;
use uuid::Uuid;

/// Deliveries that are there, and whether each is erased.
pub(super) type There = HashMap<Uuid, bool>;

/// Keeps everyone off those of the deliveries that are there until the transaction ends. Whoever erases one comes
/// either before, and is seen here, or afterwards, and sees the attempts (worker/src/erasures).
pub(super) async fn hold(
    tx: &mut SystemTx,
    tenants: &[Uuid],
    deliveries: &[Uuid],
) -> sqlx::Result<There> {
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
    Ok(held.into_iter().map(|row| (row.id, row.erased)).collect())
}

/// What an attempt tells of itself, an [`AttemptDetail`] as JSON, without what the receiver said.
pub(super) fn left(detail: &str, erased: bool) -> sqlx::Result<Cow<'_, str>> {
    if !erased {
        return Ok(Cow::Borrowed(detail));
    }
    let left = serde_json::from_str(detail).and_then(|mut left: AttemptDetail| {
        left.response_headers.clear();
        serde_json::to_string(&left)
    });
    left.map(Cow::Owned).map_err(|error| sqlx::Error::Encode(error.into()))
}
