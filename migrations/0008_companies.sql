-- Companies, and which of them a contact belongs to.
create table companies (
    tenant_id   uuid not null references tenants (id),
    id          uuid not null,
    name        text not null,
    industry    text,       -- a slug; the api knows which exist
    website     text,
    employees   bigint constraint companies_employees_possible check (employees between 0 and 10000000),
    version     integer not null default 1,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    deleted_at  timestamptz,
    name_key    text collate "C" not null generated always as (lower(name)) stored,
    website_key text collate "C" generated always as (lower(website)) stored,
    employees_key bigint not null generated always as (coalesce(employees, -1)) stored, -- to sort by: unknown is least
    search      text not null generated always as (lower(name || ' ' || coalesce(website, ''))) stored,
    primary key (tenant_id, id)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
create index companies_created on companies (tenant_id, created_at, id) where deleted_at is null;
create index companies_updated on companies (tenant_id, updated_at, id) where deleted_at is null;
create index companies_name on companies (tenant_id, name_key, id) where deleted_at is null;
create index companies_industry on companies (tenant_id, industry, id) where deleted_at is null;
create index companies_website on companies (tenant_id, website_key, id) where deleted_at is null;
create index companies_employees on companies (tenant_id, employees, id) where deleted_at is null;
create index companies_employees_sorted on companies (tenant_id, employees_key, id) where deleted_at is null;
create index companies_search on companies using gin (tenant_id, search gin_trgm_ops) where deleted_at is null;
select protect_tenant_table('companies');
grant select, insert, update on companies to crm_app;

create policy search on companies for select to crm_search using (true);
grant select on companies to crm_search;

-- As search_contacts (0004), over name and website.
create function search_companies(pattern text, most integer) returns uuid[]
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    select case when count(*) <= most then coalesce(array_agg(found.id), '{}') end
    from (select c.id from public.companies c
          where c.tenant_id = (select current_setting('app.tenant_id')::uuid)
            and c.deleted_at is null
            and c.search like pattern
          limit most + 1) found
$$;
revoke all on function search_companies(text, integer) from public;
grant execute on function search_companies(text, integer) to crm_app;
grant create on schema public to crm_search;
alter function search_companies(text, integer) owner to crm_search;
revoke create on schema public from crm_search;

-- A company is never deleted for good, so no cascade: crm::companies::remove makes its records let go of it.
-- Deleted contacts are in the index too, because they let go as well; it knows which, for those who count the others.
alter table contacts add company_id uuid;
alter table contacts add constraint contacts_company_exists
    foreign key (tenant_id, company_id) references companies (tenant_id, id);
create index contacts_company_id on contacts (tenant_id, company_id, id) include (deleted_at);
