//! Another secret for the same webhook.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use shared::webhook::signature::SigningSecret;
use tests::kit::{Answer, CONTACTS, Call, Subscriber, Tenant, TestApp, WEBHOOKS};

use super::{at, sample};
use crate::signing::{items, verified};

async fn rotate(tenant: &Tenant, webhook: &str, body: Value) -> Value {
    tenant.post(&format!("{webhook}/secret/rotate"), body).await.ok()
}

/// The next request that arrives after a change.
async fn next(app: &TestApp, acme: &Tenant, subscriber: &Subscriber) -> Call {
    let before = subscriber.receiver.calls().len();
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().drain().await.unwrap();
    subscriber.receiver.calls().remove(before)
}

/// Expects both headers to be signed by these secrets, in their order.
#[track_caller]
fn assert_signed_by(call: &Call, secrets: &[&str]) {
    let parse = |secret: &&str| SigningSecret::parse(secret).unwrap();
    let id = call.header("webhook-id");
    let time = call.header("webhook-timestamp").parse().unwrap();
    let standard: Vec<_> =
        secrets.iter().map(|secret| parse(secret).standard(id, time, &call.body)).collect();
    let items: Vec<&str> = call.header("webhook-signature").split(' ').collect();
    let (symmetric, asymmetric) = items.split_at(items.len() / 2);
    assert_eq!(symmetric, standard);
    assert_eq!(asymmetric.len(), secrets.len(), "{items:?}");
    let document: Vec<_> =
        secrets.iter().map(|secret| parse(secret).document(&call.body)).collect();
    assert_eq!(call.header("x-webhook-signature"), document.join(","));
}

#[tokio::test]
async fn both_secrets_sign_for_a_day_the_new_one_first_and_then_the_new_one_alone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let path = format!("{}/secret/rotate", subscriber.path());
    let shown = Answer::to(acme.request(Method::POST, &path)).await.ok();
    let new = shown["secret"].as_str().unwrap();
    assert_ne!(new, subscriber.secret);
    let hint = SigningSecret::parse(&subscriber.secret).unwrap().hint();
    let old = json!({"secret": hint, "publicKey": shown["replaced"][0]["publicKey"],
        "endsAt": "2026-01-03T03:04:05.678Z"});
    assert_eq!(shown["replaced"], json!([old]));
    assert_eq!(shown["version"], 2);

    let both = [new, &subscriber.secret];
    let call = next(&app, &acme, &subscriber).await;
    assert_signed_by(&call, &both);
    let [by_new, by_old] = items(&call, "v1a,")[..] else { panic!("two key pairs sign") };
    let key = |shown: &Value| {
        let key = shown["publicKey"].as_str().unwrap().strip_prefix("whpk_");
        STANDARD.decode(key.unwrap()).unwrap()
    };
    let (key_of_new, key_of_old) = (key(&shown), key(&shown["replaced"][0]));
    assert!(verified(&call, &key_of_new, by_new) && verified(&call, &key_of_old, by_old));
    assert!(!verified(&call, &key_of_new, by_old) && !verified(&call, &key_of_old, by_new));
    app.advance(TimeDelta::hours(24) - TimeDelta::milliseconds(1));
    assert_signed_by(&next(&app, &acme, &subscriber).await, &both);
    app.advance(TimeDelta::milliseconds(1));
    assert_signed_by(&next(&app, &acme, &subscriber).await, &[new]);
}

#[tokio::test]
async fn the_reference_library_accepts_either_secret_during_the_overlap() {
    let app = TestApp::start().await;
    app.advance(shared::Clock::system().now() - app.clock.now());
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let first = rotate(&acme, &subscriber.path(), json!({})).await;
    let second = rotate(&acme, &subscriber.path(), json!({})).await;
    let call = next(&app, &acme, &subscriber).await;
    for secret in
        [&subscriber.secret, first["secret"].as_str().unwrap(), second["secret"].as_str().unwrap()]
    {
        let library = standardwebhooks::Webhook::new(secret).unwrap();
        library.verify(&call.body, &call.headers).unwrap();
    }
}

#[tokio::test]
async fn without_overlap_the_old_secrets_end_at_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    rotate(&acme, &subscriber.path(), json!({"overlapSeconds": 604_800})).await;
    let shown = rotate(&acme, &subscriber.path(), json!({"overlapSeconds": 0})).await;
    assert_eq!(shown["replaced"], json!([]));
    let call = next(&app, &acme, &subscriber).await;
    assert_signed_by(&call, &[shown["secret"].as_str().unwrap()]);
}

#[tokio::test]
async fn a_delivery_that_waits_is_signed_with_the_secrets_of_the_time_of_its_attempt() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.script([500]);
    next(&app, &acme, &subscriber).await;
    let shown = rotate(&acme, &subscriber.path(), json!({"overlapSeconds": 60})).await;
    app.advance(TimeDelta::minutes(2));
    app.worker().drain().await.unwrap();
    let calls = subscriber.receiver.calls();
    assert_signed_by(&calls[0], &[&subscriber.secret]);
    assert_signed_by(&calls[1], &[shown["secret"].as_str().unwrap()]);
}

#[tokio::test]
async fn no_secret_that_still_signs_is_cut_off_by_a_fourth_rotation() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    for _ in 0..3 {
        rotate(&acme, &at(&webhook), json!({})).await;
    }
    let path = format!("{}/secret/rotate", at(&webhook));
    let refused = acme.post(&path, json!({})).await.problem(409, "CONFLICT");
    assert_eq!(
        refused["error"],
        "Three replaced secrets still sign; wait for one to end, or rotate with overlapSeconds 0"
    );
    assert_eq!(acme.get(&at(&webhook)).await.ok()["version"], 4);
    app.advance(TimeDelta::hours(24));
    rotate(&acme, &at(&webhook), json!({})).await;
    rotate(&acme, &at(&webhook), json!({"overlapSeconds": 0})).await;
}

