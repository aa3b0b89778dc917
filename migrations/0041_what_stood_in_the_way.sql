-- What could stand in everybody's way, or stay behind (docs/decisions/0052-what-stood-in-the-way.md).

-- An answer that was erased is not looked at again, so that an erasure goes through many of them step by step.
grant update (record) on idempotency_keys to crm_worker;

-- What an answer shows of a delivery, with the data of its event erased and without what the receiver said.
create function erased_delivery(shown json) returns json
language sql immutable strict parallel safe as $$
    select (shown::jsonb || jsonb_build_object(
        'payload', erased_data(shown->>'event', shown->'payload'),
        'attemptLog', (select coalesce(jsonb_agg(a.attempt || '{"excerpt": null}' order by a.place), '[]')
                       from jsonb_array_elements(shown::jsonb->'attemptLog') with ordinality a (attempt, place))))::json
$$;
revoke all on function erased_delivery(json) from public;
grant execute on function erased_delivery(json) to crm_worker;

-- A deleted webhook of which nothing can come into the queue any more is looked at no more.
set local lock_timeout = '1s';
alter table webhooks add emptied boolean not null default false;
grant update (emptied) on webhooks to crm_worker;
grant delete on webhook_health to crm_worker;

-- The same, and says how many: as many as it can be are not all.
drop function promote_retries(timestamptz);
create function promote_retries(due timestamptz) returns integer
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    promoted integer;
begin
    update webhook_queue q set promoted = q.attempts
    where q.ctid = any (array(
        select p.ctid from webhook_queue p
        where is_parked(p.attempts, p.promoted, p.lease_id, p.next_retry) and p.next_retry <= due
        order by p.next_retry limit 500 for update skip locked));
    get diagnostics promoted = row_count;
    return promoted;
end
$$;
revoke all on function promote_retries(timestamptz) from public;
grant execute on function promote_retries(timestamptz) to crm_worker;

-- `advance_lines` without waiting, for whoever keeps everybody waiting. Says which lines somebody else holds, or nothing:
-- whoever calls it advances those when it has committed.
create function try_advance_lines(webhooks uuid[], records uuid[]) returns jsonb
language plpgsql set search_path = pg_catalog, public, pg_temp as $$
declare
    mine integer[];
    taken record;
begin
    select coalesce(array_agg(stripe), '{}') into mine
    from (select distinct uuid_hash(w) & 63 as stripe from unnest(webhooks) w) stripes
    where pg_try_advisory_xact_lock(1818848869, stripe);
    select array_agg(line.webhook) filter (where line.free) as webhooks,
           array_agg(line.record) filter (where line.free) as records,
           jsonb_build_object('webhooks', jsonb_agg(line.webhook) filter (where not line.free),
                              'records', jsonb_agg(line.record) filter (where not line.free)) as held,
           bool_and(line.free) as all_free
    into taken
    from (select l.webhook, l.record, uuid_hash(l.webhook) & 63 = any (mine) as free
          from unnest(webhooks, records) l (webhook, record)) line;
    if taken.webhooks is not null then
        perform advance_lines(taken.webhooks, taken.records);
    end if;
    return case when not taken.all_free then taken.held end;
end
$$;
revoke all on function try_advance_lines(uuid[], uuid[]) from public;
grant execute on function try_advance_lines(uuid[], uuid[]) to crm_worker;
