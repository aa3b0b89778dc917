-- no-transaction
-- The list of deleted companies, by their deletion (docs/decisions/0049-what-0043-left.md).
create index concurrently if not exists companies_deleted on companies (tenant_id, deleted_at, id) where deleted_at is not null;
