-- Which events a webhook hears of, how much of each and in what order; and what the relay decided (docs/decisions/0021).

alter table webhooks
    add filter json,            -- as the tenant sees it
    add filter_path jsonpath,   -- the same as the relay asks it
    add fields text[],          -- the members of `data` that are sent; null for all
    add ordering text not null default 'none'
        constraint webhooks_ordering_known check (ordering in ('none', 'record')),
    add constraint webhooks_filter_whole check ((filter is null) = (filter_path is null));
grant select (filter, fields, ordering) on webhooks to crm_app;
grant update (filter, filter_path, fields, ordering) on webhooks to crm_app;

-- Whether a filter passes an event. What it cannot be asked of, it does not pass: nothing that a tenant writes may stop
-- the relay, which is everyone's.
create function event_passes(payload json, path jsonpath, event text) returns boolean
language plpgsql immutable parallel safe set search_path = pg_catalog, public, pg_temp as $$
begin
    return coalesce(jsonb_path_match(payload::jsonb, path, jsonb_build_object('event', event), true), false);
exception when data_exception or program_limit_exceeded then
    return false;
end
$$;

-- The members of an object that are named, byte for byte as they are; null when there is none.
create function some_members(whole json, names text[]) returns text
language sql immutable parallel safe set search_path = pg_catalog, public, pg_temp as $$
    select '{' || string_agg(to_json(key)::text || ':' || value::text, ',' order by place) || '}'
    from json_each(whole) with ordinality as member (key, value, place)
    where key = any (names)
$$;

-- What a webhook with `fields` is sent of an event: the record's id and version, the members that are named, of objects
-- those that are named with a full stop, and the former values of what is named.
create function masked_payload(payload json, fields text[]) returns text
language sql immutable parallel safe set search_path = pg_catalog, public, pg_temp as $$
    select '{' || coalesce(string_agg(to_json(key)::text || ':' || kept, ',' order by place), '') || '}'
    from json_each(payload) with ordinality as member (key, value, place)
    cross join lateral (
        select case
            when key = any (fields || case
                    when payload->'id' is not null then array['id', 'version']
                    else array['pipelineId', 'tenantId', 'version'] end) then value::text
            when json_typeof(value) = 'object' then some_members(value, array(
                select substr(field, length(key) + 2) from unnest(fields) field where starts_with(field, key || '.')
                union all
                select field from unnest(fields) field where key = 'previous'))
        end as kept) k
    where kept is not null
$$;
revoke all on function event_passes(json, jsonpath, text), some_members(json, text[]), masked_payload(json, text[]) from public;
grant execute on function event_passes(json, jsonpath, text), some_members(json, text[]), masked_payload(json, text[])
    to crm_worker;

-- What the relay decided: a webhook may be another one when somebody asks why.
alter table events
    add unwanted uuid[],        -- webhooks that do not hear of such events; null of events from before
    add filtered uuid[];        -- webhooks whose filter it did not pass
alter table webhook_events
    add pattern text,           -- which of the webhook's `events` it was; null of deliveries from before
    add filter_passed boolean;  -- null of a webhook without a filter

-- Order. Of a webhook that asks for it, the deliveries of one record that are in the queue are a line: the first is due or
-- under way, the others wait with a due time that never comes, so that no claim looks at them.
alter table webhook_queue
    add record uuid,            -- the line: null of what is in none
    add sequence bigint;        -- the place in it
create index webhook_queue_lines on webhook_queue (webhook_id, record, sequence) where record is not null;
grant update (record, sequence) on webhook_queue to crm_worker;

-- The due time of what waits in a line. No infinity: that is no time to the programs.
create function in_line() returns timestamptz
language sql immutable parallel safe as $$ select timestamptz '9999-01-01 00:00:00+00' $$;

-- The time that an id begins with, the reverse of `first_id`: a delivery's is that of its event.
create function moment_of(id uuid) returns timestamptz
language sql immutable strict parallel safe as $$
    select to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000.0)
$$;

-- Why a delivery waits although it may be due.
create function held_reason(status text, active boolean, due timestamptz) returns text
language sql immutable parallel safe as $$
    select case when status = 'pending' and not active then 'webhook_inactive'
                when status = 'pending' and due >= in_line() then 'record_order' end
$$;

-- Makes the first of each of these lines due, unless it is already. Whoever adds to a line or takes from it does this
-- afterwards, and holds the lock until it commits: of two at the same moment, the second sees what the first has done. A
-- row that somebody else holds is left to them: they are taking it away, and come by here too.
create function advance_lines(webhooks uuid[], records uuid[]) returns bigint
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
            where first.next_retry >= in_line()))
        for update skip locked));
    get diagnostics advanced = row_count;
    return advanced;
end
$$;
revoke all on function advance_lines(uuid[], uuid[]) from public;
grant execute on function advance_lines(uuid[], uuid[]) to crm_worker;

-- However a row leaves the queue, the next of its line is due.
create function advance_lines_behind() returns trigger
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    webhooks uuid[];
    records uuid[];
begin
    select array_agg(webhook_id), array_agg(record) into webhooks, records
    from (select distinct webhook_id, record from gone where record is not null) line;
    if webhooks is not null then
        perform advance_lines(webhooks, records);
    end if;
    return null;
end
$$;
revoke all on function advance_lines_behind() from public;
create trigger advance_lines_behind after delete on webhook_queue
    referencing old table as gone for each statement execute function advance_lines_behind();
