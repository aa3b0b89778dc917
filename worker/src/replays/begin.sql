-- The next batch of a replay: new cycles for deliveries behind its cursor, oldest first.
--   $1  the tenant    $2  the webhook    $3  statuses    $4, $5  the cursor    $6  until    $7  events, or null for all
--   $8  when it was asked for: what was accepted since then was not selected
--   $9  deliveries to look at    $10  cycles to begin    $11  the trigger    $12  now    $13  the replay
with looked as (
    -- One way into the index for each status. Said as a range of rows, because `status = …` would let the planner take the
    -- index without it and read past everything else. Ids begin with their times: partitions before and behind are left out.
    select l.* from unnest($3::text[] || 'pending'::text) s (status) cross join lateral (
        select e.id, e.created_at, e.status, e.event, e.trigger, e.delivered_at, e.last_error from webhook_events e
        where e.tenant_id = $1 and e.webhook_id = $2
          and (e.status, e.created_at, e.id) > (s.status, $4, $5)
          and (e.status, e.created_at, e.id) <= (s.status, $6, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
          and e.id >= first_id($4) and e.id < first_id($6::timestamptz + interval '1 millisecond')
        order by e.status, e.created_at, e.id limit $9) l
    order by l.created_at, l.id limit $9
), wanted as (
    -- Test events told of nothing.
    select *, ($7::text[] is null or $7 && array[event, split_part(event, '.', 1) || '.*', '*']) and trigger <> 'test' as wanted
    from looked
), chosen as (
    -- What killed its workers is sent again when somebody asks for it, never by itself.
    select *, wanted and status <> 'pending' and (status <> 'delivered' or delivered_at <= $8)
              and ($11 = 'replay' or last_error is distinct from 'delivery_abandoned') as chosen from wanted
), placed as (
    select *, count(*) filter (where chosen) over (order by created_at, id) as place from chosen
), kept as (
    select * from placed where place <= $10
), begun as (
    -- Whoever has changed the status meanwhile has begun another cycle, which is as good.
    update webhook_events e
    set status = 'pending', skip_reason = null, attempts = 0, cycle = e.cycle + 1, trigger = $11, delivered_at = null
    from kept k
    where k.chosen and e.tenant_id = $1 and e.id = k.id and e.status is not distinct from k.status
    returning e.tenant_id, e.id, e.webhook_id, k.place
), queued as (
    insert into webhook_queue (tenant_id, id, webhook_id, next_retry, replay_id)
    select tenant_id, id, webhook_id, $12::timestamptz - ($10 - place) * interval '1 microsecond', $13 from begun
)
select (select count(*) from looked) as "looked!", (select count(*) from kept) as "kept!",
       (select count(*) from begun) as "begun!",
       (select count(*) from kept where chosen or wanted and status = 'pending') - (select count(*) from begun) as "passed_over!",
       last.created_at as "reached_at?", last.id as "reached_id?"
from (values (1)) one (n)
left join lateral (select created_at, id from kept order by created_at desc, id desc limit 1) last on true
