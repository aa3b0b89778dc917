//! The shelf. What is due for a webhook that is switched off stays in the queue until the webhook is switched on again
//! or its time is over, and each claim would step past it. So it is put on a shelf, out of everybody's turn, and back
//! when the webhook is on again, with the due time that it had (docs/decisions/0047-the-shelf.md).
//!
//! What somebody else holds is left for the next look: a webhook whose row is locked, a delivery that is being changed.
//! And of no webhook more is moved at once than a batch, however much it has.

use std::time::Instant;

use chrono::{DateTime, Utc};
use shared::Db;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::background::{IDLE, Then, Wakeups, work};

/// Deliveries of a webhook that are moved at once.
const BATCH: i64 = 1000;
/// Webhooks in turn that one look sees, so that it costs the same however many there are.
const STEPS: i32 = 1000;
/// Webhooks that are on again that one look sees.
const AGAIN: i64 = 20;

/// Moves deliveries until `stop`, and wakes the claims when some are in the queue again. Who wakes it may have switched
/// a webhook on; to find those that are off is in no hurry.
pub(crate) async fn run(db: Db, wakeups: Wakeups, stop: CancellationToken) {
    let Wakeups { shelf: wakeup, claims, .. } = wakeups;
    let (mut shelf, mut looked) = (Shelf::default(), None);
    let round = async move || {
        let back = shelf.take_down(&db).await?;
        if back.deliveries > 0 {
            claims.notify();
        }
        if looked.is_some_and(|at: Instant| at.elapsed() < IDLE) {
            return Ok(Then::again_if(back.more));
        }
        let up = shelf.put_up(&db).await?;
        looked = Some(Instant::now()).filter(|_| !up.more);
        Ok(Then::again_if(back.more || up.more))
    };
    work("shelving", wakeup, stop, round).await;
}

/// Where the next looks begin.
#[derive(Default)]
pub struct Shelf {
    /// The last webhook that `put_up` saw.
    turn: Uuid,
    /// The last webhook that `take_down` saw.
    again: Webhook,
    /// Whether this pass may have left some on the shelf.
    full: bool,
}

/// What one look came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// How many were moved.
    pub deliveries: u64,
    /// Whether there are others that could be moved now.
    pub more: bool,
}

impl Moved {
    fn add(&mut self, to: &'static str, deliveries: u64) {
        self.deliveries += deliveries;
        self.more |= deliveries == BATCH.unsigned_abs();
        metrics::counter!("webhook_shelf_moves_total", "to" => to).increment(deliveries);
    }
}

/// A webhook of a tenant.
#[derive(Clone, Copy, Default)]
struct Webhook {
    tenant: Uuid,
    id: Uuid,
}

impl Shelf {
    /// Puts up what is due for the next webhooks in turn that are switched off.
    ///
    /// # Errors
    /// The database's. What was put up until then stays there.
    pub async fn put_up(&mut self, db: &Db) -> sqlx::Result<Moved> {
        let mut moved = Moved::default();
        for (webhook, oldest) in self.switched_off(db).await? {
            moved.add("shelf", put_some_up(db, webhook, oldest).await?);
        }
        Ok(moved)
    }

    /// Those in whose turn something is due that nobody may claim, with the first of it.
    async fn switched_off(&mut self, db: &Db) -> sqlx::Result<Vec<(Webhook, DateTime<Utc>)>> {
        let now = db.clock().now();
        let row = db
            .direct(async |conn| {
                sqlx::query!(
                    r#"select coalesce(array_agg(r.tenant_id) filter (where w.off), '{}') as "tenants!",
                              coalesce(array_agg(r.webhook_id) filter (where w.off), '{}') as "webhooks!",
                              coalesce(array_agg(r.next_retry) filter (where w.off), '{}') as "oldest!",
                              (array_agg(r.webhook_id))[$2::int] as last
                       from (select * from webhooks_in_turn($1) limit $2::int) r
                       left join lateral (select not active and deleted_at is null and r.next_retry <= $3 as off from webhooks
                                          where tenant_id = r.tenant_id and id = r.webhook_id offset 0) w on true"#,
                    self.turn,
                    STEPS,
                    now,
                )
                .fetch_one(conn)
                .await
            })
            .await?;
        // Before the end all have been seen, and those that come first are as good as any.
        self.turn = row.last.unwrap_or_default();
        let webhooks = row.tenants.into_iter().zip(row.webhooks);
        let webhooks = webhooks.map(|(tenant, id)| Webhook { tenant, id });
        Ok(webhooks.zip(row.oldest).collect())
    }

