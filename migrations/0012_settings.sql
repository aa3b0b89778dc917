-- What a tenant settles for itself, and the one rule of contacts that depends on it.
alter table tenants
    add settings_version        integer not null default 1,
    add currency                text not null default 'USD',    -- ISO 4217
    add timezone                text not null default 'UTC',    -- IANA
    add locale                  text not null default 'en-US',  -- BCP 47
    add unique_contact_emails   boolean not null default false,
    add qr_login_allowed        boolean not null default true,
    add qr_same_network_required boolean not null default false;

alter table contacts add external_id text;
create unique index contacts_external_id_taken on contacts (tenant_id, external_id) where deleted_at is null;

-- No two contacts share an external id, nor an e-mail address if the tenant says so. The index above would find the
-- first, but not say who has it; an index of addresses would bind every tenant. Writers of one value wait for each
-- other, and see what the other has committed, because each statement here has a snapshot of its own. Whoever
-- turns the rule on holds `contact_emails_lock` alone, so that nobody writes by the old one meanwhile.
create function contact_emails_lock(tenant uuid) returns bigint
language sql immutable strict as $$ select hashtextextended('contact e-mails of ' || tenant, 0) $$;
revoke all on function contact_emails_lock(uuid) from public;
grant execute on function contact_emails_lock(uuid) to crm_app;

create function contacts_keep_unique() returns trigger
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    ruled boolean;
    holder uuid;
begin
    if new.external_id is not null then
        perform pg_advisory_xact_lock(hashtextextended(new.tenant_id || ' external id ' || new.external_id, 0));
        select c.id into holder from public.contacts c
        where c.tenant_id = new.tenant_id and c.external_id = new.external_id and c.deleted_at is null and c.id <> new.id
        limit 1;
        if found then
            raise unique_violation using constraint = 'contacts_external_id_taken', detail = holder;
        end if;
    end if;
    if new.email is not null then
        perform pg_advisory_xact_lock_shared(public.contact_emails_lock(new.tenant_id));
        select t.unique_contact_emails into ruled from public.tenants t where t.id = new.tenant_id;
        if ruled then
            perform pg_advisory_xact_lock(hashtextextended(new.tenant_id || ' e-mail ' || lower(new.email), 0));
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
revoke all on function contacts_keep_unique() from public;
create trigger contacts_keep_unique_at_birth before insert on contacts
    for each row when (new.deleted_at is null) execute function contacts_keep_unique();
create trigger contacts_keep_unique_later before update on contacts
    for each row when (new.deleted_at is null and (new.email, new.external_id, new.deleted_at)
                       is distinct from (old.email, old.external_id, old.deleted_at))
    execute function contacts_keep_unique();
