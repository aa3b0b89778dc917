-- Replays: many deliveries of one webhook that get a new cycle, a batch at a time, whatever dies meanwhile
-- (docs/decisions/0019). A redrive is a replay that the worker begins by itself when a webhook has recovered.

alter table webhooks
    add auto_redrive boolean not null default false,
    add probed_at timestamptz;      -- when one parked failure was last sent to see whether the receiver is back
grant select (auto_redrive), update (auto_redrive) on webhooks to crm_app;
grant update (probed_at) on webhooks to crm_worker;

create table webhook_replays (
    tenant_id   uuid not null,
    id          uuid not null,
    webhook_id  uuid not null,
    trigger     text not null constraint webhook_replays_trigger_known check (trigger in ('redrive', 'replay')),
    state       text not null constraint webhook_replays_state_known
                check (state in ('running', 'paused', 'completed', 'cancelled')),
    since       timestamptz not null,           -- of deliveries made from here
    until       timestamptz not null,           -- to here, both included
    statuses    text[] not null,
    events      text[],                         -- names and families; null for all
    rate        integer not null,               -- cycles begun in a second, at most
    total       bigint not null,                -- what was selected when it was asked for
    replayed    bigint not null default 0,      -- cycles begun
    passed_over bigint not null default 0,      -- deliveries that were pending when their turn came
    delivered   bigint not null default 0,      -- of the cycles begun
    reached_at  timestamptz,                    -- the cursor: the delivery looked at last
    reached_id  uuid,
    pace        integer not null default 1,     -- cycles begun in a second as things are: a redrive begins slowly
    paced_until timestamptz,                    -- when the cycles begun so far are paid for at that pace
    paced_at    timestamptz,                    -- when the pace was last looked at
    accepted    bigint not null default 0,      -- cycles by then that were delivered
    refused     bigint not null default 0,      -- cycles by then whose first attempt was not accepted
    batch       integer not null default 1,     -- the most cycles of the next batch
    again       boolean not null default false, -- a redrive whose webhook has failed and recovered meanwhile
    due_at      timestamptz,                    -- when a worker may take the next batch; null when there is none
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    started_at  timestamptz,
    finished_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, webhook_id) references webhooks (tenant_id, id)
) with (fillfactor = 50);
create index webhook_replays_newest on webhook_replays (tenant_id, webhook_id, created_at, id);
create index webhook_replays_state on webhook_replays (tenant_id, webhook_id, state, created_at, id);
create index webhook_replays_trigger on webhook_replays (tenant_id, webhook_id, trigger, created_at, id);
create index webhook_replays_due on webhook_replays (due_at) where due_at is not null;
create index webhook_replays_finished on webhook_replays (finished_at) where finished_at is not null;
select protect_tenant_table('webhook_replays');
grant select, insert on webhook_replays to crm_app;
grant update (state, due_at, paced_until, updated_at, finished_at) on webhook_replays to crm_app;
create policy delivery on webhook_replays to crm_worker using (true) with check (true);
grant select, insert, update, delete on webhook_replays to crm_worker;

-- Whose cycle it is, so that a replay knows how many of its own are on their way.
alter table webhook_queue add replay_id uuid;
create index webhook_queue_replayed on webhook_queue (tenant_id, replay_id) where replay_id is not null;

grant update (skip_reason, cycle, trigger) on webhook_events to crm_worker;
