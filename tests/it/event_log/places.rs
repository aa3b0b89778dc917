//! Feeds of webhooks whose filter passes nothing: reading them keeps nobody else waiting.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tests::kit::{CONTACTS, TestApp};
use tokio::time::sleep;

use super::EVENTS;

/// Makes the api's questions to filters slow: a page of a thousand takes a second or more.
const SLOW: &str = "create or replace function event_passes(payload json, path jsonpath, event text) returns boolean
    language plpgsql as $$ begin
        if session_user <> 'crm_app' then return false; end if;
        perform pg_sleep(0.001);
        return false;
    end $$";

/// Connections that read a page of a webhook's feed now.
const READING: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and state = 'active' and pid <> pg_backend_pid() and query like '%event_passes%'";

#[tokio::test(flavor = "multi_thread")]
async fn twenty_streams_of_a_webhook_whose_filter_passes_nothing_keep_no_other_tenant_waiting() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let subscriber = acme.subscribe(&["*"]).await;
    let nothing = json!({"filter": {"field": "name", "eq": "nobody"}});
    acme.put(&subscriber.path(), nothing).await.ok();
    app.announce(&acme, "contact.created", 4_000).await;
    app.worker().relay().await.unwrap();
    app.database.execute(SLOW).await;
    let path = format!("{EVENTS}/stream?webhook={}&after=0", subscriber.id);
    let opening = (0..20).map(|_| acme.request(Method::GET, &path).send());
    let opening = tokio::spawn(join_all(opening));
    let mut most = 0;
    for _ in 0..20 {
        other.get(CONTACTS).await.page();
        let reading: i64 =
            sqlx::query_scalar(READING).fetch_one(app.database.admin()).await.unwrap();
        assert!(reading <= 2, "{reading} pages are read at once");
        most = most.max(reading);
        sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(most, 2, "they were read meanwhile");
    // Those that had no place in time are refused as other requests are.
    let statuses: Vec<_> = opening
        .await
        .unwrap()
        .into_iter()
        .map(|opened| opened.unwrap().status().as_u16())
        .collect();
    assert!(
        statuses.contains(&200) && statuses.iter().all(|status| [200, 429].contains(status)),
        "{statuses:?}"
    );
}
