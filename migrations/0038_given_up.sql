-- A delivery that was given up is an outage, however quickly: with a short schedule all attempts may fail within a minute
-- (docs/decisions/0050-what-an-outage-is.md).

set local lock_timeout = '1s';

-- Since when a delivery had waited, by the schedule, that was given up since anything was accepted; null when none was.
alter table webhook_health add given_up timestamptz;
grant update (given_up) on webhook_health to crm_app;
