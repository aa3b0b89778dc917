-- The user whom a token of the outside issuer names (docs/decisions/0015), before its tenant is believed. The unique
-- index on users (tenant_id, email_key) answers it.
create function find_user_by_email(wanted_tenant uuid, wanted_email text)
returns table (id uuid, role text, rate_limits jsonb)
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    return query
        select u.id, u.role, t.rate_limits
        from public.users u
        join public.tenants t on t.id = u.tenant_id
        where u.tenant_id = wanted_tenant and u.email_key = lower(wanted_email) and u.active;
end
$$;

revoke all on function find_user_by_email(uuid, text) from public;
grant execute on function find_user_by_email(uuid, text) to crm_app;
grant create on schema public to crm_auth;
alter function find_user_by_email(uuid, text) owner to crm_auth;
revoke create on schema public from crm_auth;
