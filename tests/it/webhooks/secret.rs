//! The signing secret: shown once, kept sealed.

use serde_json::{Value, json};
use shared::id::{TenantId, WebhookId};
use shared::webhook::Owner;
use shared::webhook::keys::SigningKeys;
use shared::webhook::signature::SigningSecret;
use sqlx::Connection as _;
use sqlx::error::DatabaseError;
use tests::kit::{TestApp, WEBHOOKS};

use super::{at, sample};

#[tokio::test]
async fn a_fresh_secret_is_shown_once_in_full_and_differs_each_time() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (one, two) = (sample(&acme).await, sample(&acme).await);
    let secret = one["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_") && secret.len() == 6 + 48, "{secret}");
    assert!(SigningSecret::parse(secret).is_ok());
    assert_ne!(one["secret"], two["secret"]);

    let masked = json!(format!("whsec_…{}", &secret[secret.len() - 4..]));
    assert_eq!(acme.get(&at(&one)).await.ok()["secret"], masked);
    assert_eq!(acme.put(&at(&one), json!({"active": false})).await.ok()["secret"], masked);
    let list = acme.get(WEBHOOKS).await.page();
    assert!(list.each("secret").iter().all(|shown| shown.starts_with("whsec_…")), "{list:?}");
}

#[tokio::test]
async fn a_tenant_may_bring_its_own_secret() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (secret, masked) in [
        ("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", "whsec_…FRYX"),
        ("correct-horse-battery-staple", "…aple"),
        (&"x".repeat(24), "…xxxx"),
        (&"y".repeat(64), "…yyyy"),
    ] {
        let webhook = acme.post(WEBHOOKS, with_secret(&json!(secret))).await.created();
        assert_eq!(webhook["secret"], secret);
        assert_eq!(acme.get(&at(&webhook)).await.ok()["secret"], masked);
    }
    let webhook = acme.post(WEBHOOKS, with_secret(&Value::Null)).await.created();
    assert!(webhook["secret"].as_str().unwrap().starts_with("whsec_"));
}

#[tokio::test]
async fn a_secret_that_is_too_weak_or_cannot_be_typed_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let text = "Must be 24 to 64 printable ASCII characters";
    let encoding = "Must be whsec_ followed by base64 of 24 to 64 bytes";
    for (secret, fault) in [
        (json!(""), text),
        (json!("x".repeat(23)), text),
        (json!("x".repeat(65)), text),
        (json!("a secret with spaces inside"), text),
        (json!("sécret-that-is-not-all-ascii"), text),
        (json!("whsec_"), encoding),
        (json!("whsec_c2hvcnQ="), encoding),
        (json!("whsec_this is not base64 at all, is it?"), encoding),
        (json!("sesame-open-sesame-open\u{0}"), "Must not contain NUL characters"),
        (json!(123), "Must be a string"),
    ] {
        acme.post(WEBHOOKS, with_secret(&secret)).await.invalid(&json!({"secret": fault}));
    }
}

#[tokio::test]
async fn a_secret_is_not_changed_by_the_way() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    let before = acme.get(&at(&webhook)).await.ok();
    let another = SigningSecret::generate();
    for secret in ["correct-horse-battery-staple", "whsec_…", another.expose()] {
        acme.put(&at(&webhook), json!({"secret": secret, "active": false}))
            .await
            .invalid(&json!({"secret": "Cannot be changed here"}));
    }
    acme.put(&at(&webhook), json!({"secret": null}))
        .await
        .invalid(&json!({"secret": "Must not be null"}));
    assert_eq!(acme.get(&at(&webhook)).await.ok(), before);
}

#[tokio::test]
async fn the_answer_that_shows_the_secret_in_full_can_be_sent_back_until_it_is_replaced() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for secret in [Value::Null, json!("correct-horse-battery-staple")] {
        let mut webhook = acme.post(WEBHOOKS, with_secret(&secret)).await.created();
        webhook["description"] = json!("Edited");
        let edited = acme.put(&at(&webhook), webhook.clone()).await.ok();
        assert_eq!((&edited["description"], &edited["version"]), (&json!("Edited"), &json!(2)));
        assert_eq!(edited["secret"], acme.get(&at(&webhook)).await.ok()["secret"], "masked again");
        acme.post(&format!("{}/secret/rotate", at(&webhook)), json!({})).await.ok();
        acme.put(&at(&webhook), webhook)
            .await
            .invalid(&json!({"secret": "Cannot be changed here"}));
    }
}

#[tokio::test]
async fn the_database_holds_the_secret_only_sealed_for_its_own_row() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    let secret = webhook["secret"].as_str().unwrap();
    let (row, sealed): (String, Vec<u8>) =
        sqlx::query_as("select to_jsonb(w)::text, secret_enc from webhooks w")
            .fetch_one(app.database.admin())
            .await
            .unwrap();

    assert!(!row.contains(secret) && !row.contains(&secret["whsec_".len()..]), "{row}");
    assert!(!sealed.windows(8).any(|bytes| secret.as_bytes()[6..].starts_with(bytes)));
    let id: WebhookId = webhook["id"].as_str().unwrap().parse().unwrap();
    let keyring = &app.api.config.keyring;
    let opened = SigningKeys::open(keyring, &sealed, Owner(acme.id, id)).unwrap();
    assert_eq!(opened.current.secret.expose(), secret);
    let elsewhere = TenantId::fresh(app.clock.now());
    assert!(SigningKeys::open(keyring, &sealed, Owner(elsewhere, id)).is_err());
}

#[tokio::test]
async fn the_api_reads_a_sealed_secret_through_one_function_only_and_only_of_the_transactions_tenant()
 {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let own: uuid::Uuid = sample(&acme).await["id"].as_str().unwrap().parse().unwrap();
    let theirs: uuid::Uuid = sample(&other).await["id"].as_str().unwrap().parse().unwrap();
    let mut session = sqlx::PgConnection::connect(&app.database.app_url()).await.unwrap();
    let through = || {
        sqlx::query_scalar::<_, uuid::Uuid>("select id from find_webhook_secrets($1)")
            .bind(vec![own, theirs])
    };
    assert!(through().fetch_all(&mut session).await.is_err(), "without a tenant");
    sqlx::query("select set_config('app.tenant_id', $1, false)")
        .bind(acme.id.to_string())
        .execute(&mut session)
        .await
        .unwrap();
    assert_eq!(through().fetch_all(&mut session).await.unwrap(), [own]);

    let hint: String = sqlx::query_scalar("select secret_hint from webhooks")
        .fetch_one(&mut session)
        .await
        .unwrap();
    let sealed = sqlx::query_scalar::<_, Vec<u8>>("select secret_enc from webhooks")
        .fetch_one(&mut session)
        .await;

    assert!(hint.starts_with("whsec_…"));
    let refused = sealed.unwrap_err();
    assert_eq!(refused.as_database_error().and_then(DatabaseError::code).as_deref(), Some("42501"));
}

fn with_secret(secret: &Value) -> Value {
    json!({"url": "https://example.com/", "events": ["*"], "secret": secret})
}
