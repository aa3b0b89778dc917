//! The public keys of webhooks: at a documented address, for anyone.

use api::limit::{Class, Limit, LimitConfig};
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared::settings::Value as _;
use shared::webhook::Owner;
use shared::webhook::ed25519::PublicKey;
use shared::webhook::keys::{Key, SigningKeys};
use shared::webhook::signature::SigningSecret;
use tests::kit::{Answer, CONTACTS, Subscriber, Tenant, TestApp};

use super::{at, sample};

async fn keys(app: &TestApp, webhook: &str) -> Answer {
    let path = format!("/.well-known/webhook-keys/{webhook}");
    Answer::to(app.request(Method::GET, &path)).await
}

fn id(webhook: &Value) -> &str {
    webhook["id"].as_str().unwrap()
}

#[tokio::test]
async fn anyone_gets_a_webhooks_public_keys_as_a_json_web_key_set_and_nothing_else_of_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    let revealed = acme.get(&format!("{}/secret", at(&webhook))).await.ok();
    let answer = keys(&app, id(&webhook)).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    assert_eq!(answer.header("cache-control"), "public, max-age=300");

    let whpk = revealed["publicKey"].as_str().unwrap();
    let key = PublicKey::parse(whpk).unwrap();
    let expected = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
        "kid": key.thumbprint(), "x": key.x(), "whpk": whpk, "endsAt": null}]});
    assert_eq!(answer.body, expected);
}

#[tokio::test]
async fn a_replaced_key_stays_published_for_as_long_as_it_signs() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    let old = keys(&app, id(&webhook)).await.body["keys"][0]["x"].clone();
    acme.post(&format!("{}/secret/rotate", at(&webhook)), json!({"overlapSeconds": 60})).await.ok();
    let both = keys(&app, id(&webhook)).await.body;
    assert_ne!(both["keys"][0]["x"], old);
    assert_eq!(both["keys"][1]["x"], old);
    assert_eq!(both["keys"][1]["endsAt"], "2026-01-02T03:05:05.678Z");
    app.advance(TimeDelta::seconds(60));
    let one = keys(&app, id(&webhook)).await.body;
    assert_eq!(one["keys"].as_array().unwrap().len(), 1);
    assert_eq!(one["keys"][0], both["keys"][0]);
}

#[tokio::test]
async fn an_unknown_a_malformed_and_a_deleted_webhook_have_no_keys() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    acme.delete(&at(&webhook)).await.no_content();
    for webhook in [id(&webhook), "019b7ca9-8f2e-7eb0-9eef-b4330b6b2329", "nobody"] {
        keys(&app, webhook).await.not_found("Webhook not found");
    }
}

#[tokio::test]
async fn whoever_asks_too_often_for_public_keys_has_to_wait() {
    let app = TestApp::configured(|config| {
        let rate = Limit::parse("2/1m").unwrap();
        config.limits = LimitConfig::off().with(Class::Read, rate);
    })
    .await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    for _ in 0..2 {
        assert_eq!(keys(&app, id(&webhook)).await.status, 200);
    }
    keys(&app, id(&webhook)).await.problem(429, "RATE_LIMITED");
}

/// A webhook as it was before migration 0015: its secret alone is sealed.
async fn as_before(app: &TestApp, acme: &Tenant, subscriber: &Subscriber) {
    let secret = SigningSecret::parse(&subscriber.secret).unwrap();
    let place = format!("{}|{}|webhooks.secret", acme.id, subscriber.id);
    let sealed = app.api.config.keyring.seal(secret.expose().as_bytes(), place.as_bytes()).unwrap();
    sqlx::query("update webhooks set secret_enc = $2, public_keys = null where id = $1")
        .bind(subscriber.id)
        .bind(sealed)
        .execute(app.database.admin())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_webhook_from_before_signs_on_and_gets_a_key_pair_from_the_worker_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    as_before(&app, &acme, &subscriber).await;
    let webhook = subscriber.id.to_string();
    let mut worker = app.worker();
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    worker.drain().await.unwrap();
    keys(&app, &webhook).await.not_found("Webhook not found");

    let (db, keyring) = (app.worker_db(), &app.api.config.keyring);
    let give = || worker::signing::give_pairs(&db, keyring);
    assert_eq!((give().await.unwrap(), give().await.unwrap()), (1, 0));
    acme.post(CONTACTS, json!({"name": "Grace"})).await.created();
    worker.drain().await.unwrap();

    let calls = subscriber.receiver.calls();
    let schemes = |at: usize| {
        let items = calls[at].header("webhook-signature").split(' ');
        items.map(|item| item.split(',').next().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!((schemes(0), schemes(1)), (vec!["v1"], vec!["v1", "v1a"]));
    for call in &calls {
        call.assert_signed(&subscriber.secret);
    }
    assert_eq!(keys(&app, &webhook).await.body["keys"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_webhook_whose_secret_cannot_be_opened_does_not_keep_others_from_their_key_pairs() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (lost, other) = (acme.subscribe(&["*"]).await, acme.subscribe(&["*"]).await);
    for subscriber in [&lost, &other] {
        as_before(&app, &acme, subscriber).await;
    }
    let strange = shared::seal::Keyring::parse("9:YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8=");
    let owner = Owner(acme.id, lost.id.to_string().parse().unwrap());
    let keys = SigningKeys::first(Key::new(SigningSecret::generate()).unwrap());
    sqlx::query("update webhooks set secret_enc = $2 where id = $1")
        .bind(lost.id)
        .bind(keys.seal(&strange.unwrap(), owner).unwrap())
        .execute(app.database.admin())
        .await
        .unwrap();
    let given = worker::signing::give_pairs(&app.worker_db(), &app.api.config.keyring).await;
    assert_eq!(given.unwrap(), 1);
    assert_eq!(self::keys(&app, &other.id.to_string()).await.status, 200);
    self::keys(&app, &lost.id.to_string()).await.not_found("Webhook not found");
}
