-- The queue's primary key names the webhook too, so that what is oldest of a webhook needs no index of its own: one entry less
-- to write for each delivery that is queued and for each that is claimed. Whoever looks for a delivery knows its webhook.

set local lock_timeout = '5s';
alter table webhook_queue drop constraint webhook_queue_pkey;
alter table webhook_queue add primary key (tenant_id, webhook_id, id);
drop index webhook_queue_oldest;
