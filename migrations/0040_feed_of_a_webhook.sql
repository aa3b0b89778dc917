-- The feed shows what one webhook would get (docs/decisions/0051-the-feed-of-a-webhook.md).
grant select (filter_path) on webhooks to crm_app;
grant execute on function event_passes(json, jsonpath, text) to crm_app;
