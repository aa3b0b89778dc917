-- Pipelines and the stages that leads go through. Both are deleted for good: a pipeline can only go when it is empty.
create table pipelines (
    tenant_id  uuid not null references tenants (id),
    id         uuid not null,
    name       text not null,
    version    integer not null default 1,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    name_key   text collate "C" not null generated always as (lower(name)) stored,
    primary key (tenant_id, id)
);
create index pipelines_created on pipelines (tenant_id, created_at, id);
create index pipelines_updated on pipelines (tenant_id, updated_at, id);
create index pipelines_name on pipelines (tenant_id, name_key, id);
select protect_tenant_table('pipelines');
grant select, insert, update, delete on pipelines to crm_app;

-- Names and places are unique in their pipeline by the rules of crm::pipelines, under the lock of the pipeline's row.
-- A unique index is checked row by row and would not let one statement swap two.
create table stages (
    tenant_id     uuid not null,
    id            uuid not null,
    pipeline_id   uuid not null,
    name          text not null,
    display_order integer not null constraint stages_order_possible check (display_order >= 0),
    primary key (tenant_id, id),
    constraint stages_with_pipeline unique (tenant_id, pipeline_id, id),
    foreign key (tenant_id, pipeline_id) references pipelines (tenant_id, id)
);
select protect_tenant_table('stages');
grant select, insert, update, delete on stages to crm_app;
