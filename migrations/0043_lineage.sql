-- What a session has made of itself, and what an erased person's events keep (docs/decisions/0054).

set local lock_timeout = '1s';

-- The session that approved this one by QR code: whoever ends it for good reason ends this one too.
alter table sessions add column approved_by uuid;

-- As in 0028, but `erased` is kept as the id is: an event without it looks like one of a person without a name.
create or replace function masked_payload(payload json, fields text[]) returns text
language plpgsql immutable parallel safe set search_path = pg_catalog, public, pg_temp as $$
begin
    return (
        select '{' || coalesce(string_agg(to_json(key)::text || ':' || kept, ',' order by place), '') || '}'
        from json_each(payload) with ordinality as member (key, value, place)
        cross join lateral (
            select case
                when key = any (fields || case
                        when payload->'id' is not null then array['id', 'version', 'erased']
                        else array['pipelineId', 'tenantId', 'version', 'erased'] end) then value::text
                when json_typeof(value) = 'object' then some_members(value, array(
                    select substr(field, length(key) + 2) from unnest(fields) field where starts_with(field, key || '.')
                    union all
                    select field from unnest(fields) field where key = 'previous'))
            end as kept) k
        where kept is not null);
end
$$;

-- Kept answers are one tenant's, for the worker too: whatever is not over it sees in that tenant's transaction only.
alter policy sweep on idempotency_keys
    using (expires_at <= now() or tenant_id = nullif(current_setting('app.tenant_id', true), '')::uuid);

-- As in 0022, without what is held by a receiver's wish or a webhook's own rate limit.
create or replace function oldest_waiting(out due timestamptz, out announced timestamptz)
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    tenant uuid;
    first_due timestamptz;
    first_announced timestamptz;
begin
    for tenant in select id from public.tenants loop
        perform set_config('app.tenant_id', tenant::text, true);
        select min(q.next_retry) into first_due from public.webhook_queue q
        join public.webhooks w on w.tenant_id = q.tenant_id and w.id = q.webhook_id and w.active
        where q.next_retry < public.in_line() and (w.held_until is null or w.held_until <= now())
          and (w.paced_until is null or w.paced_until <= now() - interval '5 s');
        select min(o.occurred_at) into first_announced from public.outbox o;
        due := least(due, first_due);
        announced := least(announced, first_announced);
    end loop;
end
$$;
