-- A webhook that goes to another address is not held for what the one before asked (docs/decisions/0056).

set local lock_timeout = '1s';

grant update (held_until) on webhooks to crm_app;
