-- One batch of events: into the log, and to their webhooks.
--   $1  how many    $2  the events that `*` does not stand for    $3  the most webhooks that an event remembers
--   $4  how many deliveries whoever relays begins at once: of none with an order, a rate limit or a hold, nor of
--   $5  these webhooks    $6  nor of these tenants, ascending    $7  the lease    $8  when it ends    $9  now
--   $10 the lock of whoever relays    $11 the most that it may weigh    $12 tenants whose events wait for the next one
with picked as materialized (
    select ctid as row, id, tenant_id, octet_length(payload::text) as size from outbox
    where (select pg_try_advisory_xact_lock($10) and set_config('synchronous_commit', 'off', true) = 'off')
          and tenant_id not in (select unnest($12::uuid[]))
    order by id limit $1 for update skip locked
), loads as materialized (
    -- An event weighs one, and one for each webhook of its tenant and for each 32 bytes of its filter as it is kept.
    select t.tenant_id, w.load
    from (select distinct tenant_id from picked) t
    cross join lateral (
        select 1 + coalesce(sum(1 + coalesce(pg_column_size(filter_path), 0) / 32), 0) as load from (
            select filter_path from webhooks where tenant_id = t.tenant_id and deleted_at is null limit $11) l
        offset 0) w
), weighed as materialized (
    -- All of that once more for each 2 KiB of the event. The first one goes, whatever it weighs.
    select p.row, p.tenant_id, w.weight, sum(w.weight) over (order by p.id) - w.weight < $11 as fits
    from picked p join loads l on l.tenant_id = p.tenant_id
    cross join lateral (select l.load * (1 + p.size / 2048) as weight) w
), taken as (
    delete from outbox where ctid = any (array(select row from weighed where fits))
    returning id, tenant_id, event_id, event, record, version, payload, request_id, traceparent, occurred_at
), fresh as (
    -- An event that is announced twice is one row, with one number. One that the log has breaks its key: to look for it here
    -- would be to lock and open the partition of every day for each statement.
    select distinct on (t.tenant_id, t.event_id) t.* from taken t
    order by t.tenant_id, t.event_id, t.id
), counted as (
    insert into event_logs as l (tenant_id, last)
    select tenant_id, count(*) from fresh group by tenant_id order by tenant_id
    on conflict (tenant_id) do update set last = l.last + excluded.last
    returning l.tenant_id, l.last
), batch as (
    select f.id, f.tenant_id, f.event_id, f.event, f.payload, f.request_id, f.traceparent, f.occurred_at,
           c.last - count(*) over tenant + row_number() over (tenant order by f.id) as sequence,
           split_part(f.event, '.', 1) || '.*' as family,
           -- To find a member is to read all of the payload, so it is asked only when it has to be.
           case when f.record is null then payload_record(f.payload) else f.record end as record,
           case when f.record is null then payload_version(f.payload) else f.version end as version,
           case when position('"erased"' in f.payload::text) > 0 and f.payload->>'erased' = 'true' then f.occurred_at
                end as erased_at
    from fresh f join counted c on c.tenant_id = f.tenant_id
    window tenant as (partition by f.tenant_id)
), judged as (
    select b.*, w.wanted, w.lined, w.paced, w.unwanted, w.filtered
    from batch b
    cross join lateral (
        select array_agg(id) filter (where passed) as wanted,
               array_agg(id) filter (where passed and ordering = 'record') as lined,
               array_agg(id) filter (where passed and (rate_limit is not null or held_until > $9)) as paced,
               array_agg(id) filter (where not named) as unwanted,
               array_agg(id) filter (where named and not passed) as filtered
        from (
            -- The payload is read for webhooks with a filter only. That somebody is erased is told to all of them: what they had passed
            -- has gone from the payload, and the receiver is to let go of it.
            select id, ordering, rate_limit, held_until, named,
                   named and case when filter_path is null or b.event = 'contact.erased'
                                    or b.event = 'contact.deleted' and b.erased_at is not null then true
                                  else event_passes(b.payload, filter_path, b.event) end as passed
            from (
                select id, ordering, rate_limit, held_until, filter_path,
                       -- Nobody is told of himself: who fails could not hear it, and who hears it would have to be told of that.
                       events && array[b.event, b.family, case when b.event = any ($2) then b.event else '*' end]
                       and (b.event like 'webhook.%' and b.record = id) is not true as named
                from webhooks
                where tenant_id = b.tenant_id and deleted_at is null
                offset 0) n
            offset 0) v
        ) w
), logged as (
    insert into events (tenant_id, id, sequence, event, record, version, payload, request_id, traceparent, occurred_at,
                        unwanted, filtered)
    select tenant_id, event_id, sequence, event, record, version, payload, request_id, traceparent, occurred_at,
           coalesce(unwanted[:$3], '{}'), filtered[:$3]
    from judged
    order by id
), fanned as (
    insert into webhook_events (tenant_id, id, webhook_id, occurrence_id, sequence, event, body, status, skip_reason,
                                pattern, filter_passed, request_id, traceparent, created_at,
                                erased_at)
    select j.tenant_id, d.id, w.id, j.event_id, j.sequence, j.event,
           ('{"id":"' || d.id || '","event":"' || j.event || '","timestamp":"'
            || to_char(j.occurred_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
            || '","data":' || case when w.fields is null then j.payload::text else masked_payload(j.payload, w.fields) end
            || ',"occurrenceId":"' || j.event_id || '","sequence":' || j.sequence || '}')::json,
           case when w.active then 'pending' else 'skipped' end,
           case when not w.active then
               case when w.disabled_reason is null then 'webhook_inactive' else 'webhook_disabled' end end,
           case when j.event = any (w.events) then j.event when j.family = any (w.events) then j.family else '*' end,
           case when w.filter_path is not null then true end,
           j.request_id, j.traceparent, j.occurred_at, j.erased_at
    from judged j
    cross join lateral unnest(j.wanted) wanted (id)
    cross join lateral (
        select id, active, disabled_reason, events, filter_path, fields from webhooks
        where tenant_id = j.tenant_id and id = wanted.id
        offset 0) w
    cross join lateral (select delivery_id(j.event_id, w.id) as id) d
    order by j.id
    on conflict do nothing
    returning tenant_id, id, webhook_id, occurrence_id, sequence, event, case when $4::bigint > 0 then body end as body, status,
              cycle, trigger, request_id, traceparent, created_at
), lines as materialized (
    -- The webhooks with an order, and the records of the events that they wait for.
    select array_agg(distinct lined.id) as webhooks, jsonb_object_agg(j.event_id, j.record) as records
    from judged j cross join lateral unnest(j.lined) lined (id)
    where j.record is not null
), put_off as materialized (
    -- Ascending, to be found by halves: thousands of receivers may be slowed at once.
    select coalesce(array_agg(id order by id), '{}') as webhooks
    from (select paced.id from judged j cross join lateral unnest(j.paced) paced (id) union select unnest($5::uuid[])) p
), due as (
    select f.*, r.record, r.record is null and (p.webhooks)[width_bucket(f.webhook_id, p.webhooks)] is distinct from f.webhook_id
             and ($6::uuid[])[width_bucket(f.tenant_id, $6::uuid[])] is distinct from f.tenant_id as free
    from fanned f cross join lines l cross join put_off p
    cross join lateral (
        select case when f.webhook_id = any (l.webhooks) then (l.records->>f.occurrence_id::text)::uuid end as record) r
    where f.status = 'pending'
), placed as (
    select d.*, d.free and row_number() over (partition by d.free order by d.id) <= $4::bigint as begun from due d
), queued as (
    insert into webhook_queue (tenant_id, id, webhook_id, next_retry, record, sequence, lease_id, claims)
    select tenant_id, id, webhook_id,
           case when begun then $8 when record is null then created_at else in_line() end,
           record, case when record is not null then sequence end,
           case when begun then $7::uuid end, begun::integer
    from placed
    returning webhook_id, record
), advanced as materialized (
    -- Whoever is first of its record is due. What the function reads is as of now, so that it sees the rows above. Lines that
    -- somebody else holds are left for later: everybody's events would wait for them.
    select case when count(*) > 0 then try_advance_lines(array_agg(webhook_id), array_agg(record)) end as held
    from queued where record is not null
), counts as (
    select (select count(*) from taken) as events,
           -- Whose events it holds, if it does not hold all.
           (select array_agg(distinct tenant_id) filter (where fits) from weighed
            having count(*) = $1 or not bool_and(fits)) as tenants,
           (select count(*) from due) as deliveries,
           (select count(*) from fanned where status = 'skipped') as skipped,
           (select coalesce(sum(cardinality(filtered)), 0)::bigint from judged) as filtered
), begun as (
    select p.*, w.url, w.secret_enc, w.headers_enc, w.identity_enc
    from placed p cross join lateral (
        select url, secret_enc, headers_enc, identity_enc from webhooks
        where tenant_id = p.tenant_id and id = p.webhook_id
        offset 0) w
    where p.begun
)
select c.events as "events!", case when row_number() over () = 1 then c.tenants end as "tenants?", c.deliveries as "deliveries!",
       c.skipped as "skipped!", c.filtered as "filtered!", a.held as "held?: Json<Lines>",
       b.tenant_id as "tenant_id?", b.id as "id?", b.webhook_id as "webhook_id?", b.occurrence_id as "occurrence_id?",
       b.event as "event?", b.body::text as "body?", b.cycle as "cycle?", b.trigger as "trigger?: Trigger",
       b.created_at as "created_at?", b.request_id as "request_id?", b.traceparent as "traceparent?",
       b.url as "url?", b.secret_enc as "secret?", b.headers_enc as "headers?", b.identity_enc as "identity?"
from counts c cross join advanced a left join begun b on true
