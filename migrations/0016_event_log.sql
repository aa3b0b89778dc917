-- The event log: every event of a tenant once, numbered without a gap in the order in which the relay takes them, kept
-- for as long as the tenant wants, with what became of it at each webhook (docs/decisions/0016-event-log.md).

alter table tenants
    add event_retention_days bigint not null default 30
    constraint tenants_event_retention_known check (event_retention_days between 1 and 90);

-- The first id of that moment. Ids of events (UUIDv7) and of deliveries (UUIDv8) begin with their time, so a range of
-- ids is a range of time, and the same one for an event, its deliveries and their attempts.
create function first_id(moment timestamptz) returns uuid
language sql immutable strict parallel safe as $$
    select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$;

-- How far each tenant's log goes. The relay locks the row until it commits, so numbers become visible in order.
create table event_logs (
    tenant_id uuid primary key references tenants (id),
    last      bigint not null default 0,    -- the number of the newest event
    forgotten bigint not null default 0     -- no event up to this number is shown any more
) with (fillfactor = 50);
select protect_tenant_table('event_logs');
grant select on event_logs to crm_app;
create policy delivery on event_logs to crm_worker using (true) with check (true);
grant select, insert, update (last, forgotten) on event_logs to crm_worker;

create table events (
    tenant_id   uuid not null,
    id          uuid not null,      -- `occurrenceId` of deliveries, and the id of the audit log's entry
    sequence    bigint not null,    -- 1, 2, 3 … of the tenant
    event       text not null,
    record      uuid,               -- what it is about
    version     integer,            -- the record's
    payload     json not null,
    request_id  text,
    traceparent text,
    occurred_at timestamptz not null,
    primary key (tenant_id, id)
) partition by range (id);
create index events_in_order on events (tenant_id, sequence);
select protect_tenant_table('events');
grant select on events to crm_app;
create policy delivery on events to crm_worker using (true) with check (true);
grant select, insert, delete on events to crm_worker;

-- Deliveries and attempts as before, in partitions; what is pending is in a queue apart, which the claim has for itself:
-- with 35 partitions it would look into each of them for each webhook. No foreign keys: they would lock the table that
-- they point to whenever a partition goes, and nothing that they point to is deleted otherwise.
alter table webhook_events rename to former_webhook_events;
alter table webhook_attempts rename to former_webhook_attempts;
alter index webhook_events_pkey rename to former_webhook_events_pkey;
alter index webhook_attempts_pkey rename to former_webhook_attempts_pkey;
alter table former_webhook_events drop constraint webhook_events_status_known;
drop index webhook_events_due, webhook_events_newest, webhook_events_named, webhook_events_ended;
drop function webhooks_pending();

create table webhook_events (
    tenant_id        uuid not null,
    id               uuid not null,     -- delivery_id(occurrence_id, webhook_id): relaying twice writes it once
    webhook_id       uuid not null,
    occurrence_id    uuid not null,     -- the event's own id, the same for every webhook that hears of it
    sequence         bigint,            -- the event's number; null for those from before there were any
    event            text not null,
    body             json not null,     -- the exact bytes that are signed and sent, on every attempt and resend
    status           text not null default 'pending'
                     constraint webhook_events_status_known check (status in ('pending', 'delivered', 'failed', 'skipped')),
    skip_reason      text,              -- why it was not sent, while it is skipped
    attempts         integer not null default 0,    -- requests made in this cycle, 0 to 5
    cycle            integer not null default 1,    -- 1, and one more for each resend
    trigger          text not null default 'automatic',
    last_status_code integer,
    last_error       text,
    request_id       text,
    traceparent      text,
    created_at       timestamptz not null,
    delivered_at     timestamptz,
    primary key (tenant_id, id),
    constraint webhook_events_skipped_why check ((status = 'skipped') = (skip_reason is not null))
) partition by range (id);
create index webhook_events_newest on webhook_events (tenant_id, webhook_id, created_at, id);
create index webhook_events_named on webhook_events (tenant_id, webhook_id, event, created_at, id);
create index webhook_events_stand on webhook_events (tenant_id, webhook_id, status, created_at, id);
select protect_tenant_table('webhook_events');
grant select on webhook_events to crm_app;
grant update (status, skip_reason, attempts, cycle, trigger, delivered_at) on webhook_events to crm_app;
create policy delivery on webhook_events to crm_worker using (true) with check (true);
grant select, insert, delete on webhook_events to crm_worker;
grant update (status, attempts, last_status_code, last_error, delivered_at) on webhook_events to crm_worker;

