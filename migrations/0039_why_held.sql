-- Why a delivery is held, with who switched its webhook off, and what its receiver asked for. The older function is for the version
-- before.

create function held_reason(status text, active boolean, disabled_reason text, due timestamptz) returns text
language sql immutable parallel safe as $$
    select case when status = 'pending' and not active then
                    case when disabled_reason is null then 'webhook_inactive' else 'webhook_disabled' end
                when status = 'pending' and due = public.in_line() then 'record_order' end
$$;

-- When a webhook with a rate limit may be called again: a tenth of a second's requests begin at once, as the claim has it.
create function opens_at(rate_limit integer, paced_until timestamptz) returns timestamptz
language sql immutable parallel safe as $$
    select paced_until - (greatest(rate_limit / 10.0, 1) - 1) / rate_limit * interval '1 second'
$$;

grant select (held_until, paced_until) on webhooks to crm_app;
