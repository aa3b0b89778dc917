-- Rows of an import that wait for a worker, a thousand in one row of the table: they are read once, in their order, and then
-- gone. A row of an import is written when something became of it, and no more changed (docs/decisions/0038-rows-that-wait.md).

set local lock_timeout = '5s';

create table import_chunks (
    tenant_id uuid not null,
    import_id uuid not null,
    first     integer not null,     -- the place of its first row in the file
    rows      json not null,        -- what the rows say, and how they were sent
    primary key (tenant_id, import_id, first),
    foreign key (tenant_id, import_id) references imports (tenant_id, id) on delete cascade
);
-- It lives for seconds: to compress it would cost more than to write it.
alter table import_chunks alter rows set storage external;
select protect_tenant_table('import_chunks');
grant select, insert on import_chunks to crm_app;
create policy tenant_isolation_worker on import_chunks to crm_worker
    using (tenant_id = (select current_setting('app.tenant_id')::uuid))
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
grant select, insert, delete on import_chunks to crm_worker;
grant insert on import_rows to crm_worker;

-- An import has not ended while rows of it wait. A worker of the version before does not see them and would end it: it is
-- told to try again, until one of this version is there. Its own rows, in `import_rows` without an outcome, this version
-- makes chunks of.
create function imports_end_behind_their_rows() returns trigger
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
begin
    if exists (select from public.import_chunks c where c.tenant_id = new.tenant_id and c.import_id = new.id) then
        raise serialization_failure using message = 'rows of the import wait';
    end if;
    return new;
end
$$;
create trigger imports_end_behind_their_rows before update on imports
    for each row when (old.finished_at is null and new.finished_at is not null)
    execute function imports_end_behind_their_rows();
