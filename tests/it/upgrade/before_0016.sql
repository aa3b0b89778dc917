-- Rows of every table that there was before 0016, for each tenant that is `given`.

create function pg_temp.id(moment timestamptz) returns uuid language sql volatile as $$
    select (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || '7' || substr(md5(random()::text), 1, 3)
            || '8' || substr(md5(random()::text), 1, 15))::uuid
$$;
-- What rows refer to each other by.
alter table given
    add member uuid default pg_temp.id(now() - interval '2 h'), add session uuid default pg_temp.id(now() - interval '1 h'),
    add company uuid default pg_temp.id(now() - interval '2 h'), add ada uuid default pg_temp.id(now() - interval '2 h'),
    add charles uuid default pg_temp.id(now() - interval '2 h'), add imported uuid default pg_temp.id(now() - interval '1 h'),
    add pipeline uuid default pg_temp.id(now() - interval '2 h'), add stage uuid default pg_temp.id(now() - interval '2 h'),
    add lead uuid default pg_temp.id(now() - interval '2 h'), add former uuid default pg_temp.id(now() - interval '2 h'),
    add import uuid default pg_temp.id(now() - interval '1 h'), add off uuid default pg_temp.id(now() - interval '2 h');

insert into tenants (id, name, demo, currency, timezone, created_at, updated_at)
select tenant, name, name, 'EUR', 'Europe/Vienna', now() - interval '3 h', now() - interval '3 h' from given;
insert into users (tenant_id, id, email, name, role, created_at, updated_at)
select tenant, u.id, u.role || '@' || g.name || '.example', initcap(u.role), u.role, now() - interval '3 h', now() - interval '3 h'
from given g, lateral (values (g.owner, 'owner'), (g.member, 'member')) u (id, role);
insert into api_keys (tenant_id, id, name, prefix, hash, scopes, created_by, created_at, updated_at)
select tenant, pg_temp.id(now()), 'First key', key_prefix, key_hash, scopes, owner, now(), now() from given;
insert into replaced_api_key_secrets (tenant_id, key_id, prefix, hash, expires_at)
select tenant_id, id, former_prefix, former_hash, now() + interval '1 day' from api_keys join given on tenant = tenant_id;
insert into sessions (tenant_id, id, user_id, created_via, device_name, created_at, last_used_at, expires_at, ends_at)
select tenant, session, owner, 'admin', 'Desk', now() - interval '1 h', now() - interval '1 h', now() + interval '7 days',
       now() + interval '90 days' from given;
insert into refresh_tokens (tenant_id, session_id, number, hash, created_at)
select tenant, session, 1, refresh_hash, now() - interval '1 h' from given;
insert into qr_sessions (tenant_id, id, status, poll_hash, scan_hash, link_hash, match_code, ip_address, scanned_by,
                         scanned_session, requested_at, expires_at)
select tenant, pg_temp.id(now()), 'scanned', '\x01', '\x02', '\x03', '42', '127.0.0.1', owner, session, now(),
       now() + interval '2 min' from given;

insert into companies (tenant_id, id, name, industry, website, employees, created_at, updated_at, deleted_at)
select tenant, c.id, c.name, 'software', 'https://example.com', 12, now() - interval '2 h', now() - interval '2 h', c.deleted
from given g, lateral (values (g.company, 'Engines', null), (pg_temp.id(now()), 'Closed', now())) c (id, name, deleted);
insert into contacts (tenant_id, id, name, email, phone, phone_e164, company, company_id, external_id, created_at, updated_at,
                      deleted_at)
select tenant, c.id, c.name, lower(c.name) || '@example.com', '+43 1 234', '+431234', 'Engines', g.company, c.name,
       now() - interval '2 h', now() - interval '2 h', c.deleted
from given g, lateral (values (g.ada, 'Ada', null), (g.charles, 'Charles', null), (g.imported, 'One', null),
                              (pg_temp.id(now()), 'Gone', now())) c (id, name, deleted);
insert into pipelines (tenant_id, id, name, created_at, updated_at)
select tenant, pipeline, 'Sales', now() - interval '2 h', now() - interval '2 h' from given;
insert into stages (tenant_id, id, pipeline_id, name, display_order)
select tenant, s.id, g.pipeline, s.name, s.place
from given g, lateral (values (g.stage, 'New', 0), (pg_temp.id(now()), 'Won', 1)) s (id, name, place);
insert into leads (tenant_id, id, title, status, value, currency, owner_id, contact_id, company_id, pipeline_id, stage_id,
                   created_at, updated_at, deleted_at)
select tenant, l.id, l.title, 'new', 1234.56, 'EUR', g.owner, g.ada, g.company, g.pipeline, g.stage, now() - interval '2 h',
       now() - interval '2 h', l.deleted
from given g, lateral (values (g.lead, 'Mill', null), (pg_temp.id(now()), 'Lost mill', now())) l (id, title, deleted);
insert into lead_stage_history (tenant_id, id, lead_id, to_pipeline_id, to_stage_id, to_name, actor_type, actor_id, moved_at)
select tenant, pg_temp.id(now()), lead, pipeline, stage, 'New', 'user', owner, now() - interval '2 h' from given;
insert into activities (tenant_id, id, type, subject, body, occurred_at, due_at, contact_id, company_id, lead_id, actor_type,
                        actor_id, created_at)
