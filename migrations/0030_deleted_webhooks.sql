-- Every worker looks for deliveries of deleted webhooks, time and again: it read all webhooks there ever were.

set local lock_timeout = '5s';

create index webhooks_deleted on webhooks (tenant_id, id) where deleted_at is not null;