create table webhook_attempts (
    like former_webhook_attempts including defaults,
    primary key (tenant_id, delivery_id, id)
) partition by range (delivery_id);
select protect_tenant_table('webhook_attempts');
grant select on webhook_attempts to crm_app;
create policy delivery on webhook_attempts to crm_worker using (true) with check (true);
grant select, insert, delete on webhook_attempts to crm_worker;

-- What is pending, each with its delivery of the same id: written and removed together.
create table webhook_queue (
    tenant_id  uuid not null,
    id         uuid not null,
    webhook_id uuid not null,
    next_retry timestamptz not null,        -- when due; while leased: when the lease ends
    attempts   integer not null default 0,  -- as of the delivery; here too, so that a claim and an outcome share one row
    lease_id   uuid,
    claims     integer not null default 0,  -- claims without an outcome: stops a row that kills its workers
    primary key (tenant_id, id)
) with (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = off
);
create index webhook_queue_due on webhook_queue (webhook_id, next_retry);
select protect_tenant_table('webhook_queue');
grant select, insert on webhook_queue to crm_app;
create policy delivery on webhook_queue to crm_worker using (true) with check (true);
grant select, insert, delete on webhook_queue to crm_worker;
grant update (next_retry, attempts, lease_id, claims) on webhook_queue to crm_worker;

-- Each webhook that has pending deliveries, with its first due time. It steps from webhook to webhook through the index
-- and sees one row of each, so that a webhook with 50,000 rows costs as much as one with one.
create function webhooks_pending() returns table (webhook_id uuid, tenant_id uuid, next_retry timestamptz)
language sql stable as $$
    with recursive ring as (
        (select q.webhook_id, q.tenant_id, q.next_retry from webhook_queue q
         order by q.webhook_id, q.next_retry limit 1)
        union all
        select n.webhook_id, n.tenant_id, n.next_retry from ring r cross join lateral (
            select q.webhook_id, q.tenant_id, q.next_retry from webhook_queue q
            where q.webhook_id > r.webhook_id
            order by q.webhook_id, q.next_retry limit 1) n
    )
    select ring.webhook_id, ring.tenant_id, ring.next_retry from ring
$$;
revoke all on function webhooks_pending() from public;
grant execute on function webhooks_pending() to crm_worker;

-- A partition for each day and table, and one for whatever has a time that no day was made for, so that no insert can fail.
-- They are reached through their tables only: row-level security is forced on them, without a policy and without a grant.
create function add_event_partition(parent regclass, suffix text, bounds text) returns void
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    part text := format('%s_%s', parent, suffix);
begin
    execute format('create table public.%I (like %s including defaults including constraints)', part, parent);
    execute format('alter table public.%I enable row level security, force row level security', part);
    if parent = 'public.webhook_events'::regclass then
        execute format(
            'alter table public.%I set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02,
                autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0)', part);
    end if;
    -- Unlike `create table … partition of`, it lets the table be read and written meanwhile.
    execute format('alter table %s attach partition public.%I %s', parent, part, bounds);
end
$$;
revoke all on function add_event_partition(regclass, text, text) from public;

create function event_tables() returns setof regclass
language sql immutable as $$
    values ('public.events'::regclass), ('public.webhook_events'::regclass), ('public.webhook_attempts'::regclass)
