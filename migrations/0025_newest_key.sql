-- The primary key of a partition is the newest of its indexes. Of indexes that seem to cost the same the planner takes the newest,
-- and while a partition is empty or not analyzed yet, all that begin with the tenant do: by (tenant_id, sequence) the relay
-- read all that a tenant had announced that day for each event that it looked up by its id (docs/decisions/0030).

create or replace function add_event_partition(parent regclass, suffix text, bounds text) returns void
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    part text := format('%s_%s', parent, suffix);
    definition text;
begin
    execute format('create table public.%I (like %s including defaults including constraints)', part, parent);
    execute format('alter table public.%I enable row level security, force row level security', part);
    if parent = 'public.webhook_events'::regclass then
        execute format(
            'alter table public.%I set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02,
                autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0)', part);
    end if;
    -- All but the primary key, which is made when the table is attached, as whatever else is missing.
    for definition in
        select substring(pg_get_indexdef(indexrelid) from ' USING .*') from pg_index
        where indrelid = parent and not indisprimary order by indexrelid
    loop
        execute format('create index on public.%I %s', part, definition);
    end loop;
    -- Unlike `create table … partition of`, it lets the table be read and written meanwhile.
    execute format('alter table %s attach partition public.%I %s', parent, part, bounds);
end
$$;

-- Those that nothing was ever written to, tomorrow's among them, are made again. Their size says so: row-level security
-- hides rows of partitions even from the owner. Tables before their partitions, as whoever writes takes them, so that none
-- waits for the other in a circle; and not behind a long export, because everything else would wait behind the migration.
set local lock_timeout = '5s';
lock table events, webhook_events, webhook_attempts in access exclusive mode;
do $$
declare
    part record;
begin
    for part in
        select i.inhparent::regclass as parent, c.oid::regclass as child, substring(c.relname from '[a-z0-9]+$') as suffix,
               pg_get_expr(c.relpartbound, c.oid) as bounds
        from event_tables() t (parent) join pg_inherits i on i.inhparent = t.parent join pg_class c on c.oid = i.inhrelid
    loop
        if pg_relation_size(part.child) = 0 then
            execute format('drop table %s', part.child);
            perform add_event_partition(part.parent, part.suffix, part.bounds);
        end if;
    end loop;
end
$$;
