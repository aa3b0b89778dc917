-- What every request pays for again. PostgreSQL 15 keeps no plan of a constraint, of a trigger's condition or of a function
-- in SQL that it cannot put in place of its call: each statement reads them anew, constants byte by byte. And it prepares
-- all branches of a query, whichever has rows (docs/decisions/0037-what-a-statement-begins-with.md).

set local lock_timeout = '5s';

-- In two steps, because hardly any key has a secret that was replaced.
grant create on schema public to crm_auth;
set local role crm_auth;
create or replace function find_api_key(wanted_prefix text)
returns table (tenant_id uuid, id uuid, hash bytea, scopes text[], expires_at timestamptz, secret_expires_at timestamptz,
               allowed_ips text[], rate_limits jsonb)
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    return query
        select k.tenant_id, k.id, k.hash, k.scopes, k.expires_at, null::timestamptz, k.allowed_ips,
               t.rate_limits || k.rate_limits
        from public.api_keys k join public.tenants t on t.id = k.tenant_id
        where k.prefix = wanted_prefix and k.active and k.revoked_at is null;
    if exists (select from public.replaced_api_key_secrets s where s.prefix = wanted_prefix) then
        return query
            select k.tenant_id, k.id, s.hash, k.scopes, k.expires_at, s.expires_at, k.allowed_ips,
                   t.rate_limits || k.rate_limits
            from public.replaced_api_key_secrets s
            join public.api_keys k on k.tenant_id = s.tenant_id and k.id = s.key_id
            join public.tenants t on t.id = k.tenant_id
            where s.prefix = wanted_prefix and k.active and k.revoked_at is null;
    end if;
end
$$;
set local role crm_owner;
revoke create on schema public from crm_auth;

-- The same lock. `text || uuid` is itself a function in SQL, and not immutable, so this one was planned at each call.
create or replace function contact_emails_lock(tenant uuid) returns bigint
language sql immutable strict as $$ select hashtextextended('contact e-mails of ' || tenant::text, 0) $$;

-- As in 0013, with less around it. It runs with its caller's rights, who can make no function that it would find, so no path is set.
create or replace function contacts_keep_unique() returns trigger
language plpgsql as $$
declare
    held boolean;
    ruled boolean;
    holder uuid;
    nothing text;
begin
    if new.deleted_at is not null or new.external_id is null and new.email is null then
        return new;
    end if;
    held := coalesce(current_setting('app.contacts_held', true), '') = 'on';
    if not held then
        -- Assigned, not performed: that needs no statement. The statements below see what was committed before the lock was had.
        nothing := pg_advisory_xact_lock_shared(public.contact_emails_lock(new.tenant_id));
    end if;
    if new.external_id is not null then
        if not held then
            perform pg_advisory_xact_lock(hashtextextended(new.tenant_id || ' external id ' || new.external_id, 0));
        end if;
        select c.id into holder from public.contacts c
        where c.tenant_id = new.tenant_id and c.external_id = new.external_id and c.deleted_at is null and c.id <> new.id
        limit 1;
        if found then
            raise unique_violation using constraint = 'contacts_external_id_taken', detail = holder;
        end if;
    end if;
    if new.email is not null then
        select t.unique_contact_emails into ruled from public.tenants t where t.id = new.tenant_id;
        if ruled then
            if not held then
                perform pg_advisory_xact_lock(hashtextextended(new.tenant_id || ' e-mail ' || lower(new.email), 0));
            end if;
            select c.id into holder from public.contacts c
            where c.tenant_id = new.tenant_id and c.email_key = lower(new.email) and c.deleted_at is null and c.id <> new.id
            limit 1;
            if found then
                raise unique_violation using constraint = 'contacts_email_taken', detail = holder;
            end if;
        end if;
    end if;
    return new;
end
$$;
alter function contacts_keep_unique() reset search_path;
-- What is left of the condition of 0026 is what spares an import a call for each contact.
create or replace trigger contacts_keep_unique_at_birth before insert on contacts
    for each row when (new.external_id is not null or current_setting('app.contacts_unruled', true) is distinct from 'on')
    execute function contacts_keep_unique();

-- The same constraint, whose words are in a function that is kept planned.
create function contact_is_empty(contact contacts) returns boolean
language plpgsql immutable as $$
begin
    return contact.deleted_at is not null and contact.name = ''
        and num_nonnulls(contact.email, contact.phone, contact.phone_e164, contact.company, contact.company_id,
                         contact.external_id) = 0;
end
$$;
alter table contacts drop constraint contacts_erased_is_empty;
alter table contacts add constraint contacts_erased_is_empty check (erased_at is null or contact_is_empty(contacts)) not valid;

-- As in 0020. Each relay planned both for its first event with a mask.
create or replace function some_members(whole json, names text[]) returns text
language plpgsql immutable parallel safe set search_path = pg_catalog, public, pg_temp as $$
begin
    return (
        select '{' || string_agg(to_json(key)::text || ':' || value::text, ',' order by place) || '}'
        from json_each(whole) with ordinality as member (key, value, place)
        where key = any (names));
end
$$;
create or replace function masked_payload(payload json, fields text[]) returns text
language plpgsql immutable parallel safe set search_path = pg_catalog, public, pg_temp as $$
begin
    return (
        select '{' || coalesce(string_agg(to_json(key)::text || ':' || kept, ',' order by place), '') || '}'
        from json_each(payload) with ordinality as member (key, value, place)
        cross join lateral (
            select case
                when key = any (fields || case
                        when payload->'id' is not null then array['id', 'version']
                        else array['pipelineId', 'tenantId', 'version'] end) then value::text
                when json_typeof(value) = 'object' then some_members(value, array(
                    select substr(field, length(key) + 2) from unnest(fields) field where starts_with(field, key || '.')
                    union all
                    select field from unnest(fields) field where key = 'previous'))
            end as kept) k
        where kept is not null);
end
$$;