$$;
revoke all on function event_tables() from public;

select add_event_partition(parent, 'rest', 'default') from event_tables() parent;

-- Makes the partitions of a day; says whether that is done. A lock that is not there at once is not waited for long,
-- because whoever comes later waits behind: then it is to be tried again. A day that has rows already stays without.
create function open_event_day(day date) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp set lock_timeout = '50ms' as $$
declare
    parent regclass;
begin
    for parent in select event_tables() loop
        if to_regclass(format('public.%s_%s', parent, to_char(day, 'YYYYMMDD'))) is null then
            perform add_event_partition(parent, to_char(day, 'YYYYMMDD'), format(
                'for values from (%L) to (%L)',
                first_id(day::timestamp at time zone 'utc'), first_id((day + 1)::timestamp at time zone 'utc')));
        end if;
    end loop;
    return true;
exception
    when check_violation then return true;
    when lock_not_available or duplicate_table then return false;
end
$$;

-- Drops the partitions of a day; says whether they are gone.
create function drop_event_day(day date) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp set lock_timeout = '50ms' as $$
declare
    parent regclass;
begin
    for parent in select event_tables() loop
        execute format('drop table if exists public.%I', format('%s_%s', parent, to_char(day, 'YYYYMMDD')));
    end loop;
    return true;
exception when lock_not_available then
    return false;
end
$$;
revoke all on function open_event_day(date), drop_event_day(date) from public;
grant execute on function open_event_day(date), drop_event_day(date) to crm_worker;

-- How many days each tenant keeps its events, for the worker, which sees no tenant's settings.
grant select (event_retention_days) on tenants to crm_auth;
create function event_retentions() returns table (tenant_id uuid, days bigint)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    select id, event_retention_days from public.tenants
$$;
-- The newest numbers of some tenants, for the api, which follows many logs at once.
create policy heads on event_logs for select to crm_auth using (true);
grant select (tenant_id, last) on event_logs to crm_auth;
create function event_heads(tenants uuid[]) returns table (tenant_id uuid, last bigint)
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    select l.tenant_id, l.last from public.event_logs l where l.tenant_id = any (tenants)
$$;
revoke all on function event_retentions(), event_heads(uuid[]) from public;
grant execute on function event_retentions() to crm_worker;
grant execute on function event_heads(uuid[]) to crm_app;
grant create on schema public to crm_auth;
alter function event_retentions() owner to crm_auth;
alter function event_heads(uuid[]) owner to crm_auth;
revoke create on schema public from crm_auth;

-- Rows from before. Row-level security binds the owner too.
alter table former_webhook_events no force row level security;
alter table former_webhook_attempts no force row level security;
alter table webhook_events no force row level security;
alter table webhook_attempts no force row level security;
alter table webhook_queue no force row level security;
select open_event_day(day) from (
    select current_date + n as day from generate_series(0, 3) n
    union
    select distinct (created_at at time zone 'utc')::date from former_webhook_events where created_at > now() - interval '91 days'
) days;
insert into webhook_events (tenant_id, id, webhook_id, occurrence_id, event, body, status, attempts, cycle, trigger,
                            last_status_code, last_error, request_id, traceparent, created_at, delivered_at)
select tenant_id, id, webhook_id, occurrence_id, event, body, status, attempts, cycle, trigger,
       last_status_code, last_error, request_id, traceparent, created_at, delivered_at
from former_webhook_events;
insert into webhook_queue (tenant_id, id, webhook_id, next_retry, attempts, lease_id, claims)
select tenant_id, id, webhook_id, coalesce(next_retry, created_at), attempts, lease_id, claims
from former_webhook_events where status = 'pending';
insert into webhook_attempts select * from former_webhook_attempts;
alter table webhook_events force row level security;
alter table webhook_attempts force row level security;
alter table webhook_queue force row level security;
drop table former_webhook_attempts, former_webhook_events;
