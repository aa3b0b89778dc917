//! Creating and reading.

use reqwest::Method;
use serde_json::{Value, json};
use shared::scope::{Role, Scope};
use tests::kit::{API_KEYS, Answer, START, TestApp};

use super::{at, expired, knock, let_in, reader, record};

#[tokio::test]
async fn a_new_key_is_shown_whole_once_and_opens_what_its_scopes_say() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"name": " Export ", "scopes": ["leads:read", "contacts:read", "leads:read"]});
    let answer = acme.post(API_KEYS, body).await;
    let location = answer.header("location").to_owned();
    let shown = answer.created();
    let key = shown["key"].as_str().unwrap();

    assert_eq!(location, at(&shown));
    assert_eq!(key.len(), "crm_live_".len() + 8 + 1 + 43 + 6);
    assert_eq!(
        record(&shown),
        json!({
            "id": shown["id"], "tenantId": acme.id, "name": "Export", "prefix": key[9..17],
            "scopes": ["contacts:read", "leads:read"], "active": true, "allowedIps": null, "expiresAt": null,
            "lastUsedAt": null, "createdBy": null, "revokedAt": null, "version": 1, "createdAt": START,
            "updatedAt": START,
        })
    );
    assert_eq!(acme.get(&at(&shown)).await.ok(), record(&shown));
    let list = acme.get(API_KEYS).await.page();
    assert!(list.items.contains(&record(&shown)), "{list:?}");
    let_in(knock(&super::made(&acme, shown).1).await);
}

#[tokio::test]
async fn a_user_who_makes_a_key_is_named_in_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let admin = acme.with_role(Role::Admin).await;
    let (shown, _) = reader(&admin, json!({})).await;
    let user: uuid::Uuid = sqlx::query_scalar("select id from users where role = 'admin'")
        .fetch_one(app.database.admin())
        .await
        .unwrap();
    assert_eq!(shown["createdBy"], json!(user));
}

#[tokio::test]
async fn every_failing_field_is_named() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let known = Scope::ALL.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(", ");
    let scope = format!("Must be one of {known}");
    let ip = "Must be an IP address or a network such as 192.0.2.0/24";
    let body = json!({
        "name": "", "scopes": ["contacts:read", "contacts:*", 5], "expiresAt": "tomorrow", "active": "yes",
        "allowedIps": ["192.0.2.1", "office", "192.0.2.0/33", null], "key": "crm_live_mine", "colour": "red",
    });
    acme.post(API_KEYS, body).await.invalid(&json!({
        "name": "Must be 1 to 100 characters",
        "scopes[1]": scope, "scopes[2]": scope,
        "expiresAt": "Must be a time such as 2025-11-02T10:00:00Z",
        "active": "Must be true or false",
        "allowedIps[1]": ip, "allowedIps[2]": ip, "allowedIps[3]": "Must be a string",
        "key": "Unknown field", "colour": "Unknown field",
    }));
    let required = json!({"name": "Is required", "scopes": "Is required"});
    acme.post(API_KEYS, json!({})).await.invalid(&required);
    let scopes = format!("Must be a list of 1 to {}", Scope::ALL.len());
    let wrong = json!({"scopes": scopes, "allowedIps": "Must be a list of 1 to 50"});
    for (scopes, ips) in
        [(json!([]), json!([])), (json!("contacts:read"), json!(vec!["192.0.2.1"; 51]))]
    {
        let body = json!({"name": "Key", "scopes": scopes, "allowedIps": ips});
        acme.post(API_KEYS, body).await.invalid(&wrong);
    }
    assert_eq!(acme.get(API_KEYS).await.page().pagination["total"], 1);
}

#[tokio::test]
async fn a_key_expires_in_the_future_and_works_until_then() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for past in ["2026-01-02T03:04:05.678Z", "1999-12-31T23:59:59Z"] {
        let body = json!({"name": "Key", "scopes": ["contacts:read"], "expiresAt": past});
        acme.post(API_KEYS, body).await.invalid(&json!({"expiresAt": "Must be in the future"}));
    }
    let (shown, key) = reader(&acme, json!({"expiresAt": "2026-01-02T05:04:05.679+02:00"})).await;
    assert_eq!(shown["expiresAt"], "2026-01-02T03:04:05.679Z");
    let_in(knock(&key).await);
    app.advance(chrono::TimeDelta::milliseconds(1));
    expired(knock(&key).await);
}

#[tokio::test]
async fn networks_are_kept_in_one_form_each_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let given = [
        " 192.0.2.77/24 ",
        "192.0.2.0/24",
        "198.51.100.7/32",
        "198.51.100.7",
        "::ffff:203.0.113.5",
        "::ffff:10.1.2.3/104",
        "2001:DB8:0::1/32",
        "2001:db8::7/128",
        "0.0.0.0/0",
    ];
    let (shown, _) = reader(&acme, json!({"allowedIps": given})).await;
    let kept = [
        "192.0.2.0/24",
        "198.51.100.7",
        "203.0.113.5",
        "10.0.0.0/8",
        "2001:db8::/32",
        "2001:db8::7",
        "0.0.0.0/0",
    ];
    assert_eq!(shown["allowedIps"], json!(kept));
}

#[tokio::test]
async fn the_key_is_nowhere_but_in_its_answer() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"name": "Key", "scopes": ["contacts:read"]});
    let create =
        || acme.request(Method::POST, API_KEYS).header("idempotency-key", "once").json(&body);
    let shown = Answer::to(create()).await.created();
    // The answer is kept for a repetition, sealed.
    assert_eq!(Answer::to(create()).await.created(), shown);
    let path = format!("{}/rotate", at(&shown));
    app.advance(chrono::TimeDelta::milliseconds(1));
    let rotated = acme.post(&path, json!({})).await.ok();

    let everything: Vec<String> = sqlx::query_scalar(
        "select to_jsonb(t)::text from api_keys t union all select to_jsonb(t)::text from audit_log t
         union all select to_jsonb(t)::text from replaced_api_key_secrets t
         union all select to_jsonb(t)::text || encode(t.answer, 'escape') from idempotency_keys t
         union all select to_jsonb(t)::text from outbox t",
    )
    .fetch_all(app.database.admin())
    .await
    .unwrap();
    assert!(everything.len() >= 5, "{everything:?}");
    for key in [&shown, &rotated] {
        let secret = &key["key"].as_str().unwrap()[18..];
        assert!(!everything.iter().any(|row| row.contains(secret)));
    }
    let audited: Vec<(String, Option<Value>)> = sqlx::query_as(
        "select action, after::jsonb from audit_log where record_type = 'api_key' order by created_at, id",
    )
    .fetch_all(app.database.admin())
    .await
    .unwrap();
    assert_eq!(audited[0], ("api_key.created".to_owned(), Some(record(&shown))));
    assert_eq!(audited[1], ("api_key.rotated".to_owned(), None));
    assert_eq!(audited.len(), 2);
}

#[tokio::test]
async fn a_dry_run_makes_no_key() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"name": "Key", "scopes": ["contacts:read"]});
    let shown = acme.post(&format!("{API_KEYS}?dryRun=true"), body).await.created();
    super::unknown(knock(&super::made(&acme, shown).1).await);
    assert_eq!(acme.get(API_KEYS).await.page().pagination["total"], 1);
}