#[tokio::test]
async fn a_tenant_may_bring_its_own_secret_and_go_back_to_one_that_was_replaced() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let own = "correct-horse-battery-staple";
    let shown = rotate(&acme, &subscriber.path(), json!({"secret": own})).await;
    assert_eq!(shown["secret"], own);
    assert_eq!(subscriber.show().await["secret"], "…aple");
    assert_signed_by(&next(&app, &acme, &subscriber).await, &[own, &subscriber.secret]);
    rotate(&acme, &subscriber.path(), json!({"secret": subscriber.secret})).await;
    assert_signed_by(&next(&app, &acme, &subscriber).await, &[&subscriber.secret, own]);
    acme.post(
        &format!("{}/secret/rotate", subscriber.path()),
        json!({"secret": subscriber.secret}),
    )
    .await
    .invalid(&json!({"secret": "Must differ from the one that it replaces"}));
}

#[tokio::test]
async fn a_secret_that_still_signs_comes_back_with_its_key_pair_and_later_with_another() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let back = json!({"secret": subscriber.secret});
    let first = rotate(&acme, &subscriber.path(), json!({})).await["replaced"][0].clone();
    let shown = rotate(&acme, &subscriber.path(), back.clone()).await;
    assert_eq!(shown["publicKey"], first["publicKey"], "receivers were told to trust it");
    let call = next(&app, &acme, &subscriber).await;
    let key = first["publicKey"].as_str().unwrap().strip_prefix("whpk_").unwrap();
    assert!(verified(&call, &STANDARD.decode(key).unwrap(), items(&call, "v1a,")[0]));

    rotate(&acme, &subscriber.path(), json!({"overlapSeconds": 0})).await;
    let shown = rotate(&acme, &subscriber.path(), back).await;
    assert_ne!(shown["publicKey"], first["publicKey"], "it had ended");
}

#[tokio::test]
async fn a_bad_secret_and_a_bad_overlap_are_refused_together() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    for overlap in [json!(-1), json!(604_801), json!(0.5), json!("24h")] {
        let body = json!({"secret": "short", "overlapSeconds": overlap, "overlap": 1});
        acme.post(&format!("{}/secret/rotate", at(&webhook)), body).await.invalid(&json!({
            "secret": "Must be 24 to 64 printable ASCII characters",
            "overlapSeconds": "Must be a whole number from 0 to 604800",
            "overlap": "Unknown field",
        }));
    }
    assert_eq!(acme.get(&at(&webhook)).await.ok(), masked(&webhook));
}

/// The webhook as it is shown after its creation.
fn masked(webhook: &Value) -> Value {
    let mut webhook = webhook.clone();
    let hint = SigningSecret::parse(webhook["secret"].as_str().unwrap()).unwrap().hint();
    webhook["secret"] = json!(hint);
    webhook
}

#[tokio::test]
async fn a_rotation_is_tried_repeated_and_guarded_like_every_write() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    let path = format!("{}/secret/rotate", at(&webhook));
    acme.post(&format!("{path}?dryRun=true"), json!({})).await.ok();
    assert_eq!(acme.get(&at(&webhook)).await.ok(), masked(&webhook));

    let once = || {
        let request = acme.request(Method::POST, &path).header("idempotency-key", "rotate-1");
        Answer::to(request.json(&json!({})))
    };
    let (first, again) = (once().await, once().await);
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(first.header("etag"), again.header("etag"));
    assert_eq!(first.ok(), again.ok());
    assert_eq!(acme.get(&at(&webhook)).await.ok()["version"], 2);

    let stale = acme.request(Method::POST, &path).header("if-match", "\"1-x\"");
    Answer::to(stale).await.problem(412, "PRECONDITION_FAILED");
}

#[tokio::test]
async fn a_rotation_is_in_the_audit_log_without_the_secret_and_needs_the_right_to_write() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = sample(&acme).await;
    let shown = rotate(&acme, &at(&webhook), json!({})).await;
    let log = acme.get("/api/v1/audit-log?action=webhook.secret_rotated").await.page();
    assert_eq!(log.items.len(), 1);
    assert_eq!(log.items[0]["record"]["id"], webhook["id"]);
    let text = format!("{:?}", log.items);
    assert!(!text.contains(shown["secret"].as_str().unwrap()), "{text}");

    let member = acme.with_role(shared::scope::Role::Member).await;
    let refused = member.post(&format!("{}/secret/rotate", at(&webhook)), json!({})).await;
    assert_eq!(refused.problem(403, "INSUFFICIENT_SCOPE")["details"]["scope"], "webhooks:write");
    acme.delete(&at(&webhook)).await.no_content();
    let gone = acme.post(&format!("{}/secret/rotate", at(&webhook)), json!({})).await;
    gone.not_found("Webhook not found");
}

#[tokio::test]
async fn a_rotation_helps_a_webhook_whose_secret_cannot_be_opened() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    app.database.execute("update webhooks set secret_enc = 'lost'").await;
    let shown = rotate(&acme, &subscriber.path(), json!({})).await;
    assert_eq!(shown["replaced"], json!([]));
    let call = next(&app, &acme, &subscriber).await;
    assert_signed_by(&call, &[shown["secret"].as_str().unwrap()]);
    assert!(acme.get(&format!("{WEBHOOKS}?pageSize=1")).await.page().items.len() == 1);
}