    /// Puts back what is on the shelf for the next webhooks that are on again, what was due first before the rest.
    ///
    /// # Errors
    /// The database's. What was put back until then is due.
    pub async fn take_down(&mut self, db: &Db) -> sqlx::Result<Moved> {
        let mut moved = Moved::default();
        for webhook in self.switched_on(db).await? {
            moved.add("queue", take_some_down(db, webhook).await?);
        }
        self.full |= moved.more;
        moved.more = self.again.id != Uuid::nil() || std::mem::take(&mut self.full);
        Ok(moved)
    }

    async fn switched_on(&mut self, db: &Db) -> sqlx::Result<Vec<Webhook>> {
        let Webhook { tenant, id } = self.again;
        let webhooks = db
            .direct(async |conn| {
                sqlx::query_as!(
                    Webhook,
                    "select tenant_id as tenant, id from webhooks
                     where shelved and active and (tenant_id, id) > ($1, $2) order by tenant_id, id limit $3",
                    tenant,
                    id,
                    AGAIN,
                )
                .fetch_all(conn)
                .await
            })
            .await?;
        let last = webhooks.last().filter(|_| webhooks.len() as u64 == AGAIN.unsigned_abs());
        self.again = last.copied().unwrap_or_default();
        Ok(webhooks)
    }
}

/// Unless the webhook is on again. Whoever had a lease that has run out has lost it. The row's lock keeps those who
/// take down away until the mark and what it stands for are there.
async fn put_some_up(db: &Db, webhook: Webhook, oldest: DateTime<Utc>) -> sqlx::Result<u64> {
    let now = db.clock().now();
    let mut tx = db.system().await?;
    let moved = sqlx::query!(
        "with off as (
             select tenant_id, id, shelved from webhooks
             where tenant_id = $1 and id = $2 and not active and deleted_at is null
             for no key update skip locked
         ), marked as (
             update webhooks w set shelved = true from off
             where w.tenant_id = off.tenant_id and w.id = off.id and not off.shelved
         )
         update webhook_queue set next_retry = on_shelf(next_retry), lease_id = null
         where ctid = any (array(
             select d.row from off cross join lateral (
                 select q.ctid as row from webhook_queue q
                 -- From the first one on: before it are only entries of what was put up a moment ago.
                 where q.webhook_id = off.id and q.next_retry between $3 and $4
                   and not is_parked(q.attempts, q.promoted, q.lease_id, q.next_retry)
                 order by q.next_retry limit $5 for update skip locked) d))",
        webhook.tenant,
        webhook.id,
        oldest,
        now,
        BATCH,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    tx.commit_lazily().await?;
    Ok(moved)
}

/// Unless the webhook is off again. The mark goes when a statement that begins afterwards finds nothing: what somebody
/// changes just now is missed, and stays marked.
async fn take_some_down(db: &Db, webhook: Webhook) -> sqlx::Result<u64> {
    let mut tx = db.system().await?;
    let still = sqlx::query!(
        "select from webhooks where tenant_id = $1 and id = $2 and shelved and active for no key update skip locked",
        webhook.tenant,
        webhook.id,
    )
    .fetch_optional(tx.conn())
    .await?;
    if still.is_none() {
        return tx.commit_lazily().await.map(|()| 0);
    }
    let moved = sqlx::query!(
        "update webhook_queue set next_retry = off_shelf(next_retry)
         where ctid = any (array(
             -- `between`, so that the order is the one index's.
             select ctid from webhook_queue where webhook_id between $1 and $1 and next_retry > in_line()
             order by webhook_id, next_retry limit $2 for update skip locked))",
        webhook.id,
        BATCH,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    if moved < BATCH.unsigned_abs() {
        sqlx::query!(
            "update webhooks w set shelved = false
             where tenant_id = $1 and id = $2
               and not exists (select from webhook_queue q where q.webhook_id = w.id and q.next_retry > in_line())",
            webhook.tenant,
            webhook.id,
        )
        .execute(tx.conn())
        .await?;
    }
    tx.commit_lazily().await?;
    Ok(moved)
}
