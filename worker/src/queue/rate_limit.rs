//! Webhooks with a rate limit: what is claimed of them is booked in their rows, where every worker sees it. Workers
//! that claim at the same moment book half a minute ahead at most. What is more than a minute ahead was booked by a
//! clock that was ahead, and is forgotten here and by the claim: it would keep the webhook silent for as long.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::db::step::{STEP, in_time};
use shared::id::WebhookId;
use shared::{Db, SystemTx};
use uuid::Uuid;

use super::Slots;
use super::claim::Row;
use super::pace::burst_time;

/// Between two tries to book what is left; each waits for a lock as long as one may be waited for.
const PAUSE: Duration = Duration::from_secs(1);

/// A tenant and its webhook.
type Key = (Uuid, Uuid);

/// Deliveries that are claimed of webhooks with a rate limit, by tenant and webhook: in one order everywhere, so that
/// workers cannot wait for each other in a circle.
#[derive(Debug, Default)]
pub(super) struct Spent(BTreeMap<Key, i32>);

/// Claims of webhooks with a rate limit that are not booked yet.
#[derive(Debug, Default)]
pub(super) struct Ledger(Mutex<Owed>);

#[derive(Debug, Default)]
struct Owed {
    requests: BTreeMap<Key, i32>,
    /// Whether somebody books them.
    booking: bool,
    /// The one that was tried last.
    last: Option<Key>,
}

impl Ledger {
    /// Takes in claims; whether somebody has to be sent to book them.
    pub(super) fn owe(&self, claims: impl IntoIterator<Item = (Key, i32)>) -> bool {
        let mut owed = self.owed();
        for (webhook, requests) in claims {
            *owed.requests.entry(webhook).or_default() += requests;
        }
        !std::mem::replace(&mut owed.booking, true)
    }

    /// Webhooks that owe something.
    pub(super) fn webhooks(&self) -> Vec<WebhookId> {
        self.owed().requests.keys().map(|(_, webhook)| WebhookId(*webhook)).collect()
    }

    /// The next to be booked, in turn, as somebody may hold one of them; whoever hears that there are none books no
    /// more.
    fn next(&self) -> Option<(Key, i32)> {
        let mut owed = self.owed();
        let after = (owed.last.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded);
        let following = owed.requests.range(after).next().or(owed.requests.first_key_value());
        let next = following.map(|(webhook, requests)| (*webhook, *requests));
        (owed.booking, owed.last) = (next.is_some(), next.map(|(webhook, _)| webhook));
        next
    }

