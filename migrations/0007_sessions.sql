-- Signing in: users' sessions with their refresh tokens, demo tenants, QR sessions (docs/decisions/0012).

create table sessions (
    tenant_id      uuid not null references tenants (id),
    id             uuid not null,
    user_id        uuid not null,
    created_via    text not null
                   constraint sessions_created_via_known check (created_via in ('qr', 'demo', 'admin')),
    device_name    text,
    user_agent     text,
    ip_address     text,                          -- of the sign-in, later of the last refresh
    generation     integer not null default 1,    -- access tokens of an earlier generation are void
    created_at     timestamptz not null,
    last_used_at   timestamptz not null,          -- when tokens were last issued
    expires_at     timestamptz not null,          -- moves with each refresh, up to ends_at
    ends_at        timestamptz not null,
    revoked_at     timestamptz,
    revoked_reason text constraint sessions_revoked_reason_known
                   check (revoked_reason in ('logout', 'logout_all', 'removed', 'token_reuse')),
    primary key (tenant_id, id),
    foreign key (tenant_id, user_id) references users (tenant_id, id)
);
-- With what tells whether a session lives, so that those that do are counted in the index alone.
create index sessions_newest on sessions (tenant_id, user_id, created_at, id) include (revoked_at, expires_at);
select protect_tenant_table('sessions');
grant select, insert, update, delete on sessions to crm_app;

-- A session's tokens in the order of their issue. Used ones stay for as long as a session can be idle: whoever
-- presents one of them again has stolen it, or was stolen from.
create table refresh_tokens (
    tenant_id  uuid not null,
    session_id uuid not null,
    number     integer not null,
    hash       bytea not null,
    created_at timestamptz not null,
    used_at    timestamptz,
    voided_at  timestamptz,    -- its answer was lost and another one given
    primary key (tenant_id, hash),
    foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade
);
create index refresh_tokens_issued on refresh_tokens (tenant_id, session_id, number);
-- Not unique: a unique index across tenants would tell one tenant of another's token.
create index refresh_tokens_hash on refresh_tokens (hash);
select protect_tenant_table('refresh_tokens');
grant select, insert, update, delete on refresh_tokens to crm_app;

-- The name by which demo login opens a tenant. It is given at creation and never to a real one, and the function that
-- finds a tenant by name compares this one only.
alter table tenants add demo text;
create index tenants_demo on tenants (demo) where demo is not null;

create policy auth_lookup on sessions for select to crm_auth using (true);
create policy auth_lookup on refresh_tokens for select to crm_auth using (true);
grant select on sessions, refresh_tokens to crm_auth;
grant select (demo, created_at) on tenants to crm_auth;

create function find_session(wanted_tenant uuid, wanted_user uuid, wanted_session uuid)
returns table (role text, generation integer, expires_at timestamptz, rate_limits jsonb)
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    return query
        select u.role, s.generation, s.expires_at, t.rate_limits
        from public.sessions s
        join public.users u on u.tenant_id = s.tenant_id and u.id = s.user_id
        join public.tenants t on t.id = s.tenant_id
        where s.tenant_id = wanted_tenant and s.id = wanted_session and s.user_id = wanted_user
          and s.revoked_at is null and u.active;
end
$$;

create function find_refresh_token(wanted_hash bytea)
returns table (tenant_id uuid, session_id uuid)
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    return query select t.tenant_id, t.session_id from public.refresh_tokens t where t.hash = wanted_hash;
end
$$;

create function find_demo_tenant(wanted_name text)
returns table (id uuid)
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    return query select t.id from public.tenants t where t.demo = wanted_name order by t.created_at, t.id limit 1;
end
$$;

revoke all on function find_session(uuid, uuid, uuid), find_refresh_token(bytea), find_demo_tenant(text) from public;
grant execute on function find_session(uuid, uuid, uuid), find_refresh_token(bytea), find_demo_tenant(text) to crm_app;
grant create on schema public to crm_auth;
alter function find_session(uuid, uuid, uuid) owner to crm_auth;
alter function find_refresh_token(bytea) owner to crm_auth;
alter function find_demo_tenant(text) owner to crm_auth;
revoke create on schema public from crm_auth;