select tenant, pg_temp.id(now()), a.type, a.subject, 'About it', now() - interval '1 h', now(), a.contact, a.company, a.lead,
       'user', g.owner, now() - interval '1 h'
from given g, lateral (values ('call', 'Called Ada', g.ada, g.company, g.lead),
                              ('note', 'Met Charles', g.charles, null, null)) a (type, subject, contact, company, lead);
insert into audit_log (tenant_id, id, actor_type, actor_id, action, record_type, record_id, after, address, created_at)
select tenant, pg_temp.id(now() - interval '2 h'), 'user', g.owner, 'contact.created', 'contact', c.id,
       json_build_object('id', c.id, 'name', c.name, 'version', 1), '127.0.0.1', now() - interval '2 h'
from given g, lateral (values (g.ada, 'Ada'), (g.charles, 'Charles')) c (id, name);
insert into idempotency_keys (tenant_id, principal, key, fingerprint, answer, expires_at)
select tenant, 'key', k.key, sha256('x'), '\x00', k.until
from given, (values ('kept', now() + interval '1 day'), ('over', now() - interval '1 min')) k (key, until);

-- One import that has ended, and one that its worker was in the middle of.
insert into imports (tenant_id, id, status, mode, atomic, events, dry_run, total, processed, created, failed, actor_type, actor_id,
                     due_at, created_at, updated_at, started_at, finished_at)
select tenant, i.id, i.status, 'create', false, false, false, i.total, 1, i.created, i.failed, 'user', g.owner, i.due,
       now() - interval '1 h', now() - interval '1 h', now() - interval '1 h', i.finished
from given g, lateral (
    values (g.former, 'completed', 1, 0, 1, null, now() - interval '1 h'), (g.import, 'running', 3, 1, 0, now(), null)
) i (id, status, total, created, failed, due, finished);
insert into import_rows (tenant_id, import_id, row, line, input, contact, outcome, code, details, contact_id, version)
select tenant, r.import, r.row, r.row + 1, r.input::json, r.contact::json, r.outcome, r.code, r.details::json, r.made, r.version
from given g, lateral (
    values (g.former, 1, '{"email": "charles@example.com"}', null, 'failed', 'VALIDATION_ERROR', '{"name": "Is required"}',
            null, null),
           (g.import, 1, null, null, 'created', null, null, g.imported, 1),
           (g.import, 2, '{"name": "Two"}', '{"name": "Two", "email": "two@example.com"}', null, null, null, null, null),
           (g.import, 3, '{"name": "Three"}', '{"name": "Three", "externalId": "3"}', null, null, null, null, null)
) r (import, row, input, contact, outcome, code, details, made, version);

insert into webhooks (tenant_id, id, url, events, active, disabled_reason, secret_enc, secret_hint, created_at, updated_at)
select tenant, w.id, g.url || w.path, w.events, w.active, w.reason, w.secret, 'whsec_…', now() - interval '2 h', now() - interval '2 h'
from given g, lateral (
    values (g.hook, '/hook', array['contact.created'], true, null, g.hook_enc),
           (g.lined, '/lined', array['lead.updated'], true, null, g.lined_enc),
           (g.off, '/off', array['contact.deleted'], false, 'gone', '\x00'::bytea)
) w (id, path, events, active, reason, secret);
-- One that nobody has begun, one whose retry waits, one of a worker that died, and such that have ended.
insert into webhook_events (tenant_id, id, webhook_id, occurrence_id, event, body, status, attempts, next_retry, lease_id, claims,
                            last_error, created_at, delivered_at)
select tenant, delivery_id(o.id, d.hook), d.hook, o.id, 'contact.created', json_build_object('data', json_build_object('name', d.name)),
       d.status, d.attempts, d.due, d.lease, d.claims, d.error, now() - interval '1 h', d.delivered
from given g, lateral (
    values (g.hook, 'fresh', 'pending', 0, now(), null::uuid, 0, null, null::timestamptz),
           (g.hook, 'parked', 'pending', 1, now() + interval '2 s', null, 0, 'timeout', null),
           (g.hook, 'leased', 'pending', 0, now(), gen_random_uuid(), 1, null, null),
           (g.hook, 'failed', 'failed', 5, null, null, 0, 'http_status', null),
           (g.hook, 'delivered', 'delivered', 1, null, null, 0, null, now()),
           (g.off, 'gone', 'failed', 1, null, null, 0, 'gone', null)
) d (hook, name, status, attempts, due, lease, claims, error, delivered)
cross join lateral (select pg_temp.id(now() - interval '1 h') as id where d.name is not null) o;
insert into webhook_attempts (tenant_id, delivery_id, id, cycle, attempt, trigger, started_at, latency_ms, status_code, error_code)
select tenant_id, id, pg_temp.id(created_at), 1, n, 'automatic', created_at, 1, case when last_error is null then 200 end, last_error
from webhook_events, generate_series(1, attempts) n;
insert into outbox (tenant_id, event_id, event, payload, occurred_at)
select tenant, pg_temp.id(now()), e.event, json_build_object('id', e.record, 'tenantId', g.tenant, 'name', 'relayed', 'version', 3), now()
from given g, lateral (values ('contact.created', g.ada), ('lead.updated', g.lead)) e (event, record);
