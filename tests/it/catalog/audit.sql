-- What the catalog of a Liaison database must not hold. Every row is a violation: the object, and the rule it breaks.
-- Run it as a superuser on any database, a production one too; an empty answer is the only good one.
with
logins(role) as (values ('crm_app'), ('crm_worker')),
-- Tables without a tenant that the logins may see.
allowed_tables(name) as (values ('_sqlx_migrations')),
-- Functions that run with their owner's rights, each reviewed: docs/decisions/0002, 0004, 0012, 0015, 0016 and 0017.
allowed_definers(name) as (values ('find_api_key'), ('find_session'), ('find_refresh_token'), ('find_demo_tenant'),
    ('find_user_by_email'), ('open_qr_session'), ('find_qr_session'), ('adopt_qr_session'), ('cancel_qr_session'),
    ('find_webhook_secrets'), ('find_webhook_public_keys'),
    ('search_contacts'), ('search_companies'), ('search_leads'), ('event_heads')),
-- The same for the worker: docs/decisions/0016.
allowed_worker_definers(name) as (values ('open_event_day'), ('drop_event_day'), ('event_retentions')),
-- Rows that belong to nobody until a user takes them into a tenant: no login may insert them, and until then no login
-- sees them. Their id alone is the key, because it must be the same before and after (docs/decisions/0012).
ownerless_tables(name) as (values ('qr_sessions')),
-- All that the worker may touch and whose every row it therefore sees; of `worker_tenant_tables` it sees one tenant's.
worker_tenant_tables(name) as (values ('contacts'), ('companies'), ('tenants'), ('import_rows'), ('import_chunks'), ('import_contacts'),
    ('audit_log'), ('activities')),
worker_tables(name) as (values ('imports'), ('outbox'), ('webhooks'), ('webhook_events'), ('webhook_attempts'), ('webhook_queue'), ('webhook_replays'),
    ('webhook_health'), ('webhook_outcomes'),
    ('events'), ('event_logs'), ('idempotency_keys'), ('erasures'), ('_sqlx_migrations')),
