-- The answers that a repeated Idempotency-Key gets again, for 24 hours. An answer may show a secret that is shown
-- once, so it is sealed. Written in the transaction of the change: neither exists without the other.
create table idempotency_keys (
    tenant_id   uuid not null references tenants (id),
    principal   text not null,
    key         text not null,
    fingerprint bytea not null,     -- SHA-256 of method, path, query and body
    answer      bytea not null,     -- sealed
    expires_at  timestamptz not null,
    primary key (tenant_id, principal, key)
);
create index idempotency_keys_expired on idempotency_keys (expires_at);
select protect_tenant_table('idempotency_keys');
grant select, insert, update on idempotency_keys to crm_app;
create policy sweep on idempotency_keys to crm_worker using (true);
grant select (tenant_id, principal, key, expires_at), delete on idempotency_keys to crm_worker;
