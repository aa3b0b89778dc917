-- no-transaction
-- The list of deleted contacts, by their deletion (docs/decisions/0049-what-0043-left.md).
create index concurrently if not exists contacts_deleted on contacts (tenant_id, deleted_at, id) where deleted_at is not null and erased_at is null;
