-- Leads, and how they went through the stages.
create table leads (
    tenant_id    uuid not null references tenants (id),
    id           uuid not null,
    title        text not null,
    status       text not null constraint leads_status_known
                 check (status in ('new', 'contacted', 'qualified', 'converted', 'lost')),
    value        numeric(18, 2) constraint leads_value_possible check (value >= 0),
    currency     text not null,     -- ISO 4217; the api knows which exist
    owner_id     uuid,
    contact_id   uuid,
    company_id   uuid,
    pipeline_id  uuid,
    stage_id     uuid,
    converted_at timestamptz,
    version      integer not null default 1,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    deleted_at   timestamptz,
    title_key    text collate "C" not null generated always as (lower(title)) stored,
    -- In hundredths, because comparisons of numeric are not leakproof (docs/decisions/0004): for filters, and, with a
    -- place for leads without a value, for the sort.
    value_cents  bigint generated always as ((value * 100)::bigint) stored,
    value_key    bigint not null generated always as (coalesce((value * 100)::bigint, -1)) stored,
    primary key (tenant_id, id),
    constraint leads_stage_in_pipeline check ((pipeline_id is null) = (stage_id is null)),
    foreign key (tenant_id, owner_id) references users (tenant_id, id),
    foreign key (tenant_id, contact_id) references contacts (tenant_id, id),
    foreign key (tenant_id, company_id) references companies (tenant_id, id),
    -- Only deleted leads are ever let go of in this way: crm::pipelines sees to the others.
    foreign key (tenant_id, pipeline_id, stage_id) references stages (tenant_id, pipeline_id, id)
        on delete set null (pipeline_id, stage_id)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.02);
create index leads_created on leads (tenant_id, created_at, id) where deleted_at is null;
create index leads_updated on leads (tenant_id, updated_at, id) where deleted_at is null;
create index leads_title on leads (tenant_id, title_key, id) where deleted_at is null;
create index leads_value on leads (tenant_id, value_key, id) where deleted_at is null;
create index leads_value_cents on leads (tenant_id, value_cents, id) where deleted_at is null;
create index leads_currency on leads (tenant_id, currency, id) where deleted_at is null;
create index leads_status on leads (tenant_id, status, id) where deleted_at is null;
create index leads_owner on leads (tenant_id, owner_id, id) where deleted_at is null;
create index leads_contact on leads (tenant_id, contact_id, id) where deleted_at is null;
create index leads_company on leads (tenant_id, company_id, id) where deleted_at is null;
create index leads_pipeline on leads (tenant_id, pipeline_id, id) where deleted_at is null;
-- Deleted leads too: a stage that goes looks for them.
create index leads_stage on leads (tenant_id, stage_id, id);
create index leads_search on leads using gin (tenant_id, title_key gin_trgm_ops) where deleted_at is null;
select protect_tenant_table('leads');
grant select, insert, update on leads to crm_app;

create policy search on leads for select to crm_search using (true);
grant select on leads to crm_search;

-- As search_contacts (0004), over the title.
create function search_leads(pattern text, most integer) returns uuid[]
language sql stable security definer set search_path = pg_catalog, public, pg_temp as $$
    select case when count(*) <= most then coalesce(array_agg(found.id), '{}') end
    from (select l.id from public.leads l
          where l.tenant_id = (select current_setting('app.tenant_id')::uuid)
            and l.deleted_at is null
            and l.title_key like pattern
          limit most + 1) found
$$;
revoke all on function search_leads(text, integer) from public;
grant execute on function search_leads(text, integer) to crm_app;
grant create on schema public to crm_search;
alter function search_leads(text, integer) owner to crm_search;
revoke create on schema public from crm_search;

-- Never changed. Stages are told by name too, because they may be gone when somebody reads.
create table lead_stage_history (
    tenant_id        uuid not null,
    id               uuid not null,
    lead_id          uuid not null,
    from_pipeline_id uuid,
    from_stage_id    uuid,
    from_name        text,
    to_pipeline_id   uuid,
    to_stage_id      uuid,
    to_name          text,
    actor_type       text not null constraint lead_stage_history_actor_known
                     check (actor_type in ('system', 'api_key', 'user')),
    actor_id         uuid,
    moved_at         timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, lead_id) references leads (tenant_id, id)
);
create index lead_stage_history_moved on lead_stage_history (tenant_id, lead_id, moved_at, id);
select protect_tenant_table('lead_stage_history');
grant select, insert on lead_stage_history to crm_app;
