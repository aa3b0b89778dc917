-- Imports of contacts: what was asked for and how far it is, and the rows while they matter.
create table imports (
    tenant_id   uuid not null references tenants (id),
    id          uuid not null,
    status      text not null constraint imports_status_known
                check (status in ('undone', 'uploading', 'queued', 'running', 'completed', 'failed', 'undoing')),
    mode        text not null constraint imports_mode_known check (mode in ('create', 'upsert', 'skip')),
    match_by    text constraint imports_match_known check (match_by in ('email', 'externalId')),
    atomic      boolean not null,
    events      boolean not null,
    dry_run     boolean not null,
    total       integer not null default 0,
    processed   integer not null default 0,
    created     integer not null default 0,
    updated     integer not null default 0,
    skipped     integer not null default 0,
    failed      integer not null default 0,
    undone      integer not null default 0,     -- contacts that are again as they were
    kept        integer not null default 0,     -- contacts that somebody has changed since
    error       text,
    actor_type  text not null,
    actor_id    uuid,
    request_id  text,
    traceparent text,
    address     text,
    claims      integer not null default 0,     -- tries without progress: stops an import that kills its workers
    due_at      timestamptz,                    -- when a worker may take the next batch; null when there is none
    version     integer not null default 1,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    started_at  timestamptz,
    finished_at timestamptz,
    primary key (tenant_id, id)
);
create index imports_created on imports (tenant_id, created_at, id);
create index imports_status on imports (tenant_id, status, id);
create index imports_due on imports (due_at) where due_at is not null;
create index imports_uploading on imports (updated_at) where status = 'uploading';
create index imports_finished on imports (finished_at) where finished_at is not null;
select protect_tenant_table('imports');
grant select, insert, update, delete on imports to crm_app;
-- The worker finds the due ones across tenants; everything else below it sees of one tenant at a time.
create policy runner on imports to crm_worker using (true) with check (true);
grant select, update, delete on imports to crm_worker;

create table import_rows (
    tenant_id  uuid not null,
    import_id  uuid not null,
    row        integer not null,    -- from 1, in the order of the file
    line       integer,             -- of the file, from 1
    input      json,                -- as it was sent; while pending, and of rows that failed
    contact    json,                -- what it says; while pending
    outcome    text constraint import_rows_outcome_known check (outcome in ('failed', 'created', 'updated', 'skipped')),
    code       text,
    details    json,
    contact_id uuid,
    before     json,                -- the contact as it was, for undo
    version    integer,             -- of the contact as the row left it
    primary key (tenant_id, import_id, row),
    foreign key (tenant_id, import_id) references imports (tenant_id, id) on delete cascade
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
create index import_rows_pending on import_rows (tenant_id, import_id, row) where outcome is null;
create index import_rows_failed on import_rows (tenant_id, import_id, row) where outcome = 'failed';
create index import_rows_applied on import_rows (tenant_id, import_id, contact_id, row) where outcome in ('created', 'updated');
select protect_tenant_table('import_rows');
grant select, insert, update, delete on import_rows to crm_app;

create policy tenant_isolation_worker on import_rows to crm_worker
    using (tenant_id = (select current_setting('app.tenant_id')::uuid))
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
grant select, update, delete on import_rows to crm_worker;
create policy tenant_isolation_worker on contacts to crm_worker
    using (tenant_id = (select current_setting('app.tenant_id')::uuid))
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
grant select, insert, update on contacts to crm_worker;
create policy tenant_isolation_worker on companies to crm_worker
    using (tenant_id = (select current_setting('app.tenant_id')::uuid))
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
grant select (tenant_id, id, name, deleted_at) on companies to crm_worker;
grant update (updated_at) on companies to crm_worker; -- FOR SHARE asks for the right to update a column
create policy tenant_isolation_worker on tenants for select to crm_worker
    using (id = (select current_setting('app.tenant_id')::uuid));
grant select (id, unique_contact_emails) on tenants to crm_worker;
create policy tenant_isolation_worker on audit_log for insert to crm_worker
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
grant insert on audit_log to crm_worker;
grant insert on outbox to crm_worker;
grant execute on function contact_emails_lock(uuid) to crm_worker;

-- As in 0012, but a writer of many contacts may hold the tenant's lock alone and look for itself (`app.contacts_held`):
-- a lock for each value would fill the lock table of the cluster.
create or replace function contacts_keep_unique() returns trigger
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    held boolean := coalesce(current_setting('app.contacts_held', true), '') = 'on';
    ruled boolean;
    holder uuid;
begin
    if not held and (new.external_id is not null or new.email is not null) then
        perform pg_advisory_xact_lock_shared(public.contact_emails_lock(new.tenant_id));
    end if;
    if new.external_id is not null then
        if not held then
            perform pg_advisory_xact_lock(hashtextextended(new.tenant_id || ' external id ' || new.external_id, 0));
        end if;
        select c.id into holder from public.contacts c
        where c.tenant_id = new.tenant_id and c.external_id = new.external_id and c.deleted_at is null and c.id <> new.id
        limit 1;
        if found then
            raise unique_violation using constraint = 'contacts_external_id_taken', detail = holder;
        end if;
    end if;
    if new.email is not null then
        select t.unique_contact_emails into ruled from public.tenants t where t.id = new.tenant_id;
        if ruled then
            if not held then
                perform pg_advisory_xact_lock(hashtextextended(new.tenant_id || ' e-mail ' || lower(new.email), 0));
            end if;
            select c.id into holder from public.contacts c
            where c.tenant_id = new.tenant_id and c.email_key = lower(new.email) and c.deleted_at is null and c.id <> new.id
            limit 1;
            if found then
                raise unique_violation using constraint = 'contacts_email_taken', detail = holder;
            end if;
        end if;
    end if;
    return new;
end
$$;
