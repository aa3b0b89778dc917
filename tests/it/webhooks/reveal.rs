//! A secret that is shown again: to few, and never unseen.

use chrono::TimeDelta;
use serde_json::json;
use shared::scope::{Role, Scope};
use tests::kit::TestApp;

use super::{at, sample};

#[tokio::test]
async fn a_webhooks_secrets_are_revealed_in_full_with_their_ends_and_kept_by_no_cache() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    let path = format!("{}/secret", at(&webhook));
    let shown = acme.get(&path).await;
    assert_eq!(shown.header("cache-control"), "no-store, private");
    let first = shown.ok();
    assert_eq!((&first["secret"], &first["replaced"]), (&webhook["secret"], &json!([])));
    assert_eq!(first["webhookId"], webhook["id"]);

    let rotated = acme.post(&format!("{path}/rotate"), json!({"overlapSeconds": 60})).await.ok();
    let both = acme.get(&path).await.ok();
    assert_eq!(both["secret"], rotated["secret"]);
    let old = json!({"secret": webhook["secret"], "publicKey": first["publicKey"],
        "endsAt": "2026-01-02T03:05:05.678Z"});
    assert_eq!(both["replaced"], json!([old]));
    app.advance(TimeDelta::seconds(60));
    assert_eq!(acme.get(&path).await.ok()["replaced"], json!([]));
}

#[tokio::test]
async fn every_look_at_a_secret_is_in_the_audit_log_with_who_took_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    let user = acme.user(Role::Admin).await;
    let admin = acme.as_user(user).await;
    for _ in 0..2 {
        admin.get(&format!("{}/secret", at(&webhook))).await.ok();
    }
    let log = acme.get("/api/v1/audit-log?action=webhook.secret_revealed").await.page();
    assert_eq!(log.items.len(), 2);
    for entry in &log.items {
        assert_eq!(entry["record"]["id"], webhook["id"]);
        assert_eq!(entry["actor"], json!({"type": "user", "id": user}), "{entry:#}");
    }
    let text = format!("{:?}", log.items);
    assert!(!text.contains(webhook["secret"].as_str().unwrap()), "{text}");
}

#[tokio::test]
async fn only_owners_admins_and_keys_with_the_scope_see_a_secret() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    let path = format!("{}/secret", at(&webhook));
    for role in [Role::Owner, Role::Admin] {
        assert_eq!(acme.with_role(role).await.get(&path).await.ok()["secret"], webhook["secret"]);
    }
    let key = acme.with_scopes(&[Scope::WebhooksSecrets]).await;
    key.get(&path).await.ok();
    let writer = acme.with_scopes(&[Scope::WebhooksRead, Scope::WebhooksWrite]).await;
    for caller in [acme.with_role(Role::Member).await, acme.with_role(Role::ReadOnly).await, writer]
    {
        let refused = caller.get(&path).await.problem(403, "INSUFFICIENT_SCOPE");
        assert_eq!(refused["details"]["scope"], "webhooks:secrets");
    }
    let log = acme.get("/api/v1/audit-log?action=webhook.secret_revealed").await.page();
    assert_eq!(log.items.len(), 3);
}

#[tokio::test]
async fn what_cannot_be_opened_and_what_is_gone_is_said_and_not_shown() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (lost, gone) = (sample(&acme).await, sample(&acme).await);
    acme.delete(&at(&gone)).await.no_content();
    acme.get(&format!("{}/secret", at(&gone))).await.not_found("Webhook not found");
    app.database.execute("update webhooks set secret_enc = 'lost'").await;
    let refused = acme.get(&format!("{}/secret", at(&lost))).await.problem(409, "CONFLICT");
    assert_eq!(refused["error"], "The webhook's secret cannot be opened; rotate it");
}
