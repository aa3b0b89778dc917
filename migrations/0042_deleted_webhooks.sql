-- no-transaction
-- The deleted webhooks that something may still be pending for (docs/decisions/0052-what-stood-in-the-way.md).
create index concurrently if not exists webhooks_leaving on webhooks (tenant_id, id) where deleted_at is not null and not emptied;
