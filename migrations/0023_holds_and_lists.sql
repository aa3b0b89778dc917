-- What a receiver asked for is kept by all workers, and lists of webhooks by health and of erasures are found by indexes.

-- Until when the receiver is to be left alone: the longest `Retry-After` of a 429 or 503, as far as it is heeded.
alter table webhooks add column held_until timestamptz;
grant update (held_until) on webhooks to crm_worker;

-- What lists are filtered by. That attempts fail is in `webhook_health`; here it follows, also for a worker of the
-- version before, so that one index has tenant, health and time.
alter table webhooks add column failing boolean not null default false;
grant update (failing) on webhooks to crm_worker;
create function webhooks_follow_health() returns trigger
language plpgsql set search_path = pg_catalog, public as $$
begin
    update public.webhooks set failing = new.state = 'failing' where tenant_id = new.tenant_id and id = new.webhook_id;
    return null;
end
$$;
revoke all on function webhooks_follow_health() from public;
create trigger webhooks_follow_health_at_birth after insert on webhook_health
    for each row when (new.state = 'failing') execute function webhooks_follow_health();
create trigger webhooks_follow_health_later after update of state on webhook_health
    for each row when (new.state is distinct from old.state) execute function webhooks_follow_health();

-- Row-level security binds the owner as well.
alter table webhooks no force row level security;
alter table webhook_health no force row level security;
update webhooks w set failing = true from webhook_health h
where h.tenant_id = w.tenant_id and h.webhook_id = w.id and h.state = 'failing';
alter table webhooks force row level security;
alter table webhook_health force row level security;

alter table webhooks add column health text not null generated always as (
    case when not active and disabled_reason is not null then 'disabled' when failing then 'failing' else 'healthy' end) stored;
grant select (health) on webhooks to crm_app;
create index webhooks_health on webhooks (tenant_id, health, created_at, id) where deleted_at is null;

alter table erasures add column status text not null generated always as (
    case when finished_at is null then 'running' else 'completed' end) stored;
create index erasures_newest on erasures (tenant_id, created_at, id);
create index erasures_by_status on erasures (tenant_id, status, created_at, id);
