//! The SQL of replays, as far as the api writes them.

use shared::TenantTx;
use shared::id::{ReplayId, WebhookId};
use shared::webhook::delivery::ReplayState;
use sqlx::{QueryBuilder, Result};

use super::Replay;
use super::input::Selection;
use crate::list::Source;

/// Columns of [`Replay`].
const COLUMNS: &str = "id, tenant_id, webhook_id, trigger, state, held_reason, since, until, statuses, events, rate, total, replayed,
    passed_over, delivered, greatest(replayed - delivered - queued, 0) as failed, queued as pending, reached_at as reached,
    case when state = 'running' and held_reason is null then
        ceil(greatest(total - replayed, 0)::numeric / pace)::bigint end as seconds_left,
    created_at, updated_at, started_at, finished_at";

const TABLE: &str = "(select r.*, q.queued,
        case when r.state <> 'running' then null
             when not w.active then held_reason('pending', w.active, w.disabled_reason, null)
             when r.trigger = 'redrive' and h.state = 'failing' then 'webhook_failing' end as held_reason
    from webhook_replays r join webhooks w on w.tenant_id = r.tenant_id and w.id = r.webhook_id
    left join webhook_health h on h.tenant_id = r.tenant_id and h.webhook_id = r.webhook_id
    cross join lateral (select count(*) as queued from webhook_queue q
                        where q.tenant_id = r.tenant_id and q.replay_id = r.id) q) as replays";

/// What lists of a webhook's replays select from.
pub(super) fn source(webhook: WebhookId) -> Source {
    Source {
        columns: COLUMNS,
        table: TABLE,
        condition: "true",
        inside: Some(("webhook_id", webhook.0)),
    }
}

pub(super) async fn find(
    tx: &mut TenantTx,
    webhook: WebhookId,
    id: ReplayId,
) -> Result<Option<Replay>> {
    let mut query = QueryBuilder::new("select ");
    query.push(COLUMNS).push(" from ").push(TABLE).push(" where id = ").push_bind(id.0);
    query.push(" and webhook_id = ").push_bind(webhook.0);
    query.build_query_as().fetch_optional(tx.conn()).await
}

/// For how many days the tenant keeps its deliveries.
pub(super) async fn retention_days(tx: &mut TenantTx) -> Result<u64> {
    let tenant = tx.tenant();
    let days =
        sqlx::query_scalar!("select event_retention_days from tenants where id = $1", tenant.0)
            .fetch_one(tx.conn())
            .await?;
    Ok(days.unsigned_abs())
}

/// How many deliveries are selected: of some events a million take a second or more. The ids, which begin with their
/// times, say which partitions to look into.
pub(super) async fn count(
    tx: &mut TenantTx,
    webhook: WebhookId,
    selection: &Selection,
) -> Result<i64> {
    sqlx::query!("set local statement_timeout = '12s'").execute(tx.conn()).await?;
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from webhook_events
           where webhook_id = $1 and status = any ($2) and trigger <> 'test' and created_at >= $3 and created_at <= $4
             and id >= first_id($3) and id < first_id($4::timestamptz + interval '1 millisecond')
             and ($5::text[] is null or $5 && array[event, split_part(event, '.', 1) || '.*', '*'])"#,
        webhook.0,
        &selection.statuses,
        selection.since,
        selection.until,
        selection.events.as_deref() as Option<&[String]>,
    )
    .fetch_one(tx.conn())
    .await
}

/// The replay of a webhook that somebody asked for and that is not over.
pub(super) async fn find_open(tx: &mut TenantTx, webhook: WebhookId) -> Result<Option<ReplayId>> {
    sqlx::query_scalar!(
        r#"select id as "id: ReplayId" from webhook_replays
           where webhook_id = $1 and state in ('running', 'paused') and trigger = 'replay'"#,
        webhook.0,
    )
    .fetch_optional(tx.conn())
    .await
}

pub(super) async fn insert(
    tx: &mut TenantTx,
    (webhook, id): (WebhookId, ReplayId),
    selection: &Selection,
    total: i64,
) -> Result<()> {
    let (tenant, now) = (tx.tenant(), tx.now());
    sqlx::query!(
        "insert into webhook_replays (tenant_id, id, webhook_id, trigger, state, since, until, statuses, events, rate, pace,
                                      total, due_at, created_at, updated_at)
         values ($1, $2, $3, 'replay', 'running', $4, $5, $6, $7, $8, $8, $9, $10, $10, $10)",
        tenant.0,
        id.0,
        webhook.0,
        selection.since,
        selection.until,
        &selection.statuses,
        selection.events.as_deref() as Option<&[String]>,
        selection.rate,
        total,
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The state of a replay; others are kept off it until the transaction ends.
pub(super) async fn lock(
    tx: &mut TenantTx,
    webhook: WebhookId,
    id: ReplayId,
) -> Result<Option<ReplayState>> {
    sqlx::query_scalar!(
        r#"select state as "state: ReplayState" from webhook_replays where id = $1 and webhook_id = $2 for update"#,
        id.0,
        webhook.0,
    )
    .fetch_optional(tx.conn())
    .await
}

/// Gives it another state. One that goes on is due at once.
pub(super) async fn turn(tx: &mut TenantTx, id: ReplayId, to: ReplayState) -> Result<()> {
    let now = tx.now();
    sqlx::query!(
        "update webhook_replays
         set state = $2, updated_at = $3, paced_until = $3, due_at = case when $2 = 'running' then $3::timestamptz end,
             finished_at = case when $2 = 'cancelled' then $3::timestamptz end
         where id = $1",
        id.0,
        to.as_str(),
        now,
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
