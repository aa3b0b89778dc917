//! The shelf. What is due for a webhook that is switched off stays in the queue until the webhook is switched on again or
//! its time is over, and each claim would step past it. So it is put on a shelf, out of everybody's turn, and
//! back when the webhook is on again, with the due time that it had (docs/decisions/0047-the-shelf.md). Nothing depends
//! on when: what is not on the shelf yet is only passed over, and what is still on it is sent a moment later.

use std::time::Duration;

use shared::Db;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::queue::{Knock, Pause, wait};

/// Looks without being asked.
const IDLE: Duration = Duration::from_secs(1);
/// Deliveries that are moved in one transaction.
const BATCH: i64 = 1000;
/// As it is counted: as many may not have been all.
const FULL: u64 = BATCH.unsigned_abs();
/// Webhooks whose turn is looked at in one round, so that a round costs the same however many there are.
const STEPS: i32 = 1000;

/// Moves deliveries until `stop`, and knocks at `due` when some are in the queue again.
pub(crate) async fn run(db: Db, knock: Knock, due: Knock, stop: CancellationToken) {
    let (mut pause, mut shelf) = (Pause::default(), Shelf::default());
    while !stop.is_cancelled() {
        let moved = async {
            if take_down(&db).await? > 0 {
                due.knock();
            }
            shelf.put_up(&db).await
        };
        match moved.await {
            Ok(_) => {
                pause.reset();
                wait(IDLE, knock.heard(), &stop).await;
            }
            Err(error) => pause.after(&error, "keeping the shelf", &stop).await,
        }
    }
}

/// Where the next look at the webhooks in turn begins.
#[derive(Default)]
pub struct Shelf {
    after: Uuid,
}

/// A webhook of a tenant.
struct Webhook {
    tenant: Uuid,
    id: Uuid,
}

impl Shelf {
    /// Puts up what is due for the next webhooks in turn that are switched off; says how many deliveries that were.
    ///
    /// # Errors
    /// The database's. What was put up until then stays there.
    pub async fn put_up(&mut self, db: &Db) -> sqlx::Result<u64> {
        let mut moved = 0;
        for webhook in self.switched_off(db).await? {
            loop {
                let some = put_some_up(db, &webhook).await?;
                moved += some;
                if some < FULL {
                    break;
                }
            }
        }
        count("shelf", moved);
        Ok(moved)
    }

    /// Those in whose turn something is due that nobody may claim.
    async fn switched_off(&mut self, db: &Db) -> sqlx::Result<Vec<Webhook>> {
        let now = db.clock().now();
        let row = db
            .direct(async |conn| {
                sqlx::query!(
                    r#"select coalesce(array_agg(r.tenant_id) filter (where w.off), '{}') as "tenants!",
                              coalesce(array_agg(r.webhook_id) filter (where w.off), '{}') as "webhooks!",
                              (array_agg(r.webhook_id))[$2::int] as last
                       from (select * from webhooks_in_turn($1) limit $2::int) r
                       left join lateral (select not active and deleted_at is null and r.next_retry <= $3 as off from webhooks
                                          where tenant_id = r.tenant_id and id = r.webhook_id offset 0) w on true"#,
                    self.after,
                    STEPS,
                    now,
                )
                .fetch_one(conn)
                .await
            })
            .await?;
        // Before the end all have been seen, and those that come first are as good as any.
        self.after = row.last.unwrap_or_default();
        let both = row.tenants.into_iter().zip(row.webhooks);
        Ok(both.map(|(tenant, id)| Webhook { tenant, id }).collect())
    }
}

/// Unless the webhook is on again, or somebody else is about it. Whoever had a lease that has run out has lost it.
async fn put_some_up(db: &Db, webhook: &Webhook) -> sqlx::Result<u64> {
    let now = db.clock().now();
    let mut tx = db.system().await?;
    let moved = sqlx::query!(
        "with off as (
             select tenant_id, id from webhooks where tenant_id = $1 and id = $2 and not active and deleted_at is null
             for no key update skip locked
         ), marked as (
             update webhooks w set shelved = true from off where w.tenant_id = off.tenant_id and w.id = off.id and not w.shelved
         )
         update webhook_queue set next_retry = on_shelf(next_retry), lease_id = null
         where ctid = any (array(
             select d.row from off cross join lateral (
                 select q.ctid as row from webhook_queue q
                 where q.webhook_id = off.id and q.next_retry <= $3
                   and not is_parked(q.attempts, q.promoted, q.lease_id, q.next_retry)
                 order by q.next_retry limit $4 for update skip locked) d))",
        webhook.tenant,
        webhook.id,
        now,
        BATCH,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    tx.commit_lazily().await?;
    Ok(moved)
}

/// Puts back what is on the shelf for webhooks that are on again; says how many deliveries that were.
///
/// # Errors
/// The database's. What was put back until then is due.
pub async fn take_down(db: &Db) -> sqlx::Result<u64> {
    let mut moved = 0;
    while let Some(webhook) = switched_on(db).await? {
        let mut after = Uuid::nil();
        while let Some(last) = take_some_down(db, &webhook, after, &mut moved).await? {
            after = last;
        }
    }
    count("queue", moved);
    Ok(moved)
}

async fn switched_on(db: &Db) -> sqlx::Result<Option<Webhook>> {
    db.direct(async |conn| {
        sqlx::query_as!(
            Webhook,
            "select tenant_id as tenant, id from webhooks where shelved and active limit 1"
        )
        .fetch_optional(conn)
        .await
    })
    .await
}

/// The next ones, by their ids; returns the last of them while there may be more.
async fn take_some_down(
    db: &Db,
    webhook: &Webhook,
    after: Uuid,
    moved: &mut u64,
) -> sqlx::Result<Option<Uuid>> {
    let mut tx = db.system().await?;
    // By this lock nobody puts anything up meanwhile, or switches the webhook off.
    let still = sqlx::query!(
        "select from webhooks where tenant_id = $1 and id = $2 and shelved and active for no key update",
        webhook.tenant,
        webhook.id,
    )
    .fetch_optional(tx.conn())
    .await?;
    if still.is_none() {
        return tx.commit_lazily().await.map(|()| None);
    }
    let ids = sqlx::query_scalar!(
        "update webhook_queue set next_retry = off_shelf(next_retry)
         where ctid = any (array(
             select ctid from webhook_queue
             where tenant_id = $1 and webhook_id = $2 and id > $3 and next_retry > in_line()
             order by id limit $4 for update))
         returning id",
        webhook.tenant,
        webhook.id,
        after,
        BATCH,
    )
    .fetch_all(tx.conn())
    .await?;
    let some = ids.len() as u64;
    let last = ids.into_iter().max().filter(|_| some == FULL);
    if last.is_none() {
        sqlx::query!(
            "update webhooks set shelved = false where tenant_id = $1 and id = $2",
            webhook.tenant,
            webhook.id,
        )
        .execute(tx.conn())
        .await?;
    }
    tx.commit_lazily().await?;
    *moved += some;
    Ok(last)
}

fn count(to: &'static str, moved: u64) {
    metrics::counter!("webhook_shelf_moves_total", "to" => to).increment(moved);
}
