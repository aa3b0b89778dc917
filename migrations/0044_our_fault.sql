-- What was given up through a fault of ours is sent again by itself, too, where a tenant wants that (docs/decisions/0050-what-an-outage-is.md).

set local lock_timeout = '1s';

-- When a delivery was last given up through a fault of ours, of which health says nothing; null when none was, or since a redrive was begun for it.
alter table webhook_health add our_fault timestamptz;