-- Signing in by QR code: a desktop shows it, a signed-in phone approves it.
-- A row belongs to nobody until a user's phone takes it into its tenant. Until then no login can see it: the
-- anonymous steps go through four functions, each of which names the one row it is about.
create table qr_sessions (
    tenant_id       uuid references tenants (id),    -- null until scanned
    id              uuid primary key,
    status          text not null default 'pending' constraint qr_sessions_status_known
                    check (status in ('pending', 'scanned', 'linked', 'consumed', 'denied', 'cancelled')),
    poll_hash       bytea not null,      -- of what only the desktop has
    scan_hash       bytea not null,      -- of what the QR code shows
    link_hash       bytea,               -- of what only the phone has
    match_code      text not null,
    tries_left      integer not null default 3,
    code_challenge  text,                -- RFC 7636, S256
    tenant_hint     text,
    device_name     text,
    user_agent      text,
    ip_address      text not null,
    scanned_by      uuid,
    scanned_session uuid,
    session_id      uuid,                -- what it was consumed for
    requested_at    timestamptz not null,
    expires_at      timestamptz not null,    -- of the state it is in; past it, the row counts as expired
    consumed_at     timestamptz,
    constraint qr_sessions_tenant_known check (tenant_id is not null or status in ('pending', 'cancelled')),
    foreign key (tenant_id, scanned_by) references users (tenant_id, id),
    foreign key (tenant_id, scanned_session) references sessions (tenant_id, id) on delete cascade,
    foreign key (tenant_id, session_id) references sessions (tenant_id, id) on delete cascade
);
create index qr_sessions_address on qr_sessions (ip_address, expires_at);
create index qr_sessions_expired on qr_sessions (expires_at);
select protect_tenant_table('qr_sessions');
grant select on qr_sessions to crm_app;
grant update (status, tries_left, expires_at, session_id, consumed_at) on qr_sessions to crm_app;

create policy sign_in on qr_sessions to crm_auth using (true) with check (true);
grant select, insert, update, delete on qr_sessions to crm_auth;

-- False when the address has `most` sessions under way. Sweeps what ended a day ago, a hundred rows at a time.
create function open_qr_session(
    new_id uuid, poll bytea, scan bytea, code text, challenge text, hint text, device text, agent text, address text,
    at timestamptz, until timestamptz, most integer)
returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    -- Those of one address wait for each other, or each would count without the others.
    perform pg_advisory_xact_lock(hashtextextended('qr_sessions ' || address, 0));
    delete from public.qr_sessions q where q.id in (
        select o.id from public.qr_sessions o where o.expires_at < at - interval '1 day'
        order by o.expires_at limit 100 for update skip locked);
    if (select count(*) from public.qr_sessions q
        where q.ip_address = address and q.expires_at > at and q.status in ('pending', 'scanned', 'linked')) >= most
    then
        return false;
    end if;
    insert into public.qr_sessions (id, poll_hash, scan_hash, match_code, code_challenge, tenant_hint, device_name,
                                    user_agent, ip_address, requested_at, expires_at)
    values (new_id, poll, scan, code, challenge, hint, device, agent, address, at, until);
    return true;
end
$$;

create function find_qr_session(wanted uuid)
returns table (
    tenant_id uuid, status text, poll_hash bytea, scan_hash bytea, tenant_hint text, device_name text,
    user_agent text, ip_address text, scanned_session uuid, requested_at timestamptz, expires_at timestamptz)
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    return query
        select q.tenant_id, q.status, q.poll_hash, q.scan_hash, q.tenant_hint, q.device_name, q.user_agent,
               q.ip_address, q.scanned_session, q.requested_at, q.expires_at
        from public.qr_sessions q where q.id = wanted;
end
$$;

-- pending -> scanned: the row joins the tenant of the transaction. False when it is not pending (any more).
create function adopt_qr_session(
    wanted uuid, phone_user uuid, phone_session uuid, link bytea, at timestamptz, until timestamptz)
returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    update public.qr_sessions q
    set tenant_id = (select current_setting('app.tenant_id')::uuid), status = 'scanned', scanned_by = phone_user,
        scanned_session = phone_session, link_hash = link, expires_at = until
    where q.id = wanted and q.status = 'pending' and q.expires_at > at;
    return found;
end
$$;

-- pending -> cancelled.
create function cancel_qr_session(wanted uuid, at timestamptz) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    update public.qr_sessions q set status = 'cancelled'
    where q.id = wanted and q.status = 'pending' and q.expires_at > at;
    return found;
end
$$;

do $$
declare
    signature text;
begin
    grant create on schema public to crm_auth;
    foreach signature in array array[
        'open_qr_session(uuid, bytea, bytea, text, text, text, text, text, text, timestamptz, timestamptz, integer)',
        'find_qr_session(uuid)',
        'adopt_qr_session(uuid, uuid, uuid, bytea, timestamptz, timestamptz)',
        'cancel_qr_session(uuid, timestamptz)'
    ] loop
        execute format('revoke all on function %s from public', signature);
        execute format('grant execute on function %s to crm_app', signature);
        execute format('alter function %s owner to crm_auth', signature);
    end loop;
    revoke create on schema public from crm_auth;
end
$$;
