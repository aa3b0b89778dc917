-- Deliveries by their tokens. The lease is a new one, so that a token that comes twice finds nothing the second time; a try
-- after one whose commit was not heard of finds what that has taken.
--   $1 to $4  tokens: tenants, webhooks, deliveries, leases    $5  the new lease    $6  when it ends
--   $7        now
with token as (
    select * from unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[]) as t (tenant_id, webhook_id, id, lease_id)
), loaded as (
    update webhook_queue q set lease_id = $5, next_retry = $6, claims = q.claims + case when q.lease_id = $5 then 0 else 1 end
    from token t
    where q.tenant_id = t.tenant_id and q.webhook_id = t.webhook_id and q.id = t.id and q.lease_id in (t.lease_id, $5)
      and exists (select from webhooks w where w.tenant_id = t.tenant_id and w.id = t.webhook_id
                                           and w.active and w.deleted_at is null
                                           and (w.held_until is null or w.held_until <= $7))
    returning q.*
)
-- By `offset 0` each delivery is looked up in the one partition that its id names.
select c.tenant_id as "tenant_id!", c.id as "id!", c.webhook_id as "webhook_id!",
       e.occurrence_id as "occurrence_id!", e.event as "event!",
       e.body::text as "body!", c.attempts as "attempts!", e.cycle as "cycle!", e.trigger as "trigger!: Trigger",
       c.claims as "claims!", e.created_at as "created_at!", e.request_id, e.traceparent,
       w.url as "url!", w.secret_enc as "secret!", w.headers_enc as headers, w.identity_enc as identity, w.rate_limit,
       c.record is not null as "lined!",
       -- Retry-After, or a change since then, such as being off for a while.
       coalesce(greatest(w.held_until, w.updated_at) > e.created_at, false) as "waited!"
from loaded c join webhooks w on w.tenant_id = c.tenant_id and w.id = c.webhook_id
cross join lateral (select * from webhook_events e where e.tenant_id = c.tenant_id and e.id = c.id offset 0) e
