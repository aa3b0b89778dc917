-- What is due for a webhook that is switched off waits on a shelf: with a due time so far away that it is parked, and in nobody's
-- turn (docs/decisions/0047-the-shelf.md). Each claim stepped past it before.

-- Shorter than the api waits for a lock: whoever uses a webhook or the queue while this waits is only late.
set local lock_timeout = '1s';

-- Whether something of it may be on the shelf. The index is how a worker finds those that were switched on again.
alter table webhooks add shelved boolean not null default false;
grant update (shelved) on webhooks to crm_worker;
create index webhooks_shelved on webhooks (tenant_id, id) where shelved and active;

-- A due time there and back, exact: hours are no matter of calendars. It is behind `in_line()`, the time of what waits in a line.
create function on_shelf(due timestamptz) returns timestamptz
language sql stable parallel safe as $$ select due + interval '80000000 hours' $$;
create function off_shelf(due timestamptz) returns timestamptz
language sql stable parallel safe as $$
    select case when due > public.in_line() then due - interval '80000000 hours' else due end
$$;

-- What is on the shelf, by webhook. Nothing else is in it.
create index webhook_queue_shelved on webhook_queue (webhook_id, next_retry) where next_retry > in_line();

-- As in 0020, but that the time of a line is one, and what is behind it is on the shelf.
create or replace function held_reason(status text, active boolean, due timestamptz) returns text
language sql immutable parallel safe as $$
    select case when status = 'pending' and not active then 'webhook_inactive'
                when status = 'pending' and due = in_line() then 'record_order' end
$$;
create or replace function advance_lines(webhooks uuid[], records uuid[]) returns bigint
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    advanced bigint;
begin
    -- 64 locks for all lines there are, taken in one order.
    perform pg_advisory_xact_lock(1818848869, stripe)
    from (select distinct uuid_hash(w) & 63 as stripe from unnest(webhooks) w order by 1) stripes;
    update webhook_queue set next_retry = moment_of(id) where ctid = any (array(
        select q.ctid from webhook_queue q
        where q.ctid = any (array(
            select first.row from unnest(webhooks, records) line (webhook_id, record)
            cross join lateral (
                select q.ctid as row, q.next_retry from webhook_queue q
                where q.webhook_id = line.webhook_id and q.record = line.record
                order by q.sequence limit 1) first
            where first.next_retry = in_line()))
        for update skip locked));
    get diagnostics advanced = row_count;
    return advanced;
end
$$;
