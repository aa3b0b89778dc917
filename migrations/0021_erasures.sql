-- Erasing contacts for good, and test events (docs/decisions/0022-erase-test-and-listen.md).

-- The row of an erased contact stays for those that refer to it. It is empty and deleted, whoever writes to it later:
-- an undo of an import, or a version of the api that does not know of erasure.
alter table contacts add column erased_at timestamptz;
alter table contacts add constraint contacts_erased_is_empty check (
    erased_at is null or deleted_at is not null and name = ''
        and num_nonnulls(email, phone, phone_e164, company, company_id, external_id) = 0) not valid;

-- What has been erased, and how far its history is.
create table erasures (
    tenant_id     uuid not null references tenants (id),
    id            uuid not null,
    record_type   text not null constraint erasures_record_known check (record_type in ('contact')),
    record_id     uuid not null,
    stage         text not null default 'outbox' constraint erasures_stage_known
                  check (stage in ('outbox', 'changes', 'activities', 'imports', 'done')),
    cursor_at     timestamptz,      -- of the stage: what comes behind it is not erased yet
    cursor_id     uuid,
    cursor_row    integer,
    sought        text[] not null default '{}',    -- what failed rows of imports are searched for; emptied at the end
    events        integer not null default 0,
    deliveries    integer not null default 0,
    attempts      integer not null default 0,
    audit_entries integer not null default 0,
    activities    integer not null default 0,
    import_rows   integer not null default 0,
    answers       integer not null default 0,
    claims        integer not null default 0,      -- tries without progress; each waits longer
    due_at        timestamptz,                     -- when a worker may take the next step; null when all is done
    created_at    timestamptz not null,
    finished_at   timestamptz,
    primary key (tenant_id, id),
    constraint erasures_once unique (tenant_id, record_id)
);
create index erasures_due on erasures (due_at) where due_at is not null;
select protect_tenant_table('erasures');
grant select, insert on erasures to crm_app;
-- The worker finds the due ones across tenants.
create policy runner on erasures to crm_worker using (true) with check (true);
grant select, update on erasures to crm_worker;

-- Which record a kept answer shows; null for those of the version before, which are gone within a day.
alter table idempotency_keys add column record uuid;
create index idempotency_keys_record on idempotency_keys (tenant_id, record);
grant select (answer, record), update (answer) on idempotency_keys to crm_worker;

-- An outcome that comes later leaves out what the receiver said (worker/src/record/erased.rs).
alter table webhook_events add column erased_at timestamptz;

-- The data of an event, or the audit log's, in the same shape without a person's: of a contact only what is listed stays.
create function erased_data(event text, data json) returns json
language sql immutable strict parallel safe as $$
    select case when json_typeof(data) <> 'object' then 'null'::json
                when data->>'erased' = 'true' then data
                else (
        select ('{' || string_agg(to_json(m.key)::text || ':' || case split_part(event, '.', 1)
                   when 'contact' then case
                       when m.key in ('id', 'tenantId', 'version', 'createdAt', 'updatedAt', 'restored') then m.value::text
                       when m.key = 'name' then '""'
                       when m.key = 'previous' then '{}'
                       else 'null' end
                   when 'activity' then case m.key when 'subject' then '"Erased"' when 'body' then 'null' else m.value::text end
                   when 'import' then case m.key when 'errors' then '[]' else m.value::text end
                   else 'null' end, ',' order by m.place) || ',"erased":true}')::json
        from json_each(data) with ordinality m (key, value, place)) end
$$;

-- The body of a delivery with its data erased.
create function erased_body(event text, body json) returns json
language sql immutable strict parallel safe as $$
    select ('{' || string_agg(to_json(m.key)::text || ':'
                || case m.key when 'data' then erased_data(event, m.value) else m.value end::text, ',' order by m.place) || '}')::json
    from json_each(body) with ordinality m (key, value, place)
$$;

-- What an attempt tells of itself, without what the receiver said.
create function erased_detail(detail json) returns json
language sql immutable strict parallel safe as $$
    select case when detail::jsonb ? 'responseHeaders' then jsonb_set(detail::jsonb, '{responseHeaders}', '{}')::json else detail end
$$;
revoke all on function erased_data(text, json), erased_body(text, json), erased_detail(json) from public;
grant execute on function erased_data(text, json), erased_body(text, json), erased_detail(json) to crm_worker;

grant update (payload) on outbox, events to crm_worker;
grant update (body, erased_at) on webhook_events to crm_worker;
grant update (excerpt, detail) on webhook_attempts to crm_worker;

-- Of these the worker sees one tenant's at a time.
drop policy tenant_isolation_worker on audit_log;
create policy tenant_isolation_worker on audit_log to crm_worker
    using (tenant_id = (select current_setting('app.tenant_id')::uuid))
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
grant select (tenant_id, id, action, record_id, before, after, created_at), update (before, after) on audit_log to crm_worker;
create policy tenant_isolation_worker on activities to crm_worker
    using (tenant_id = (select current_setting('app.tenant_id')::uuid))
    with check (tenant_id = (select current_setting('app.tenant_id')::uuid));
grant select (tenant_id, id, type, contact_id, subject, body, occurred_at, created_at), update (subject, body)
    on activities to crm_worker;

-- A test event is a delivery without an event behind it: the api writes it. There is no foreign key (0016), so the
-- policy says what one would: only for a webhook of one's own.
create policy own_webhook on webhook_events as restrictive for insert to crm_app
    with check (exists (select from webhooks w where w.tenant_id = webhook_events.tenant_id and w.id = webhook_id));
grant insert on webhook_events to crm_app;
