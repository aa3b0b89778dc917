-- Contacts. The *_key columns are what filters and sorts use: lower() is not leakproof, so an index on it
-- would never serve a query under row-level security (docs/decisions/0004).
create table contacts (
    tenant_id   uuid not null references tenants (id),
    id          uuid not null,
    name        text not null,
    email       text,
    phone       text,
    phone_e164  text,
    company     text,
    version     integer not null default 1,
    created_at  timestamptz not null,
    updated_at  timestamptz not null,
    deleted_at  timestamptz,
    name_key    text collate "C" not null generated always as (lower(name)) stored,
    email_key   text collate "C" generated always as (lower(email)) stored,
    company_key text collate "C" generated always as (lower(company)) stored,
    search      text not null generated always as
                (lower(name || ' ' || coalesce(email, '') || ' ' || coalesce(phone, '') || ' ' || coalesce(company, ''))) stored,
    primary key (tenant_id, id)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
create index contacts_created on contacts (tenant_id, created_at, id) where deleted_at is null;
create index contacts_updated on contacts (tenant_id, updated_at, id) where deleted_at is null;
create index contacts_name on contacts (tenant_id, name_key, id) where deleted_at is null;
create index contacts_email on contacts (tenant_id, email_key, id) where deleted_at is null;
create index contacts_company on contacts (tenant_id, company_key, id) where deleted_at is null;
create index contacts_phone on contacts (tenant_id, phone_e164, id) where deleted_at is null;
create index contacts_search on contacts using gin (tenant_id, search gin_trgm_ops) where deleted_at is null;
select protect_tenant_table('contacts');
grant select, insert, update on contacts to crm_app;

create policy search on contacts for select to crm_search using (true);
grant select on contacts to crm_search;

-- Ids of the tenant's contacts whose name, email, phone and company, in lower case, are like the pattern; null when
-- there are more than `most`.
-- The tenant comes from the transaction, never from an argument; the caller joins the ids back through its own policy.
create function search_contacts(pattern text, most integer) returns uuid[]
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    select case when count(*) <= most then coalesce(array_agg(found.id), '{}') end
    from (select c.id from public.contacts c
          where c.tenant_id = (select current_setting('app.tenant_id')::uuid)
            and c.deleted_at is null
            and c.search like pattern
          limit most + 1) found
$$;
revoke all on function search_contacts(text, integer) from public;
grant execute on function search_contacts(text, integer) to crm_app;
grant create on schema public to crm_search;
alter function search_contacts(text, integer) owner to crm_search;
revoke create on schema public from crm_search;
