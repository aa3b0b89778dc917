-- What versions before 0024 have added: an event log, lines of records, a replay that goes on, a person who is to be erased.

update webhooks set ordering = 'record' from given where id = lined;
insert into event_logs (tenant_id, last) select tenant, 2 from given;
insert into events (tenant_id, id, sequence, event, record, version, payload, occurred_at)
select tenant, pg_temp.id(now() - interval '1 min'), n, 'lead.updated', lead, n,
       json_build_object('id', lead, 'tenantId', tenant, 'name', 'line ' || n, 'version', n), now() - interval '1 min'
from given, generate_series(1, 2) n;
-- The first of the line is due, the other waits behind it.
insert into webhook_events (tenant_id, id, webhook_id, occurrence_id, sequence, event, body, pattern, created_at)
select tenant_id, delivery_id(e.id, lined), lined, e.id, sequence, event, json_build_object('data', payload), event, occurred_at
from events e join given on tenant = tenant_id;
insert into webhook_queue (tenant_id, id, webhook_id, next_retry, record, sequence)
select tenant_id, id, webhook_id, case sequence when 1 then created_at else in_line() end, lead, sequence
from webhook_events join given on tenant = tenant_id and lined = webhook_id;
insert into webhook_outcomes (tenant_id, webhook_id, slot, outcome, count)
select tenant, hook, date_trunc('hour', now() - interval '1 h'), o.outcome, 1 from given, (values (100), (-2)) o (outcome);
insert into webhook_replays (tenant_id, id, webhook_id, trigger, state, since, until, statuses, rate, total, due_at, created_at,
                             updated_at)
select tenant, pg_temp.id(now()), hook, 'replay', 'running', now() - interval '1 day', now(), array['failed'], 10, 1, now(), now(), now()
from given;
update contacts set name = '', email = null, phone = null, phone_e164 = null, company = null, company_id = null, external_id = null,
       version = version + 1, deleted_at = now(), erased_at = now()
from given where id = charles;
insert into erasures (tenant_id, id, record_type, record_id, sought, due_at, created_at)
select tenant, pg_temp.id(now()), 'contact', charles, array['charles@example.com'], now(), now() from given;
insert into operator_log (at, action, subject, detail) select now(), 'tenant.limits', tenant, '{}' from given;
