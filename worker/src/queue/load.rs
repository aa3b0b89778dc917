//! From tokens to deliveries: what another worker has claimed becomes this one's, by primary key.

use chrono::TimeDelta;
use shared::Db;
use shared::id::LeaseId;
use shared::webhook::delivery::Trigger;

use super::claim::{Hold, Row};
use super::{Claimed, Slots, Token};

/// Claims the tokens' deliveries under `lease`, for `holds`; safe to repeat with the same lease. Stale tokens are
/// skipped: taken, claimed anew, forged, of a webhook that is off, deleted or held.
///
/// # Errors
/// The database's; nothing is taken over then.
pub(super) async fn load(
    db: &Db,
    slots: &Slots,
    lease: LeaseId,
    holds: TimeDelta,
    tokens: &[Token],
) -> sqlx::Result<Vec<Claimed>> {
    let now = db.clock().now();
    let hold = Hold { lease, until: now + holds, claims: 1 };
    // In one order everywhere, so that workers cannot wait for each other in a circle.
    let mut tokens: Vec<&Token> = tokens.iter().collect();
    tokens.sort_by_key(|token| token.delivery);
    let mut tx = db.system().await?;
    let rows = sqlx::query_file_as!(
        Row,
        "src/queue/load.sql",
        &tokens.iter().map(|token| token.tenant.0).collect::<Vec<_>>(),
        &tokens.iter().map(|token| token.webhook.0).collect::<Vec<_>>(),
        &tokens.iter().map(|token| token.delivery.0).collect::<Vec<_>>(),
        &tokens.iter().map(|token| token.lease.0).collect::<Vec<_>>(),
        hold.lease.0,
        hold.until,
        now,
    )
    .fetch_all(tx.conn())
    .await?;
    tx.commit_lazily().await?;
    let stale = tokens.len().saturating_sub(rows.len());
    metrics::counter!("queue_tokens_stale_total").increment(stale as u64);
    Ok(rows.into_iter().map(|row| row.into_claimed(slots, &hold, now)).collect())
}
