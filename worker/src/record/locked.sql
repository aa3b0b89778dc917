-- Outcomes that would wait for a row that somebody else has locked.
--   $1, $2, $3  tenant, webhook, delivery    $4 to $7  whether it changes the delivery, the webhook, its health, its replay
with asked as materialized (
    select o.*, q.id is not null as queued, case when o.counts then q.replay_id end as replay_id
    from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bool[], $5::bool[], $6::bool[], $7::bool[])
         as o (tenant_id, webhook_id, id, reports, asks, judges, counts)
    left join webhook_queue q on q.tenant_id = o.tenant_id and q.webhook_id = o.webhook_id and q.id = o.id
), delivery as materialized (
    select e.id from asked o join webhook_events e on e.tenant_id = o.tenant_id and e.id = o.id
    where o.reports
    for no key update of e skip locked
), place as materialized (
    select q.id from asked o
    join webhook_queue q on q.tenant_id = o.tenant_id and q.webhook_id = o.webhook_id and q.id = o.id
    for update of q skip locked
), webhook as materialized (
    select w.id from (select distinct tenant_id, webhook_id from asked where asks) o
    join webhooks w on w.tenant_id = o.tenant_id and w.id = o.webhook_id
    for no key update of w skip locked
), named as materialized (
    -- The first row of its health refers to it.
    select w.id from (select distinct tenant_id, webhook_id from asked where judges) o
    join webhooks w on w.tenant_id = o.tenant_id and w.id = o.webhook_id
    for key share of w skip locked
), health as materialized (
    select h.webhook_id from (select distinct tenant_id, webhook_id from asked where judges) o
    join webhook_health h on h.tenant_id = o.tenant_id and h.webhook_id = o.webhook_id
    for no key update of h skip locked
), replay as materialized (
    select r.id from (select distinct tenant_id, replay_id from asked) o
    join webhook_replays r on r.tenant_id = o.tenant_id and r.id = o.replay_id
    for no key update of r skip locked
)
select o.id as "id!" from asked o
where o.queued and o.id not in (select id from place)
   or o.reports and o.id not in (select id from delivery)
      and exists (select from webhook_events e where e.tenant_id = o.tenant_id and e.id = o.id)
   or (o.asks and o.webhook_id not in (select id from webhook) or o.judges and o.webhook_id not in (select id from named))
      and exists (select from webhooks w where w.tenant_id = o.tenant_id and w.id = o.webhook_id)
   or o.judges and o.webhook_id not in (select webhook_id from health)
      and exists (select from webhook_health h where h.tenant_id = o.tenant_id and h.webhook_id = o.webhook_id)
   or o.replay_id not in (select id from replay)
      and exists (select from webhook_replays r where r.tenant_id = o.tenant_id and r.id = o.replay_id)
