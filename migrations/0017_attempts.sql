-- What an attempt tells of itself, and how each receiver wants to be called.

alter table webhook_attempts add column detail json;    -- phases, connection, headers, what follows: shown, never searched

alter table webhooks
    add column headers_shown json not null default '{}',    -- names of the tenant's own headers, with masked values
    add column headers_enc bytea,                           -- sealed; the api can write it but never read it back
    add column identity_shown json,                         -- subject, fingerprint and expiry of the client certificate
    add column identity_enc bytea,                          -- sealed, certificate and key
    add column rate_limit integer                           -- attempts begun in a second, by all workers together
               constraint webhooks_rate_limit_known check (rate_limit between 1 and 1000),
    add column paced_until timestamptz;                     -- when the attempts claimed so far are paid for at that rate
grant select (headers_shown, identity_shown, rate_limit) on webhooks to crm_app;
grant update (headers_shown, headers_enc, identity_shown, identity_enc, rate_limit) on webhooks to crm_app;
grant update (paced_until) on webhooks to crm_worker;