tables as (
    select c.oid, c.relname, c.relowner, c.relrowsecurity, c.relforcerowsecurity, k.attnum as key, k.attnotnull,
           format('(%s = ( SELECT (current_setting(''app.tenant_id''::text))::uuid AS current_setting))', k.attname) as canonical
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    -- A tenant's own row carries the tenant as its id.
    left join pg_attribute k on k.attrelid = c.oid and not k.attisdropped
         and k.attname = case c.relname when 'tenants' then 'id' else 'tenant_id' end
    where c.relkind in ('r', 'p') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
),
policies as (
    select p.polrelid, p.polname, p.polcmd, p.polpermissive, p.polroles = '{0}' as for_all,
           array(select r.rolname::text from pg_roles r where r.oid = any (p.polroles)) as roles,
           pg_get_expr(p.polqual, p.polrelid) as qual, pg_get_expr(p.polwithcheck, p.polrelid) as with_check
    from pg_policy p
),
commands(command, letter) as (values ('SELECT', 'r'), ('INSERT', 'a'), ('UPDATE', 'w'), ('DELETE', 'd')),
-- A right to one column is a right to the table.
rights as (
    select t.oid, l.role, c.command, c.letter
    from tables t, logins l, commands c
    where case c.command when 'DELETE' then has_table_privilege(l.role, t.oid, 'DELETE')
          else has_any_column_privilege(l.role, t.oid, c.command) end
),
definers as (
    select p.oid, p.proname, p.proconfig
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where p.prosecdef and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
),
violations(object, rule) as (
    select distinct relname::text, 'R01 a login may use it and it has no tenant'
    from tables join rights using (oid)
    where key is null and relname not in (select name from allowed_tables)
    union all
    select relname, 'R02 the tenant may be null' from tables
    where key is not null and not attnotnull and relname not in (select name from ownerless_tables)
    union all
    select distinct relname, 'R02 a login may insert what belongs to nobody'
    from tables join rights using (oid)
    where command = 'INSERT' and relname in (select name from ownerless_tables)
    union all
    select relname, 'R03 row security is not enabled' from tables where key is not null and not relrowsecurity
    union all
    select relname, 'R04 row security is not forced' from tables where key is not null and not relforcerowsecurity
    union all
    select relname, 'R05 a login owns it' from tables, logins where pg_get_userbyid(relowner) = role
    union all
    select relname, 'R06 no canonical policy for ' || command
    from tables t join rights using (oid)
    where key is not null and role = 'crm_app' and not exists (
        select from policies p
        where p.polrelid = t.oid and p.polpermissive and p.polcmd in ('*', letter::"char") and 'crm_app' = any (p.roles)
          and (letter = 'a' or p.qual = t.canonical)
          and (letter in ('r', 'd') or coalesce(p.with_check, p.qual) = t.canonical))
    union all
    -- Permissive policies are joined by OR: any other one widens what a tenant sees.
    select relname, 'R07 a policy that widens: ' || polname
    from tables t join policies p on p.polrelid = t.oid
    where p.polpermissive and (
        p.for_all or not p.roles <@ array['crm_app', 'crm_worker', 'crm_auth', 'crm_search', 'crm_owner']
        -- The owner, whom no process logs in as, may see which tenants there are (docs/decisions/0027).
        or ('crm_app' = any (p.roles) or 'crm_owner' = any (p.roles) and (relname <> 'tenants' or polcmd <> 'r')) and (coalesce(p.qual, canonical) <> canonical or coalesce(p.with_check, canonical) <> canonical))
    union all
    -- A row's own number, drawn by the database, collides with nobody's.
    select relname, 'R08 a unique index across tenants: ' || i.indexrelid::regclass
    from tables t join pg_index i on i.indrelid = t.oid
    where key is not null and i.indisunique and not key = any (i.indkey::int2[])
      and not (i.indisprimary and relname in (select name from ownerless_tables)) and not exists (
        select from pg_attribute a
        where a.attrelid = t.oid and a.attnum = i.indkey[0] and i.indnkeyatts = 1 and a.attidentity = 'a')
    union all
    -- Foreign keys are checked without row security: only a shared tenant column keeps them at home.
    select t.relname, 'R09 a foreign key across tenants: ' || k.conname
    from pg_constraint k join tables t on t.oid = k.conrelid join tables r on r.oid = k.confrelid
    where k.contype = 'f' and r.key is not null and not exists (
        select from unnest(k.conkey, k.confkey) pair(here, there) where pair.here = t.key and pair.there = r.key)
    union all
    select relname, 'R10 a login may ' || privilege
    from tables, logins, (values ('TRUNCATE'), ('REFERENCES'), ('TRIGGER')) dangerous(privilege)
    where has_table_privilege(role, oid, privilege)
       or privilege = 'REFERENCES' and has_any_column_privilege(role, oid, privilege)
    union all
    select c.relname, 'R11 a view with its owner''s rights, open to a login'
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('v', 'm') and n.nspname <> 'information_schema' and n.nspname !~ '^pg_'
      and exists (select from logins where has_any_column_privilege(role, c.oid, 'SELECT, INSERT, UPDATE')
                                        or has_table_privilege(role, c.oid, 'DELETE'))
      and (c.relkind = 'm' or not coalesce(c.reloptions::text ~ 'security_invoker=(true|on|1)', false))
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
    union all
    select proname, 'R12 a definer function, open to ' || role || ' and not reviewed'
    from definers, logins
    where has_function_privilege(role, oid, 'EXECUTE')
      and proname not in (select name from allowed_definers where role = 'crm_app'
                          union all select name from allowed_worker_definers where role = 'crm_worker')
    union all
    select proname, 'R13 a definer function without a search_path of its own'
    from definers where not exists (select from unnest(proconfig) setting where setting like 'search_path=%')
    union all
    select rolname, 'R14 a role of ours has powers'
    from pg_roles
    where rolname in ('crm_app', 'crm_worker', 'crm_auth', 'crm_search', 'crm_owner')
      and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication
           or rolcanlogin and rolname not in (select role from logins))
    union all
    select member.rolname, 'R15 a login is a member of ' || granted.rolname
    from pg_auth_members m join pg_roles member on member.oid = m.member join pg_roles granted on granted.oid = m.roleid
    where member.rolname in (select role from logins)
    union all
    select nspname, 'R16 a login may create objects in the schema'
    from pg_namespace, logins where has_schema_privilege(role, oid, 'CREATE') and nspname !~ '^pg_temp'
    union all
    select 'settings', 'R17 a tenant or row_security is set outside a transaction'
    from pg_db_role_setting
    where setdatabase in (0, (select oid from pg_database where datname = current_database()))
      and setconfig::text ~ 'app\.tenant_id|row_security'
    union all
    select distinct relname, 'R18 the worker may use it'
    from tables join rights using (oid)
    where role = 'crm_worker' and relname not in (select name from worker_tables)
      and (relname not in (select name from worker_tenant_tables) or exists (
          select from policies p
          where p.polrelid = oid and 'crm_worker' = any (p.roles)
            and (coalesce(p.qual, canonical) <> canonical or coalesce(p.with_check, canonical) <> canonical)))
    union all
    select relname, 'R19 the api may read the secret ' || attname
    from tables join pg_attribute a on a.attrelid = oid and not a.attisdropped
    where attname like '%\_enc' and has_column_privilege('crm_app', oid, a.attnum, 'SELECT')
    union all
    -- The last value of a sequence counts all tenants.
    select c.relname, 'R20 a login may use a sequence'
    from pg_class c
    where c.relkind = 'S' and exists (select from logins where has_sequence_privilege(role, c.oid, 'SELECT, USAGE, UPDATE'))
)
select object, rule from violations order by 2, 1
