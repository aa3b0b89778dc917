-- The audit log: one row for each change, written in the transaction that makes it, never changed afterwards.
-- Its id is the id of the event that tells of the change, when there is one.
create table audit_log (
    tenant_id   uuid not null references tenants (id),
    id          uuid not null,
    actor_type  text not null constraint audit_log_actor_known check (actor_type in ('system', 'api_key', 'user')),
    actor_id    uuid,
    action      text not null,      -- such as contact.updated
    record_type text not null,      -- such as contact
    record_id   uuid not null,
    before      json,               -- of an update only what it changed
    after       json,
    request_id  text,
    address     text,               -- where the request came from
    created_at  timestamptz not null,
    primary key (tenant_id, id)
);
create index audit_log_created on audit_log (tenant_id, created_at, id);
create index audit_log_record on audit_log (tenant_id, record_id, created_at, id);
create index audit_log_actor_type on audit_log (tenant_id, actor_type, created_at, id);
create index audit_log_actor on audit_log (tenant_id, actor_id, created_at, id);
create index audit_log_action on audit_log (tenant_id, action, created_at, id);
select protect_tenant_table('audit_log');
grant select, insert on audit_log to crm_app;
