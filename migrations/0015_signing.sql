-- Keys that can be replaced, shown and published (docs/decisions/0017). What `secret_enc` seals are all keys of a
-- webhook together: the secret and the ed25519 pair that it signs with, and those that they replaced. Webhooks from
-- before hold the secret alone; the worker gives them a pair.
alter table webhooks add public_keys jsonb;    -- [{"key": base64, "endsAt": null or a time}], newest first
create index webhooks_without_keys on webhooks (tenant_id, id) where public_keys is null and deleted_at is null;
-- Not unique: a unique index across tenants would tell one tenant of another's id.
create index webhooks_id on webhooks (id);

grant update (secret_enc, secret_hint, public_keys) on webhooks to crm_app;
grant update (secret_enc, public_keys) on webhooks to crm_worker;

create policy signing on webhooks for select to crm_auth using (true);
grant select (tenant_id, id, secret_enc, public_keys, deleted_at) on webhooks to crm_auth;

-- The one way in which the api reads sealed secrets: those of the transaction's own tenant.
create function find_webhook_secrets(wanted uuid[]) returns table (id uuid, secret_enc bytea)
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    return query
        select w.id, w.secret_enc from public.webhooks w
        where w.tenant_id = (select current_setting('app.tenant_id')::uuid) and w.id = any (wanted)
          and w.deleted_at is null;
end
$$;

-- What anyone may know who knows a webhook's id.
create function find_webhook_public_keys(wanted uuid) returns table (public_keys jsonb)
language plpgsql stable security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    return query
        select w.public_keys from public.webhooks w
        where w.id = wanted and w.deleted_at is null and w.public_keys is not null;
end
$$;

revoke all on function find_webhook_secrets(uuid[]), find_webhook_public_keys(uuid) from public;
grant execute on function find_webhook_secrets(uuid[]), find_webhook_public_keys(uuid) to crm_app;
grant create on schema public to crm_auth;
alter function find_webhook_secrets(uuid[]) owner to crm_auth;
alter function find_webhook_public_keys(uuid) owner to crm_auth;
revoke create on schema public from crm_auth;
