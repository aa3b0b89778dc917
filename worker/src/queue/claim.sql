-- Due deliveries, fairly, under a lease.
--   $1, $2  webhooks with requests under way, ascending, and how many    $3, $4  the same for tenants
--   $5, $6  most requests per webhook and per tenant          $7      now
--   $8      free places                                       $9      the webhook served last
--   $10     the lease                                         $11     when it ends
--   $12     how many claims it counts as
with eligible as (
    select r.webhook_id, r.tenant_id, r.next_retry as oldest, $6 - busy.of_tenant as tenant_room,
           least($5 - busy.of_webhook, $6 - busy.of_tenant,
                 -- What a rate limit has to give: a tenth of a second's at once, less what is not yet paid for. More than a
                 -- minute of that was written by a clock that was ahead.
                 floor(greatest(w.rate_limit / 10.0, 1)
                       - w.rate_limit * case when w.paced_until between $7 and $7 + '1 min'::interval
                                               then extract(epoch from w.paced_until - $7) else 0 end)::integer) as room
    from webhooks_in_turn($9) r
    -- By `offset 0` each is looked up in its turn, and no more of them than are asked for.
    cross join lateral (select rate_limit, paced_until, held_until from webhooks
                        where tenant_id = r.tenant_id and id = r.webhook_id and active and deleted_at is null
                        offset 0) w
    -- Found by halves: thousands of receivers may be slowed at once, and a step must not look through all of them.
    cross join lateral (select width_bucket(r.webhook_id, $1::uuid[]) as webhook,
                               width_bucket(r.tenant_id, $3::uuid[]) as tenant) place
    cross join lateral (
        select case when ($1::uuid[])[place.webhook] = r.webhook_id then ($2::int[])[place.webhook] else 0 end as of_webhook,
               case when ($3::uuid[])[place.tenant] = r.tenant_id then ($4::int[])[place.tenant] else 0 end as of_tenant) busy
    where r.next_retry <= $7 and (w.held_until is null or w.held_until <= $7)
), open as (
    -- In their turn, and no more of them looked at than there are places: the limit comes before the count.
    select *, greatest(1, $8 / count(*) over ()) as share from (select * from eligible where room > 0 limit $8) e
), locked as (
    select d.row, o.tenant_room, row_number() over (partition by o.tenant_id) as place
    from open o cross join lateral (
        select q.ctid as row from webhook_queue q
        -- From the first one on: before it are only entries of what was claimed a moment ago, passed over once already.
        where q.webhook_id = o.webhook_id and q.next_retry between o.oldest and $7
          and not is_parked(q.attempts, q.promoted, q.lease_id, q.next_retry)
        order by q.next_retry limit least(o.room, o.share) for update skip locked) d
), claimed as (
    update webhook_queue set lease_id = $10, next_retry = $11, claims = claims + $12
    where ctid = any (array(select row from locked where place <= tenant_room limit $8))
    returning *
)
-- By `offset 0` each delivery is looked up in the one partition that its id names.
select c.tenant_id as "tenant_id!", c.id as "id!", c.webhook_id as "webhook_id!",
       e.occurrence_id as "occurrence_id!", e.event as "event!",
       -- Whoever claims for others needs only to name them.
       case when $12 > 0 then e.body::text else '' end as "body!", c.attempts as "attempts!", e.cycle as "cycle!", e.trigger as "trigger!: Trigger",
       c.claims as "claims!", e.created_at as "created_at!", e.request_id, e.traceparent,
       w.url as "url!", case when $12 > 0 then w.secret_enc else '' end as "secret!",
       case when $12 > 0 then w.headers_enc end as headers, case when $12 > 0 then w.identity_enc end as identity,
       w.rate_limit,
       c.record is not null as "lined!",
       -- Retry-After, or a change since then, such as being off for a while.
       coalesce(greatest(w.held_until, w.updated_at) > e.created_at, false) as "waited!"
from claimed c join webhooks w on w.tenant_id = c.tenant_id and w.id = c.webhook_id
cross join lateral (select * from webhook_events e where e.tenant_id = c.tenant_id and e.id = c.id offset 0) e
-- As they were served: behind the last one begins the next claim.
order by c.webhook_id <= $9, c.webhook_id
