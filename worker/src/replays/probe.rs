//! A webhook that fails and hears of nothing new would never be seen to recover. So, where it is to be redriven, one of
//! its parked failures is sent now and then. It gets a whole new cycle, like everything that is sent again.

use chrono::TimeDelta;
use shared::Db;

/// From one probe of a webhook to the next, at least; and none when an attempt is due sooner anyway.
const PERIOD: TimeDelta = TimeDelta::minutes(5);

/// Sends one parked failure of each webhook that is to be probed: of the ten oldest the one that was sent least often,
/// so that one that is never accepted does not stand for the others. Says how many.
///
/// # Errors
/// The database's.
pub async fn probe(db: &Db) -> sqlx::Result<u64> {
    let now = db.clock().now();
    let mut tx = db.system().await?;
    // `between`, so that the order is the one index's that begins with the status.
    let probed = sqlx::query!(
        "with quiet as (
             select w.tenant_id, w.id from webhook_health h
             join webhooks w on w.tenant_id = h.tenant_id and w.id = h.webhook_id
             where h.state = 'failing' and w.auto_redrive and w.active and w.deleted_at is null
               and (w.probed_at is null or w.probed_at <= $2)
               and not exists (select from webhook_queue q
                               where q.tenant_id = w.tenant_id and q.webhook_id = w.id and q.next_retry <= $3)
             limit 100 for no key update of w skip locked
         ), noted as (
             update webhooks w set probed_at = $1 from quiet where w.tenant_id = quiet.tenant_id and w.id = quiet.id
         ), chosen as (
             select e.tenant_id, e.id from quiet cross join lateral (
                 select * from (
                     select e.tenant_id, e.id, e.cycle, e.created_at from webhook_events e
                     where e.tenant_id = quiet.tenant_id and e.webhook_id = quiet.id and e.status between 'failed' and 'failed'
                       and e.trigger <> 'test' and e.last_error is distinct from 'delivery_abandoned'
                     order by e.status, e.created_at, e.id limit 10) oldest
                 order by oldest.cycle, oldest.created_at limit 1) e
         ), free as (
             -- One that somebody holds is left to the next round, not waited for: all these webhooks are locked.
             select e.tenant_id, e.id from chosen c
             cross join lateral (select * from webhook_events e where e.tenant_id = c.tenant_id and e.id = c.id
                                 for no key update skip locked) e
         ), begun as (
             update webhook_events e
             set status = 'pending', skip_reason = null, attempts = 0, cycle = e.cycle + 1, trigger = 'redrive', delivered_at = null
             from free c where e.tenant_id = c.tenant_id and e.id = c.id and e.status is not distinct from 'failed'
             returning e.tenant_id, e.id, e.webhook_id
         )
         insert into webhook_queue (tenant_id, id, webhook_id, next_retry)
         select tenant_id, id, webhook_id, $1 from begun",
        now,
        now - PERIOD,
        now + PERIOD,
    )
    .execute(tx.conn())
    .await?
    .rows_affected();
    tx.commit().await?;
    metrics::counter!("webhook_probes_total").increment(probed);
    Ok(probed)
}
