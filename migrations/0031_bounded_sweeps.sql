-- What a single large thing could stop for good is bounded.

set local lock_timeout = '5s';

-- Who signs in deletes sessions of his that are long over, and each asked the whole table which codes it was for.
create index qr_sessions_scanned on qr_sessions (tenant_id, scanned_session) where scanned_session is not null;
create index qr_sessions_consumed on qr_sessions (tenant_id, session_id) where session_id is not null;

-- A day whose partition takes longer than a statement may, because much lies where rows without a day go, is in the way as a lock
-- is: it is tried again, and what else keeps the log goes on.
create or replace function open_event_day(day date) returns boolean
language plpgsql security definer set search_path = pg_catalog, public, pg_temp set lock_timeout = '50ms' as $$
declare
    parent regclass;
begin
    for parent in select event_tables() loop
        if to_regclass(format('public.%s_%s', parent, to_char(day, 'YYYYMMDD'))) is null then
            perform add_event_partition(parent, to_char(day, 'YYYYMMDD'), format(
                'for values from (%L) to (%L)',
                first_id(day::timestamp at time zone 'utc'), first_id((day + 1)::timestamp at time zone 'utc')));
        end if;
    end loop;
    return true;
exception
    when check_violation then return true;
    when lock_not_available or duplicate_table or query_canceled then return false;
end
$$;

-- Sessions of a deactivated user end for good: they came back to life with the user.
alter table sessions drop constraint sessions_revoked_reason_known, add constraint sessions_revoked_reason_known
    check (revoked_reason in ('logout', 'logout_all', 'removed', 'token_reuse', 'deactivated'));

-- Test events are masked as real ones are.
grant execute on function some_members(json, text[]), masked_payload(json, text[]) to crm_app;
