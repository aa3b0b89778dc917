-- The roles of Liaison. They belong to the cluster, not to one database: run this once per database as a
-- superuser (or a login with CREATEROLE that owns the database) before `api migrate`; running it again is harmless.
-- `api migrate` runs it by itself when the roles are missing and its login may create them.
--
--   crm_owner   owns schema, tables and functions; no login
--   crm_app     the api's login: owns nothing, bypasses nothing, member of nothing
--   crm_worker  the worker's login: policies on the outbox, the webhook tables and imports; contacts of one tenant at a time
--   crm_auth    owns the functions that find a caller before the tenant is known; no login
--   crm_search  owns the search functions (docs/decisions/0004); no login
--
-- Give the logins their passwords afterwards: ALTER ROLE crm_app PASSWORD '…'.
-- What is as it should be is left alone: rewriting it would collide with another database's migration.
do $$
declare
    role_name text;
    setting text;
    setting_value text;
begin
    foreach role_name in array array['crm_owner', 'crm_app', 'crm_worker', 'crm_auth', 'crm_search'] loop
        begin
            execute format('create role %I noinherit nosuperuser nobypassrls nocreatedb nocreaterole noreplication', role_name);
        exception when duplicate_object or unique_violation then null;
        end;
    end loop;
    -- A superuser acts for anyone; a login that may only create roles acts for the owner as its member.
    if not (select rolsuper from pg_roles where rolname = current_user) then
        execute format('grant crm_owner to %I', current_user);
    end if;
    for role_name in select rolname from pg_roles where rolname in ('crm_app', 'crm_worker') and not rolcanlogin loop
        execute format('alter role %I login', role_name);
    end loop;
    for role_name, setting, setting_value in values
        ('crm_app', 'statement_timeout', '5s'),
        ('crm_app', 'lock_timeout', '2s'),
        ('crm_app', 'idle_in_transaction_session_timeout', '10s'),
        ('crm_worker', 'statement_timeout', '30s'),
        ('crm_worker', 'lock_timeout', '5s'),
        ('crm_worker', 'idle_in_transaction_session_timeout', '10s'),
        -- The worker asks for these itself, but a pooler drops what is asked for at the start of a session.
        ('crm_worker', 'enable_seqscan', 'off'),
        ('crm_worker', 'enable_hashjoin', 'off'),
        ('crm_worker', 'enable_mergejoin', 'off'),
        ('crm_worker', 'jit', 'off'),
        ('crm_worker', 'plan_cache_mode', 'force_generic_plan')
    loop
        if not exists (
            select from pg_db_role_setting s join pg_roles r on r.oid = s.setrole
            where r.rolname = role_name and s.setdatabase = 0
              and s.setconfig @> array[setting || '=' || setting_value]
        ) then
            execute format('alter role %I set %I = %L', role_name, setting, setting_value);
        end if;
    end loop;
    execute format('grant create, connect on database %I to crm_owner', current_database());
    execute format('grant connect on database %I to crm_app, crm_worker', current_database());
end
$$;

-- Only the owner creates, and it may hand the definer functions to their owners.
revoke create on schema public from public;
do $$
begin
    -- Not again: a login that acts for crm_owner by now would grant it to itself.
    if not (has_schema_privilege('crm_owner', 'public', 'create with grant option')
            and has_schema_privilege('crm_owner', 'public', 'usage with grant option')) then
        grant create, usage on schema public to crm_owner with grant option;
    end if;
end
$$;
grant usage on schema public to crm_app, crm_worker, crm_auth, crm_search;
grant crm_auth, crm_search to crm_owner;
