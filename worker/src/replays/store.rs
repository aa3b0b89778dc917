//! The SQL of replays.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use shared::SystemTx;
use shared::id::{ReplayId, TenantId, WebhookId};
use shared::webhook::delivery::{ReplayState, Trigger};
use sqlx::Result;
use uuid::Uuid;

use super::Replay;
use super::pace::{Pace, Queued, Ramp};

/// The replay that has been due longest and that nobody else is at; others are kept off it until the transaction ends.
/// A webhook with a rate limit keeps half of it for everything else.
pub(super) async fn take(tx: &mut SystemTx, now: DateTime<Utc>) -> Result<Option<Replay>> {
    let row = sqlx::query!(
        r#"select r.tenant_id as "tenant: TenantId", r.id as "id: ReplayId", r.webhook_id as "webhook: WebhookId",
                  r.trigger as "trigger: Trigger",
                  r.since, r.until, r.statuses, r.events, r.replayed, r.delivered, r.passed_over, r.reached_at, r.reached_id,
                  least(r.rate, case when w.rate_limit is not null then greatest(w.rate_limit / 2, 1) end) as "most!",
                  r.pace, r.paced_until, r.paced_at, r.accepted, r.refused, r.batch, r.again, r.created_at, r.state as "state: ReplayState",
                  w.deleted_at is not null or r.trigger = 'redrive' and not w.auto_redrive as "unwanted!",
                  not w.active or r.trigger = 'redrive' and coalesce(h.state = 'failing', false) as "held!"
           from webhook_replays r join webhooks w on w.tenant_id = r.tenant_id and w.id = r.webhook_id
           left join webhook_health h on h.tenant_id = r.tenant_id and h.webhook_id = r.webhook_id
           where r.due_at <= $1
           order by r.due_at limit 1 for update of r skip locked"#,
        now,
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|row| {
        let (accepted, refused) = (row.accepted, row.refused);
        let ramp = Ramp { most: row.most, at: row.paced_at, accepted, refused };
        let ramp = (row.trigger == Trigger::Redrive).then_some(ramp);
        let per_second = if ramp.is_some() { row.pace.min(row.most) } else { row.most };
        Replay {
            tenant: row.tenant,
            id: row.id,
            webhook: row.webhook,
            trigger: row.trigger,
            since: row.since,
            until: row.until,
            statuses: row.statuses,
            events: row.events,
            replayed: row.replayed,
            delivered: row.delivered,
            passed_over: row.passed_over,
            reached: row.reached_at.zip(row.reached_id),
            pace: Pace { per_second, paid_until: row.paced_until, batch: row.batch },
            ramp,
            again: row.again,
            asked_at: row.created_at,
            state: row.state,
            due_at: None,
            finished_at: None,
            unwanted: row.unwanted,
            held: row.held,
        }
    }))
}

/// When the next one is due.
pub(super) async fn next_due(tx: &mut SystemTx) -> Result<Option<DateTime<Utc>>> {
    let due = sqlx::query_scalar!(
        "select due_at from webhook_replays where due_at is not null order by due_at limit 1"
    )
    .fetch_optional(tx.conn())
    .await?;
    Ok(due.flatten())
}

/// How many of its deliveries have not ended.
pub(super) async fn queued(tx: &mut SystemTx, replay: &Replay) -> Result<Queued> {
    sqlx::query_as!(
        Queued,
        r#"select count(*) filter (where attempts = 0) as "waiting!", count(*) as "all!" from webhook_queue
           where tenant_id = $1 and replay_id = $2"#,
        replay.tenant.0,
        replay.id.0,
    )
    .fetch_one(tx.conn())
    .await
}

/// What became of a batch.
pub(super) struct Batch {
    /// Deliveries behind the cursor that were looked at …
    pub looked: i64,
    /// … and those of them that the cursor is now behind.
    pub kept: i64,
    /// New cycles.
    pub begun: i64,
    /// Deliveries that were pending already.
    pub passed_over: i64,
    /// The cursor.
    pub reached_at: Option<DateTime<Utc>>,
    pub reached_id: Option<Uuid>,
}

/// Looks at the next deliveries and begins new cycles, as many of each as is said.
pub(super) async fn begin(
    tx: &mut SystemTx,
    replay: &Replay,
    (look, most): (i64, i64),
    now: DateTime<Utc>,
) -> Result<Batch> {
    let (at, id) = replay.reached.unwrap_or((replay.since, Uuid::nil()));
    sqlx::query_file_as!(
        Batch,
        "src/replays/begin.sql",
        replay.tenant.0,
        replay.webhook.0,
        &replay.statuses,
        at,
        id,
        replay.until,
        replay.events.as_deref() as Option<&[String]>,
        replay.asked_at,
        look,
        most,
        replay.trigger.as_str(),
        now,
        replay.id.0,
    )
    .fetch_one(tx.conn())
    .await
}

/// Writes down how far it is.
pub(super) async fn save(tx: &mut SystemTx, replay: &Replay, now: DateTime<Utc>) -> Result<()> {
    sqlx::query!(
        "update webhook_replays
         set state = $3, replayed = $4::bigint, passed_over = $5, reached_at = $6, reached_id = $7, pace = $8, paced_until = $9,
             batch = $10, due_at = $11, finished_at = $12, updated_at = $13, again = $14, paced_at = $15, accepted = $16,
             refused = $17,
             started_at = case when $4::bigint > 0 then coalesce(started_at, $13) end
         where tenant_id = $1 and id = $2",
        replay.tenant.0,
        replay.id.0,
        replay.state.as_str(),
        replay.replayed,
        replay.passed_over,
        replay.reached.map(|(at, _)| at),
        replay.reached.map(|(_, id)| id),
        replay.pace.per_second,
        replay.pace.paid_until,
        replay.pace.batch,
        replay.due_at,
        replay.finished_at,
        now,
        replay.again,
        replay.ramp.as_ref().and_then(|ramp| ramp.at),
        replay.ramp.as_ref().map_or(0, |ramp| ramp.accepted),
        replay.ramp.as_ref().map_or(0, |ramp| ramp.refused),
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Leaves it alone until then.
pub(super) async fn put_off(
    tx: &mut SystemTx,
    replay: &Replay,
    until: DateTime<Utc>,
) -> Result<()> {
    sqlx::query!(
        "update webhook_replays set due_at = $3 where tenant_id = $1 and id = $2 and due_at is not null",
        replay.tenant.0,
        replay.id.0,
        until,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Adds deliveries that were accepted to the replays that had them sent again. In one order, so that no two workers
/// wait for each other.
pub(crate) async fn count_accepted(
    tx: &mut SystemTx,
    accepted: impl Iterator<Item = (Uuid, Uuid)>,
) -> Result<()> {
    let mut counts = BTreeMap::new();
    for replay in accepted {
        *counts.entry(replay).or_insert(0_i64) += 1;
    }
    for ((tenant, id), count) in counts {
        sqlx::query!(
            "update webhook_replays set delivered = delivered + $3 where tenant_id = $1 and id = $2",
            tenant,
            id,
            count,
        )
        .execute(tx.conn())
        .await?;
    }
    Ok(())
}

/// Removes those that were over before that moment, up to 1,000.
pub(super) async fn forget(tx: &mut SystemTx, before: DateTime<Utc>) -> Result<u64> {
    let forgotten = sqlx::query!(
        "delete from webhook_replays where (tenant_id, id) in (
             select tenant_id, id from webhook_replays where finished_at < $1 limit 1000)",
        before,
    );
    Ok(forgotten.execute(tx.conn()).await?.rows_affected())
}
