-- What operators do across tenants (`api admin`, as crm_owner through MIGRATION_DATABASE_URL): list them, erase one, seal secrets
-- anew, see how old the queue is. The owner stays bound by row-level security: it sees one tenant's rows at a time, as the api
-- does. Nobody else gets a right.

create function let_operator_in(tenant_table regclass) returns void
language plpgsql set search_path = pg_catalog, public as $$
begin
    execute format(
        'create policy operator on %s to crm_owner
           using (tenant_id = (select current_setting(''app.tenant_id'')::uuid))
           with check (tenant_id = (select current_setting(''app.tenant_id'')::uuid))',
        tenant_table);
end
$$;
revoke all on function let_operator_in(regclass) from public;

create or replace function protect_tenant_table(tenant_table regclass) returns void
language plpgsql set search_path = pg_catalog, public as $$
begin
    execute format('alter table %s enable row level security', tenant_table);
    execute format('alter table %s force row level security', tenant_table);
    execute format(
        'create policy tenant_isolation on %s to crm_app
           using (tenant_id = (select current_setting(''app.tenant_id'')::uuid))
           with check (tenant_id = (select current_setting(''app.tenant_id'')::uuid))',
        tenant_table);
    perform let_operator_in(tenant_table);
end
$$;

select let_operator_in(c.oid)
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id' and not a.attisdropped
where c.relkind in ('r', 'p') and not c.relispartition and c.relrowsecurity and c.relnamespace = 'public'::regnamespace;
create policy operator on tenants to crm_owner
    using (id = (select current_setting('app.tenant_id')::uuid))
    with check (id = (select current_setting('app.tenant_id')::uuid));
-- Which tenants there are: names and times, no more of them than the row holds.
create policy directory on tenants for select to crm_owner using (true);

-- What operators have done to whole tenants; it outlives them. No login of the product has a right to it.
create table operator_log (
    id      bigint generated always as identity primary key,
    at      timestamptz not null,
    action  text not null,          -- such as tenant.erased
    subject uuid,                   -- the tenant; no reference, because it may be gone
    detail  json not null,          -- counts, never names
    login   text not null default session_user
);
create index operator_log_subject on operator_log (subject, id);

-- How old the oldest due delivery and the oldest event in the outbox are: of all tenants, one after the other, because the
-- owner sees one at a time. Nothing but the two times comes out.
create function oldest_waiting(out due timestamptz, out announced timestamptz)
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    tenant uuid;
    first_due timestamptz;
    first_announced timestamptz;
begin
    for tenant in select id from public.tenants loop
        perform set_config('app.tenant_id', tenant::text, true);
        select min(q.next_retry) into first_due from public.webhook_queue q
        join public.webhooks w on w.tenant_id = q.tenant_id and w.id = q.webhook_id and w.active
        where q.next_retry < public.in_line();
        select min(o.occurred_at) into first_announced from public.outbox o;
        due := least(due, first_due);
        announced := least(announced, first_announced);
    end loop;
end
$$;
revoke all on function oldest_waiting() from public;
