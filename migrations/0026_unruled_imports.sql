-- A contact of an import needs no look at whether its address is taken while the tenant has no such rule, and the import
-- sees to it that it gets none meanwhile: it shares `contact_emails_lock` and says so (`app.contacts_unruled`). The look is a
-- function's call for each contact, a quarter of what its insert takes. External ids are looked at all the same.

set local lock_timeout = '5s';
create or replace trigger contacts_keep_unique_at_birth before insert on contacts
    for each row when (new.deleted_at is null
                       and (new.external_id is not null
                            or new.email is not null and current_setting('app.contacts_unruled', true) is distinct from 'on'))
    execute function contacts_keep_unique();
create or replace trigger contacts_keep_unique_later before update on contacts
    for each row when (new.deleted_at is null
                       and (new.email, new.external_id, new.deleted_at)
                           is distinct from (old.email, old.external_id, old.deleted_at)
                       and (new.external_id is not null
                            or new.email is not null and current_setting('app.contacts_unruled', true) is distinct from 'on'))
    execute function contacts_keep_unique();
