-- Contacts that an import has made, up to a thousand in one row: which they are is all that an undo needs to know of them
-- (docs/decisions/0048-what-an-import-has-made.md). Imports from before have them in `import_rows`, where they stay.

set local lock_timeout = '5s';

create table import_contacts (
    tenant_id uuid not null,
    import_id uuid not null,
    first     integer not null,     -- the place in the file of what made the first of them
    contacts  uuid[] not null,      -- each at its version 1
    primary key (tenant_id, import_id, first),
    foreign key (tenant_id, import_id) references imports (tenant_id, id) on delete cascade
);
-- Ids do not get smaller.
alter table import_contacts alter contacts set storage external;
select protect_tenant_table('import_contacts');
grant select, insert, delete on import_contacts to crm_app;
create policy tenant_isolation_worker on import_contacts to crm_worker
    using (tenant_id = (select current_setting('app.tenant_id')::uuid))
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
grant select, insert, delete on import_contacts to crm_worker;

-- Those of the version before do not see them, and would say of an import that it is undone while its contacts are there. They are
-- told to try again, until it is one of this version that does it.
create function imports_are_undone_with_their_contacts() returns trigger
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
    if exists (select from public.import_contacts c where c.tenant_id = new.tenant_id and c.import_id = new.id) then
        raise serialization_failure using message = 'contacts of the import are there';
    end if;
    return new;
end
$$;
create trigger imports_are_undone_with_their_contacts before update on imports
    for each row when (old.status <> 'undone' and new.status = 'undone')
    execute function imports_are_undone_with_their_contacts();
