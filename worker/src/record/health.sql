-- What a batch of outcomes says of its webhooks.
--   $1 to $5   how often what came out: tenant, webhook, slot, outcome, count
--   $6 to $14  of each webhook: tenant, webhook, whether anything was accepted, failures since then, the first of them,
--              the last acceptance, the last failure and its code, when an attempt began that a 410 came of
--   $15, $16   failures in a row, and over how long, that make a webhook failing
--   $17        over how long they may have it switched off
--   $18, $19   of each webhook: since when a delivery had waited, by the schedule, that was given up since the last acceptance; where the attempt of the
--              410 went
with counted as (
    insert into webhook_outcomes as c (tenant_id, webhook_id, slot, outcome, count)
    select * from unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::int[], $5::bigint[])
    on conflict (tenant_id, webhook_id, slot, outcome) do update set count = c.count + excluded.count
)
-- In the order of the arrays. The row's lock covers the counts of its webhook too, which are written after it.
insert into webhook_health as h (tenant_id, webhook_id, accepted, streak, streak_since, failed_days, last_success_at,
                                 last_failure_at, last_error, gone, given_up, due)
select o.tenant_id, o.webhook_id, o.accepted, o.streak, o.since, least(o.streak, 1), o.success, o.failure, o.error, g.gone, o.given_up,
       g.gone or (o.streak >= $15 and o.failure - o.since >= $16) or coalesce(o.since <= o.given_up, false)
from unnest($6::uuid[], $7::uuid[], $8::bool[], $9::int[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[],
            $13::text[], $14::timestamptz[], $18::timestamptz[], $19::text[])
     as o (tenant_id, webhook_id, accepted, streak, since, success, failure, error, gone_at, given_up, gone_from)
-- What was asked of another address, or before somebody changed the webhook and maybe switched it on, says nothing of what it is now. If
-- the address is gone, it says so again.
cross join lateral (
    select o.gone_at is not null
           and exists (select from webhooks w where w.tenant_id = o.tenant_id and w.id = o.webhook_id
                       and w.url = o.gone_from and w.updated_at <= o.gone_at) as gone) g
on conflict (tenant_id, webhook_id) do update
set accepted = h.accepted or excluded.accepted,
    streak = case when excluded.accepted then 0 else h.streak end + excluded.streak,
    streak_since = case when excluded.accepted or h.streak = 0 then excluded.streak_since else h.streak_since end,
    failed_days = case
        when excluded.accepted or h.streak = 0 then excluded.failed_days
        else h.failed_days + (excluded.last_failure_at at time zone 'utc' >= date_trunc('day', h.last_failure_at at time zone 'utc') + interval '1 day')::int
        end,
    last_success_at = greatest(h.last_success_at, excluded.last_success_at),
    last_failure_at = greatest(h.last_failure_at, excluded.last_failure_at),
    last_error = coalesce(excluded.last_error, h.last_error),
    gone = h.gone or excluded.gone,
    given_up = case when excluded.accepted then excluded.given_up else greatest(excluded.given_up, h.given_up) end,
    due = h.due or excluded.due
        or (h.state <> 'failing' and case when excluded.accepted or h.streak = 0 then excluded.streak_since else h.streak_since end
                                     <= excluded.given_up) is true
        or (h.state = 'failing' and (h.accepted or excluded.accepted))
        or (not excluded.accepted and h.streak + excluded.streak >= $15
            and excluded.last_failure_at - h.streak_since >= case h.state when 'failing' then $17 else $16 end) is true
returning due as "due!"
