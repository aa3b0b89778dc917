-- One batch of events: into the log, and to their webhooks.
--   $1  how many    $2  the events that `*` does not stand for
with taken as (
    delete from outbox where ctid = any (array(
        select ctid from outbox order by id limit $1 for update skip locked))
    returning id, tenant_id, event_id, event, payload, request_id, traceparent, occurred_at
), fresh as (
    -- An event that is relayed twice is one row, with one number.
    select distinct on (t.tenant_id, t.event_id) t.* from taken t
    where not exists (select 1 from events e where e.tenant_id = t.tenant_id and e.id = t.event_id offset 0)
    order by t.tenant_id, t.event_id, t.id
), counted as (
    insert into event_logs as l (tenant_id, last)
    select tenant_id, count(*) from fresh group by tenant_id order by tenant_id
    on conflict (tenant_id) do update set last = l.last + excluded.last
    returning l.tenant_id, l.last
), batch as (
    select f.*, c.last - count(*) over tenant + row_number() over (tenant order by f.id) as sequence,
           coalesce(f.payload->>'id', f.payload->>'pipelineId', f.payload->>'tenantId') as record,
           f.payload->>'version' as version,
           case when f.payload->>'erased' = 'true' then f.occurred_at end as erased_at
    from fresh f join counted c on c.tenant_id = f.tenant_id
    window tenant as (partition by f.tenant_id)
), logged as (
    insert into events (tenant_id, id, sequence, event, record, version, payload, request_id, traceparent, occurred_at)
    select tenant_id, event_id, sequence, event,
           case when record ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then record::uuid end,
           case when version ~ '^[0-9]{1,9}$' then version::integer end,
           payload, request_id, traceparent, occurred_at
    from batch
    order by id
), fanned as (
    insert into webhook_events (tenant_id, id, webhook_id, occurrence_id, sequence, event, body, status, skip_reason,
                                request_id, traceparent, created_at, erased_at)
    select b.tenant_id, d.id, w.id, b.event_id, b.sequence, b.event,
           ('{"id":"' || d.id || '","event":"' || b.event || '","timestamp":"'
            || to_char(b.occurred_at at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
            || '","data":' || b.payload::text || ',"occurrenceId":"' || b.event_id
            || '","sequence":' || b.sequence || '}')::json,
           case when w.active then 'pending' else 'skipped' end,
           case when not w.active then
               case when w.disabled_reason is null then 'webhook_inactive' else 'webhook_disabled' end end,
           b.request_id, b.traceparent, b.occurred_at, b.erased_at
    from batch b
    cross join lateral (
        select id, active, disabled_reason from webhooks
        where tenant_id = b.tenant_id and deleted_at is null
          and events && array[b.event, split_part(b.event, '.', 1) || '.*',
                              case when b.event = any ($2) then b.event else '*' end]
        offset 0) w
    cross join lateral (select delivery_id(b.event_id, w.id) as id) d
    order by b.id
    on conflict do nothing
    returning tenant_id, id, webhook_id, status, created_at
), queued as (
    insert into webhook_queue (tenant_id, id, webhook_id, next_retry)
    select tenant_id, id, webhook_id, created_at from fanned where status = 'pending'
)
select (select count(*) from taken) as "events!",
       (select count(*) from fanned where status = 'pending') as "deliveries!",
       (select count(*) from fanned where status = 'skipped') as "skipped!"
