-- The transactional outbox: an event joins the commit of the change it tells of, and the relay takes it from here.
-- The api only inserts; the worker only claims and deletes. Rows are claimed, never followed by a cursor:
-- a transaction that commits late is simply found next time.
create table outbox (
    id          bigint generated always as identity primary key,
    tenant_id   uuid not null,
    event_id    uuid not null,
    event       text not null,
    payload     json not null,  -- json, not jsonb: the bytes written here are the bytes that are signed and sent
    request_id  text,
    traceparent text,
    occurred_at timestamptz not null
) with (
    autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
    vacuum_truncate = off
);
alter table outbox enable row level security;
alter table outbox force row level security;
create policy tenant_isolation on outbox for insert to crm_app
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
create policy relay on outbox to crm_worker using (true) with check (true);
grant insert on outbox to crm_app;
grant select, delete on outbox to crm_worker;
grant update (occurred_at) on outbox to crm_worker; -- FOR UPDATE SKIP LOCKED asks for the right to update a column