    /// So many are booked.
    pub(super) fn pay(&self, webhook: Key, requests: i32) {
        let mut owed = self.owed();
        let left = owed.requests.remove(&webhook).unwrap_or_default() - requests;
        if left > 0 {
            owed.requests.insert(webhook, left);
        }
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Books what was claimed, but for webhooks whose row somebody holds: everybody's deliveries would wait for it. They
/// are left, to be booked behind the commit. Two workers that claim at the same moment may both find the same room;
/// both are booked, so that the next ones wait for it.
pub(super) async fn charge(
    tx: &mut SystemTx,
    slots: &Slots,
    rows: &[Row],
    now: DateTime<Utc>,
) -> sqlx::Result<Spent> {
    let mut spent = Spent::default();
    for row in rows.iter().filter(|row| row.rate_limit.is_some()) {
        *spent.0.entry((row.tenant_id, row.webhook_id)).or_default() += 1;
    }
    if spent.0.is_empty() {
        return Ok(spent);
    }
    let (tenants, webhooks, requests) = spent.columns();
    let paced = sqlx::query_as!(
        Paced,
        r#"with free as (
               select w.tenant_id, w.id, s.requests
               from unnest($1::uuid[], $2::uuid[], $3::int[]) s (tenant_id, id, requests)
               join webhooks w on w.tenant_id = s.tenant_id and w.id = s.id and w.rate_limit is not null
               for no key update of w skip locked)
           update webhooks w
           set paced_until = least(case when w.paced_until between $4::timestamptz and $4 + interval '1 min'
                                            then w.paced_until else $4 end, $4 + interval '30 s')
                             + make_interval(secs => f.requests / w.rate_limit::float8)
           from free f
           where w.tenant_id = f.tenant_id and w.id = f.id
           returning w.tenant_id, w.id, w.rate_limit as "rate_limit!", w.paced_until as "until!""#,
        &tenants,
        &webhooks,
        &requests,
        now,
    )
    .fetch_all(tx.conn())
    .await?;
    for row in paced {
        spent.0.remove(&(row.tenant_id, row.id));
        row.tell(slots);
    }
    Ok(spent)
}

impl Spent {
    /// Owes what is left, to be booked by one task that waits for whoever holds the rows. Nothing more is claimed of
    /// these webhooks until it has.
    pub(super) fn book_later(self, db: &Db, slots: &Slots) {
        if self.0.is_empty() || !slots.ledger().owe(self.0) {
            return;
        }
        let (db, slots) = (db.clone(), slots.clone());
        tokio::spawn(async move {
            while let Some((webhook, requests)) = slots.ledger().next() {
                match in_time(STEP, book(&db, &slots, webhook, requests)).await {
                    Ok(()) => {
                        slots.ledger().pay(webhook, requests);
                        slots.reopen();
                    }
                    Err(sqlx::Error::PoolClosed) => return,
                    Err(error) => {
                        tracing::warn!(%error, "claims of a webhook with a rate limit are not booked yet");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
        });
    }

    fn columns(&self) -> (Vec<Uuid>, Vec<Uuid>, Vec<i32>) {
        let (tenants, webhooks) = self.0.keys().copied().unzip();
        (tenants, webhooks, self.0.values().copied().collect())
    }
}

async fn book(db: &Db, slots: &Slots, (tenant, webhook): Key, requests: i32) -> sqlx::Result<()> {
    let mut tx = db.system().await?;
    let paced = sqlx::query_as!(
        Paced,
        r#"update webhooks w
           set paced_until = least(case when w.paced_until between $4::timestamptz and $4 + interval '1 min'
                                            then w.paced_until else $4 end, $4 + interval '30 s')
                             + make_interval(secs => $3::int / w.rate_limit::float8)
           where w.tenant_id = $1 and w.id = $2 and w.rate_limit is not null
           returning w.tenant_id, w.id, w.rate_limit as "rate_limit!", w.paced_until as "until!""#,
        tenant,
        webhook,
        requests,
        db.clock().now(),
    )
    .fetch_optional(tx.conn())
    .await?;
    tx.commit_lazily().await?;
    if let Some(row) = paced {
        row.tell(slots);
    }
    Ok(())
}

/// A webhook whose claims are booked.
struct Paced {
    tenant_id: Uuid,
    id: Uuid,
    rate_limit: i32,
    until: DateTime<Utc>,
}

impl Paced {
    /// Notes when it may go on.
    fn tell(self, slots: &Slots) {
        slots.pace(WebhookId(self.id), self.until - burst_time(f64::from(self.rate_limit)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_task_books_what_is_owed_and_what_comes_meanwhile() {
        let ledger = Ledger::default();
        let webhook = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert!(ledger.owe([(webhook, 2)]));
        assert!(!ledger.owe([(webhook, 1)]), "somebody books already");
        assert_eq!(ledger.webhooks(), [WebhookId(webhook.1)]);
        assert_eq!(ledger.next(), Some((webhook, 3)));
        ledger.pay(webhook, 2);
        assert_eq!(ledger.next(), Some((webhook, 1)), "what came meanwhile");
        ledger.pay(webhook, 1);
        assert_eq!((ledger.next(), ledger.webhooks()), (None, vec![]));
        assert!(ledger.owe([(webhook, 1)]));
    }

    #[test]
    fn one_that_cannot_be_booked_keeps_no_other_from_it() {
        let ledger = Ledger::default();
        let [held, free] = [1, 2].map(|number| (Uuid::from_u128(number), Uuid::nil()));
        ledger.owe([(held, 1), (free, 1)]);
        let tried: Vec<_> = (0..3).filter_map(|_| ledger.next()).collect();
        assert_eq!(tried, [(held, 1), (free, 1), (held, 1)]);
    }
}
