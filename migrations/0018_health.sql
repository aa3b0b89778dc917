-- How each webhook is doing (docs/decisions/0020): one small row for its state, and counts of its outcomes for rates
-- and percentiles. The worker writes both in the transaction of the outcomes themselves.

-- Made with the first outcome; a webhook without a row is healthy. `disabled` is no state here: that a webhook was
-- switched off, and why, is in `webhooks`, once.
create table webhook_health (
    tenant_id       uuid not null,
    webhook_id      uuid not null,
    state           text not null default 'healthy' constraint webhook_health_state_known check (state in ('healthy', 'failing')),
    changed_at      timestamptz,                    -- when the state last changed
    streak          integer not null default 0,     -- attempts that failed since the last one that was accepted
    streak_since    timestamptz,                    -- the first of them
    failed_days     integer not null default 0,     -- on how many days (UTC) they failed
    failing_since   timestamptz,                    -- the first of those that made it failing; null while healthy
    last_success_at timestamptz,
    last_failure_at timestamptz,
    last_error      text,                           -- of the last failure: a stable code
    accepted        boolean not null default false, -- something was accepted since the state last changed
    gone            boolean not null default false, -- a 410 came that has not been acted upon
    due             boolean not null default false, -- the state may have to change
    primary key (tenant_id, webhook_id),
    foreign key (tenant_id, webhook_id) references webhooks (tenant_id, id)
) with (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0
);
-- None of them holds a column that an outcome changes otherwise: the row's updates touch no index.
create index webhook_health_due on webhook_health (tenant_id, webhook_id) where due;
create index webhook_health_failing on webhook_health (tenant_id, webhook_id) where state = 'failing';
select protect_tenant_table('webhook_health');
grant select on webhook_health to crm_app;
grant update (streak, streak_since, failed_days, accepted, gone, due) on webhook_health to crm_app;
create policy delivery on webhook_health to crm_worker using (true) with check (true);
grant select, insert, update on webhook_health to crm_worker;

-- How often what came out in ten minutes. An `outcome` from 0 is a first delivery's time from its change to its
-- acceptance, in steps of 1.9 % (shared/src/webhook/histogram.rs); -1 an acceptance after a resend; -2 a failure.
create table webhook_outcomes (
    tenant_id  uuid not null,
    webhook_id uuid not null,
    slot       timestamptz not null,
    outcome    integer not null,
    count      bigint not null,
    primary key (tenant_id, webhook_id, slot, outcome)
) with (
    fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0
);
create index webhook_outcomes_old on webhook_outcomes (slot);
select protect_tenant_table('webhook_outcomes');
grant select on webhook_outcomes to crm_app;
create policy delivery on webhook_outcomes to crm_worker using (true) with check (true);
grant select, insert, update (count), delete on webhook_outcomes to crm_worker;

-- The oldest that is pending for a webhook: ids of deliveries begin with the time of their change.
create index webhook_queue_oldest on webhook_queue (tenant_id, webhook_id, id);

-- Those that were switched off before are to prove themselves too when they are on again. Row-level security binds
-- the owner as well.
alter table webhooks no force row level security;
alter table webhook_health no force row level security;
insert into webhook_health (tenant_id, webhook_id, state)
select tenant_id, id, 'failing' from webhooks where not active and disabled_reason is not null and deleted_at is null;
alter table webhooks force row level security;
alter table webhook_health force row level security;
