-- What happened around contacts, companies and leads. Never changed and never deleted.
create table activities (
    tenant_id   uuid not null references tenants (id),
    id          uuid not null,
    type        text not null constraint activities_type_known
                check (type in ('note', 'call', 'email', 'meeting', 'task', 'system')),
    subject     text not null,
    body        text,
    occurred_at timestamptz not null,
    due_at      timestamptz,
    contact_id  uuid,
    company_id  uuid,
    lead_id     uuid,
    actor_type  text not null constraint activities_actor_known check (actor_type in ('system', 'api_key', 'user')),
    actor_id    uuid,
    created_at  timestamptz not null,
    primary key (tenant_id, id),
    constraint activities_about_something check (num_nonnulls(contact_id, company_id, lead_id) > 0),
    foreign key (tenant_id, contact_id) references contacts (tenant_id, id),
    foreign key (tenant_id, company_id) references companies (tenant_id, id),
    foreign key (tenant_id, lead_id) references leads (tenant_id, id)
) with (autovacuum_vacuum_insert_scale_factor = 0.02);
create index activities_occurred on activities (tenant_id, occurred_at, id);
create index activities_created on activities (tenant_id, created_at, id);
create index activities_due on activities (tenant_id, due_at, id);
create index activities_type on activities (tenant_id, type, id);
create index activities_actor on activities (tenant_id, actor_id, id);
create index activities_of_contact on activities (tenant_id, contact_id, occurred_at, id);
create index activities_of_company on activities (tenant_id, company_id, occurred_at, id);
create index activities_of_lead on activities (tenant_id, lead_id, occurred_at, id);
select protect_tenant_table('activities');
grant select, insert on activities to crm_app;
