-- A retry that waits for its time is parked, so that the ring of webhooks that every claim goes round has only those with
-- something due or under way: with 100,000 receivers that are down, a claim would step through 100,000 webhooks (docs/decisions/0029).
-- Whoever claims lets out first what has become due.

alter table webhook_queue add promoted integer not null default 0;     -- the attempts after which it was let out last
grant update (promoted) on webhook_queue to crm_worker;

-- What waits in a line is nobody's turn either. Inlined wherever it stands, the indexes' conditions included; with the schema's
-- name, because a restored dump makes those without a search path.
create function is_parked(attempts integer, promoted integer, lease_id uuid, next_retry timestamptz) returns boolean
language sql immutable parallel safe as $$
    select attempts > promoted and lease_id is null or next_retry >= public.in_line()
$$;

drop index webhook_queue_due;
create index webhook_queue_due on webhook_queue (webhook_id, next_retry)
    where not is_parked(attempts, promoted, lease_id, next_retry);
create index webhook_queue_parked on webhook_queue (next_retry)
    where is_parked(attempts, promoted, lease_id, next_retry);

-- Lets out up to 500 retries that are due, the oldest first.
create function promote_retries(due timestamptz) returns void
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
    update webhook_queue q set promoted = q.attempts
    where q.ctid = any (array(
        select p.ctid from webhook_queue p
        where is_parked(p.attempts, p.promoted, p.lease_id, p.next_retry) and p.next_retry <= due
        order by p.next_retry limit 500 for update skip locked));
end
$$;
revoke all on function promote_retries(timestamptz) from public;
grant execute on function promote_retries(timestamptz) to crm_worker;

-- The webhooks with something in the queue that is not parked, those behind `after` first, each with the time of its first
-- delivery. One step of an index for each that is asked for: whoever wants ten pays for ten.
create function webhooks_in_turn(after uuid) returns table (webhook_id uuid, tenant_id uuid, next_retry timestamptz)
language sql stable as $$
    with recursive behind as (
        (select q.webhook_id, q.tenant_id, q.next_retry from webhook_queue q
         where q.webhook_id > after and not is_parked(q.attempts, q.promoted, q.lease_id, q.next_retry)
         order by q.webhook_id, q.next_retry limit 1)
        union all
        select n.webhook_id, n.tenant_id, n.next_retry from behind r cross join lateral (
            select q.webhook_id, q.tenant_id, q.next_retry from webhook_queue q
            where q.webhook_id > r.webhook_id and not is_parked(q.attempts, q.promoted, q.lease_id, q.next_retry)
            order by q.webhook_id, q.next_retry limit 1) n
    ), before as (
        (select q.webhook_id, q.tenant_id, q.next_retry from webhook_queue q
         where q.webhook_id <= after and not is_parked(q.attempts, q.promoted, q.lease_id, q.next_retry)
         order by q.webhook_id, q.next_retry limit 1)
        union all
        select n.webhook_id, n.tenant_id, n.next_retry from before r cross join lateral (
            select q.webhook_id, q.tenant_id, q.next_retry from webhook_queue q
            where q.webhook_id > r.webhook_id and q.webhook_id <= after
              and not is_parked(q.attempts, q.promoted, q.lease_id, q.next_retry)
            order by q.webhook_id, q.next_retry limit 1) n
    )
    select behind.webhook_id, behind.tenant_id, behind.next_retry from behind
    union all
    select before.webhook_id, before.tenant_id, before.next_retry from before
$$;
revoke all on function webhooks_in_turn(uuid) from public;
grant execute on function webhooks_in_turn(uuid) to crm_worker;

-- For workers of the version before, until they are replaced.
create or replace function webhooks_pending() returns table (webhook_id uuid, tenant_id uuid, next_retry timestamptz)
language sql stable as $$
    select t.webhook_id, t.tenant_id, t.next_retry from webhooks_in_turn('00000000-0000-0000-0000-000000000000') t
$$;
