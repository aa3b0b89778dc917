-- Webhooks and their deliveries. A row of webhook_events (event x webhook) is the queue entry, the retry
-- schedule and what the tenant sees; there is no second job table (docs/decisions/0006).

create table webhooks (
    tenant_id       uuid not null references tenants (id),
    id              uuid not null,
    url             text not null,
    events          text[] not null,
    active          boolean not null default true,
    description     text,
    secret_enc      bytea not null,   -- sealed; the api can write it but never read it back
    secret_hint     text not null,    -- what the api shows instead
    disabled_reason text,
    version         integer not null default 1,
    created_at      timestamptz not null,
    updated_at      timestamptz not null,
    deleted_at      timestamptz,
    primary key (tenant_id, id)
);
create index webhooks_newest on webhooks (tenant_id, created_at, id) where deleted_at is null;
select protect_tenant_table('webhooks');
grant insert on webhooks to crm_app;
grant select (tenant_id, id, url, events, active, description, secret_hint, disabled_reason, version, created_at, updated_at,
    deleted_at) on webhooks to crm_app;
grant update (url, events, active, description, disabled_reason, version, updated_at, deleted_at) on webhooks to crm_app;
create policy delivery on webhooks to crm_worker using (true) with check (true);
grant select on webhooks to crm_worker;
grant update (active, disabled_reason, version, updated_at) on webhooks to crm_worker;

create table webhook_events (
    tenant_id        uuid not null,
    id               uuid not null,     -- delivery_id(occurrence_id, webhook_id): relaying twice writes it once
    webhook_id       uuid not null,
    occurrence_id    uuid not null,     -- the event's own id, the same for every webhook that hears of it
    event            text not null,
    body             json not null,     -- the exact bytes that are signed and sent, on every attempt and resend
    status           text not null default 'pending'
                     constraint webhook_events_status_known check (status in ('pending', 'delivered', 'failed')),
    attempts         integer not null default 0,    -- requests made in this cycle, 0 to 5
    cycle            integer not null default 1,    -- 1, and one more for each resend
    trigger          text not null default 'automatic',
    next_retry       timestamptz,       -- when due; while leased: when the lease ends; null once final
    lease_id         uuid,
    claims           integer not null default 0,    -- claims without an outcome: stops a row that kills its workers
    last_status_code integer,
    last_error       text,
    request_id       text,
    traceparent      text,
    created_at       timestamptz not null,
    delivered_at     timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, webhook_id) references webhooks (tenant_id, id)
) with (
    fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);
create index webhook_events_due on webhook_events (webhook_id, next_retry) where status = 'pending';
create index webhook_events_newest on webhook_events (tenant_id, webhook_id, created_at, id);
create index webhook_events_named on webhook_events (tenant_id, webhook_id, event, created_at, id);
create index webhook_events_ended on webhook_events (tenant_id, webhook_id, status, created_at, id) where status <> 'pending';
select protect_tenant_table('webhook_events');
grant select on webhook_events to crm_app;
grant update (status, attempts, cycle, trigger, next_retry, lease_id, claims, delivered_at) on webhook_events to crm_app;
create policy delivery on webhook_events to crm_worker using (true) with check (true);
grant select, insert on webhook_events to crm_worker;
grant update (status, attempts, next_retry, lease_id, claims, last_status_code, last_error, delivered_at)
    on webhook_events to crm_worker;

-- Each webhook that has pending deliveries, with its first due time. It steps from webhook to webhook through the index
-- and sees one row of each, so that a webhook with 50,000 rows costs as much as one with one.
create function webhooks_pending() returns table (webhook_id uuid, tenant_id uuid, next_retry timestamptz)
language sql stable as $$
    with recursive ring as (
        (select e.webhook_id, e.tenant_id, e.next_retry from webhook_events e where e.status = 'pending'
         order by e.webhook_id, e.next_retry limit 1)
        union all
        select n.webhook_id, n.tenant_id, n.next_retry from ring r cross join lateral (
            select e.webhook_id, e.tenant_id, e.next_retry from webhook_events e
            where e.status = 'pending' and e.webhook_id > r.webhook_id
            order by e.webhook_id, e.next_retry limit 1) n
    )
    select ring.webhook_id, ring.tenant_id, ring.next_retry from ring
$$;
revoke all on function webhooks_pending() from public;
grant execute on function webhooks_pending() to crm_worker;

create table webhook_attempts (
    tenant_id     uuid not null,
    delivery_id   uuid not null,
    id            uuid not null,
    cycle         integer not null,
    attempt       integer not null,     -- 1 to 5 within its cycle
    trigger       text not null,
    started_at    timestamptz not null,
    latency_ms    integer not null,     -- from the start of the request to the end of reading the answer
    first_byte_ms integer,              -- null when no answer came
    status_code   integer,
    error_code    text,                 -- stable, see docs/webhooks.md
    error         text,
    excerpt       text,                 -- the first bytes of the answer
    primary key (tenant_id, delivery_id, id),
    foreign key (tenant_id, delivery_id) references webhook_events (tenant_id, id)
);
select protect_tenant_table('webhook_attempts');
grant select on webhook_attempts to crm_app;
create policy delivery on webhook_attempts to crm_worker using (true) with check (true);
grant select, insert on webhook_attempts to crm_worker;

-- The id of the delivery of one event to one webhook: UUIDv8 (RFC 9562) with the event's 48-bit time in front,
-- so that new rows stay together in the index, and 60 bits of MD5 behind it.
create function delivery_id(event_id uuid, webhook_id uuid) returns uuid
language sql immutable strict parallel safe as $$
    select overlay(
        overlay(md5(uuid_send(event_id) || uuid_send(webhook_id))
                placing left(replace(event_id::text, '-', ''), 12) || '8' from 1 for 13)
        placing 'a' from 17 for 1)::uuid
$$;
