-- What an event is about goes into the outbox with it: the relay read the whole payload four times to find it
-- (docs/decisions/0045-who-writes-says-what-about.md).

-- Shorter than the api waits for a lock: whoever announces something while this waits is only late.
set local lock_timeout = '1s';

alter table outbox
    add column record  uuid,     -- null where the version before wrote it: then it is in the payload
    add column version integer;  -- of the record; null as above, and where it has none

-- Of payloads that were written without: the record that they are about, and its version.
create function payload_record(payload json) returns uuid
language sql immutable as $$
    select case when told.record ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' then told.record::uuid end
    from (select coalesce(payload->>'id', payload->>'pipelineId', payload->>'tenantId') as record offset 0) told
$$;
create function payload_version(payload json) returns integer
language sql immutable as $$
    select case when told.version ~ '^[0-9]{1,9}$' then told.version::integer end
    from (select payload->>'version' as version offset 0) told
$$;
revoke all on function payload_record(json), payload_version(json) from public;
grant execute on function payload_record(json), payload_version(json) to crm_worker;
