-- Tenants, their users and API keys, and the one way a table becomes a tenant table.

create extension if not exists pg_trgm;
create extension if not exists btree_gin;

-- Shuts a table for everyone but the tenant of the transaction (docs/decisions/0002). The policy has no
-- missing_ok: without a tenant every statement is an error, never an empty answer. Grants stay with each table.
create function protect_tenant_table(tenant_table regclass) returns void
language plpgsql set search_path = pg_catalog, public as $$
begin
    execute format('alter table %s enable row level security', tenant_table);
    execute format('alter table %s force row level security', tenant_table);
    execute format(
        'create policy tenant_isolation on %s to crm_app
           using (tenant_id = (select current_setting(''app.tenant_id'')::uuid))
           with check (tenant_id = (select current_setting(''app.tenant_id'')::uuid))',
        tenant_table);
end
$$;
revoke all on function protect_tenant_table(regclass) from public;

create table tenants (
    id         uuid primary key,
    name       text not null,
    -- By class, in place of the configured ones: {"read": "1000/1m"}.
    rate_limits jsonb not null default '{}' constraint tenants_rate_limits_object check (jsonb_typeof(rate_limits) = 'object'),
    created_at timestamptz not null,
    updated_at timestamptz not null
);
alter table tenants enable row level security;
alter table tenants force row level security;
create policy tenant_isolation on tenants to crm_app
    using (id = (select current_setting('app.tenant_id')::uuid))
    with check (id = (select current_setting('app.tenant_id')::uuid));
grant select, insert, update on tenants to crm_app;

create table users (
    tenant_id  uuid not null references tenants (id),
    id         uuid not null,
    email      text not null,
    email_key  text collate "C" not null generated always as (lower(email)) stored,
    name       text not null,
    role       text not null constraint users_role_known check (role in ('owner', 'admin', 'member', 'read_only')),
    active     boolean not null default true,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    name_key   text collate "C" not null generated always as (lower(name)) stored,
    primary key (tenant_id, id),
    constraint users_email_taken unique (tenant_id, email_key)
);
create index users_created on users (tenant_id, created_at, id);
create index users_updated on users (tenant_id, updated_at, id);
create index users_name on users (tenant_id, name_key, id);
create index users_email on users (tenant_id, email_key, id);
create index users_role on users (tenant_id, role, id);
create index users_active on users (tenant_id, active, id);
select protect_tenant_table('users');
grant select, insert, update on users to crm_app;

create table api_keys (
    tenant_id    uuid not null references tenants (id),
    id           uuid not null,
    name         text not null,
    prefix       text not null,
    hash         bytea not null,
    scopes       text[] not null,
    active       boolean not null default true,
    -- In place of the tenant's.
    rate_limits  jsonb not null default '{}' constraint api_keys_rate_limits_object check (jsonb_typeof(rate_limits) = 'object'),
    allowed_ips  text[],            -- networks and addresses; from anywhere when null
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz,
    created_by   uuid,              -- the user; null when a program made it
    version      integer not null default 1,
    created_at   timestamptz not null,
    updated_at   timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, created_by) references users (tenant_id, id)
);
-- Not unique: a unique index across tenants would tell one tenant of another's key.
create index api_keys_prefix on api_keys (prefix);
create index api_keys_created on api_keys (tenant_id, created_at, id) where revoked_at is null;
select protect_tenant_table('api_keys');
grant select, insert, update on api_keys to crm_app;

-- The secrets that rotations replaced, each working until its end.
create table replaced_api_key_secrets (
    tenant_id  uuid not null references tenants (id),
    key_id     uuid not null,
    prefix     text not null,
    hash       bytea not null,
    expires_at timestamptz not null,
    primary key (tenant_id, key_id, prefix),
    foreign key (tenant_id, key_id) references api_keys (tenant_id, id)
);
create index replaced_api_key_secrets_prefix on replaced_api_key_secrets (prefix);
select protect_tenant_table('replaced_api_key_secrets');
grant select (tenant_id, key_id, expires_at), insert, update (expires_at) on replaced_api_key_secrets to crm_app;

-- Who calls is looked up before the tenant is known, by functions whose owner can do nothing else (0007 has the others).
-- In plpgsql, because it keeps the plan: a SQL function that cannot be inlined is planned anew at each call.
create policy auth_lookup on api_keys for select to crm_auth using (true);
create policy auth_lookup on replaced_api_key_secrets for select to crm_auth using (true);
create policy auth_lookup on users for select to crm_auth using (true);
create policy auth_lookup on tenants for select to crm_auth using (true);
grant select on api_keys, replaced_api_key_secrets, users to crm_auth;
grant select (id, rate_limits) on tenants to crm_auth;

create function find_api_key(wanted_prefix text)
returns table (tenant_id uuid, id uuid, hash bytea, scopes text[], expires_at timestamptz, secret_expires_at timestamptz,
               allowed_ips text[], rate_limits jsonb)
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    return query
        select k.tenant_id, k.id, k.hash, k.scopes, k.expires_at, null::timestamptz, k.allowed_ips,
               t.rate_limits || k.rate_limits
        from public.api_keys k join public.tenants t on t.id = k.tenant_id
        where k.prefix = wanted_prefix and k.active and k.revoked_at is null
        union all
        select k.tenant_id, k.id, s.hash, k.scopes, k.expires_at, s.expires_at, k.allowed_ips,
               t.rate_limits || k.rate_limits
        from public.replaced_api_key_secrets s
        join public.api_keys k on k.tenant_id = s.tenant_id and k.id = s.key_id
        join public.tenants t on t.id = k.tenant_id
        where s.prefix = wanted_prefix and k.active and k.revoked_at is null;
end
$$;

-- Rights first: once handed over, the function is no longer the owner's to grant.
revoke all on function find_api_key(text) from public;
grant execute on function find_api_key(text) to crm_app;
grant create on schema public to crm_auth;
alter function find_api_key(text) owner to crm_auth;
revoke create on schema public from crm_auth;
