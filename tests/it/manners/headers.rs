//! Headers of the tenant's own: sent with every attempt, sealed, never shown in full.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, TestApp, WEBHOOKS};

const TOKEN: &str = "Bearer 0123456789abcdef";

fn webhook(url: &str, headers: &Value) -> Value {
    json!({"url": url, "events": ["*"], "headers": headers})
}

#[tokio::test]
async fn the_tenants_headers_are_sent_with_every_attempt_and_shown_to_nobody() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let receiver = tests::kit::Receiver::start().await;
    receiver.script([500]);
    let headers = json!({"Authorization": TOKEN, "X-Env": "live"});
    let created = acme.post(WEBHOOKS, webhook(&receiver.url(), &headers)).await.created();
    let shown = json!({"authorization": "…cdef", "x-env": "…"});
    assert_eq!(created["headers"], shown);
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.drain().await.unwrap();
    app.advance(TimeDelta::minutes(2));
    worker.drain().await.unwrap();

    let calls = receiver.calls();
    assert_eq!(calls.len(), 2);
    for call in calls {
        assert_eq!((call.header("authorization"), call.header("x-env")), (TOKEN, "live"));
        assert_eq!(call.headers.get_all("content-type").iter().count(), 1);
    }
    let id = created["id"].as_str().unwrap();
    let (_, attempt) = crate::attempts::last_attempt(&acme, id).await;
    assert_eq!(attempt["requestHeaders"]["authorization"], "…cdef");
    assert_eq!(acme.get(&format!("{WEBHOOKS}/{id}")).await.ok()["headers"], shown);
    let leaked: i64 = sqlx::query_scalar(
        "select count(*) from (select to_json(w)::text as row from webhooks w union all
         select to_json(a)::text from webhook_attempts a union all select to_json(l)::text from audit_log l) rows
         where row like '%0123456789abcdef%'",
    )
    .fetch_one(app.database.admin())
    .await
    .unwrap();
    assert_eq!(leaked, 0);
}

#[tokio::test]
async fn every_header_that_may_not_be_set_is_named() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let headers = json!({
        "Host": "a", "Content-Length": "1", "Webhook-Signature": "v1,x", "x-webhook-event": "y", "Transfer-Encoding": "z",
        "a b": "c", "x-empty": "", "x-lines": "a\r\nb: c", "x-good": "fine",
    });
    let own = "Is a header that only the sender may set";
    let name = "Must be named by 1 to 64 letters, digits and hyphens or underscores";
    let value = "Must be 1 to 1000 printable ASCII characters without spaces around them";
    acme.post(WEBHOOKS, webhook("https://example.com/", &headers)).await.invalid(&json!({
        "headers.Host": own, "headers.Content-Length": own, "headers.Webhook-Signature": own,
        "headers.x-webhook-event": own, "headers.Transfer-Encoding": own, "headers.a b": name,
        "headers.x-empty": value, "headers.x-lines": value,
    }));
    let many: Value =
        (0..11).map(|n| (format!("x-{n}"), json!("1"))).collect::<serde_json::Map<_, _>>().into();
    acme.post(WEBHOOKS, webhook("https://example.com/", &many))
        .await
        .invalid(&json!({"headers": "Must be an object of at most 10 headers"}));
}

#[tokio::test]
async fn an_answer_can_be_sent_back_and_new_values_replace_all_headers() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let headers = json!({"authorization": TOKEN, "x-env": "live"});
    let created = acme.post(WEBHOOKS, webhook("https://example.com/", &headers)).await.created();
    let path = format!("{WEBHOOKS}/{}", created["id"].as_str().unwrap());
    let shown = acme.get(&path).await.ok();
    assert_eq!(acme.put(&path, shown.clone()).await.ok(), shown);

    // A mask says nothing of the value behind it.
    acme.put(&path, json!({"headers": {"authorization": "…cdef", "x-env": "test"}}))
        .await
        .invalid(&json!({"headers.authorization": "Is masked; give the value again"}));
    let changed = acme.put(&path, json!({"headers": {"x-env": "prod"}})).await.ok();
    assert_eq!((&changed["headers"], &changed["version"]), (&json!({"x-env": "…"}), &json!(2)));
    // The same mask, another value.
    assert_eq!(acme.put(&path, json!({"headers": {"x-env": "demo"}})).await.ok()["version"], 3);
    assert_eq!(acme.put(&path, json!({"headers": null})).await.ok()["headers"], json!({}));
}

#[tokio::test]
async fn values_that_nobody_is_shown_go_to_no_other_host_unless_they_are_written_again() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let headers = json!({"authorization": TOKEN});
    let created = acme.post(WEBHOOKS, webhook("https://example.com/a", &headers)).await.created();
    let path = format!("{WEBHOOKS}/{}", created["id"].as_str().unwrap());
    let fault = json!({"headers": "Give the values again for another host, or null"});
    let masked = &created["headers"];
    for url in ["https://example.org/a", "https://example.com:8443/a", "http://example.com/a"] {
        acme.put(&path, json!({"url": url})).await.invalid(&fault);
        acme.put(&path, json!({"url": url, "headers": masked})).await.invalid(&fault);
    }
    acme.put(&path, json!({"url": "https://example.com/b"})).await.ok();
    let moved = json!({"url": "https://example.org/a", "headers": headers});
    assert_eq!(&acme.put(&path, moved).await.ok()["headers"], masked);
    let bare = json!({"url": "https://example.net/a", "headers": null});
    assert_eq!(acme.put(&path, bare).await.ok()["headers"], json!({}));
    acme.put(&path, json!({"url": "https://example.com/a"})).await.ok();
}
