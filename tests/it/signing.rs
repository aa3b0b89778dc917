//! Both signature families, checked by other code than the product's own.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use http::Method;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use shared::Clock;
use shared::settings::Value as _;
use standardwebhooks::Webhook;
use tests::kit::{Answer, CONTACTS, Call, Receiver, TestApp, WEBHOOKS, hex};

/// HMAC-SHA256 as RFC 2104 spells it.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; 64];
    if key.len() > block.len() {
        block[..32].copy_from_slice(&Sha256::digest(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha256::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}

/// `id.timestamp.body`, as Standard Webhooks signs it.
fn signed_content(call: &Call) -> Vec<u8> {
    let head = format!("{}.{}.", call.header("webhook-id"), call.header("webhook-timestamp"));
    [head.as_bytes(), &call.body].concat()
}

/// The signatures of a scheme, in their order.
pub fn items<'a>(call: &'a Call, scheme: &str) -> Vec<&'a str> {
    let items = call.header("webhook-signature").split(' ');
    items.filter_map(|item| item.strip_prefix(scheme)).collect()
}

#[tokio::test]
async fn the_reference_library_of_standard_webhooks_verifies_a_request_as_it_arrives() {
    let app = TestApp::start().await;
    app.advance(Clock::system().now() - app.clock.now());
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().drain().await.unwrap();

    let call = subscriber.receiver.only_call();
    let library = Webhook::new(&subscriber.secret).unwrap();
    library.verify(&call.body, &call.headers).unwrap();
    let mut altered = call.body.to_vec();
    *altered.last_mut().unwrap() = b' ';
    assert!(library.verify(&altered, &call.headers).is_err());
}

#[tokio::test]
async fn both_signatures_are_what_an_independent_hmac_makes_of_the_bytes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().drain().await.unwrap();

    let call = subscriber.receiver.only_call();
    let key = STANDARD.decode(subscriber.secret.strip_prefix("whsec_").unwrap()).unwrap();
    assert_eq!(key.len(), 36);
    let standard = STANDARD.encode(hmac(&key, &signed_content(&call)));
    assert_eq!(items(&call, "v1,"), [standard]);
    let document = hex(&hmac(subscriber.secret.as_bytes(), &call.body));
    assert_eq!(call.header("x-webhook-signature"), format!("sha256={document}"));
}

/// Whether another implementation of ed25519 than the product's own accepts a signature by this key.
pub fn verified(call: &Call, key: &[u8], signature: &str) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, key);
    key.verify(&signed_content(call), &STANDARD.decode(signature).unwrap()).is_ok()
}

#[tokio::test]
async fn another_implementation_of_ed25519_verifies_v1a_with_the_published_key() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (subscriber, other) =
        (acme.subscribe(&["*"]).await, acme.subscribe(&["lead.created"]).await);
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().drain().await.unwrap();

    let mut call = subscriber.receiver.only_call();
    let signatures: Vec<String> = items(&call, "v1a,").into_iter().map(str::to_owned).collect();
    let [signature] = &signatures[..] else { panic!("{signatures:?}") };
    let key = public_key(&app, &subscriber.id.to_string()).await;
    assert!(verified(&call, &key, signature));
    let strange = public_key(&app, &other.id.to_string()).await;
    assert!(!verified(&call, &strange, signature));
    let mut altered = call.body.to_vec();
    *altered.last_mut().unwrap() = b' ';
    call.body = altered.into();
    assert!(!verified(&call, &key, signature));
}

/// The newest key that the api publishes for a webhook.
async fn public_key(app: &TestApp, webhook: &str) -> Vec<u8> {
    let path = format!("/.well-known/webhook-keys/{webhook}");
    let answer = Answer::to(app.request(Method::GET, &path)).await;
    URL_SAFE_NO_PAD.decode(answer.body["keys"][0]["x"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn the_reference_library_verifies_v1_wherever_it_stands_among_the_signatures() {
    let app = TestApp::start().await;
    app.advance(Clock::system().now() - app.clock.now());
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().drain().await.unwrap();

    let mut call = subscriber.receiver.only_call();
    let library = Webhook::new(&subscriber.secret).unwrap();
    let v1 = format!("v1,{}", items(&call, "v1,")[0]);
    let v1a = format!("v1a,{}", items(&call, "v1a,")[0]);
    let strange = format!("v1,{}", STANDARD.encode([7; 32]));
    for order in [[&v1, &v1a, &strange], [&v1a, &v1, &strange], [&strange, &v1a, &v1]] {
        let text = order.map(String::as_str).join(" ");
        call.headers.insert("webhook-signature", text.parse().unwrap());
        library.verify(&call.body, &call.headers).unwrap();
    }
    call.headers.insert("webhook-signature", format!("{v1a} {strange}").parse().unwrap());
    assert!(library.verify(&call.body, &call.headers).is_err());
}

#[tokio::test]
async fn a_secret_of_the_tenants_own_keys_both_signatures_with_its_text() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let secret = "correct-horse-battery-staple";
    acme.post(WEBHOOKS, json!({"url": receiver.url(), "events": ["*"], "secret": secret}))
        .await
        .created();
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().drain().await.unwrap();

    let call = receiver.only_call();
    let standard = STANDARD.encode(hmac(secret.as_bytes(), &signed_content(&call)));
    assert_eq!(items(&call, "v1,"), [standard]);
    let document = hex(&hmac(secret.as_bytes(), &call.body));
    assert_eq!(call.header("x-webhook-signature"), format!("sha256={document}"));
}

#[tokio::test]
async fn every_attempt_is_signed_anew_at_its_own_time_over_the_same_bytes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.script([500, 500]);
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    let mut times = Vec::new();
    for minutes in [2, 4, 8] {
        worker.drain().await.unwrap();
        times.push(app.clock.now().timestamp().to_string());
        app.advance(TimeDelta::minutes(minutes));
    }

    let calls = subscriber.receiver.calls();
    let sent: Vec<&str> = calls.iter().map(|call| call.header("webhook-timestamp")).collect();
    assert_eq!(sent, times);
    for call in &calls {
        call.assert_signed(&subscriber.secret);
        assert_eq!(call.body, calls[0].body);
        assert_eq!(call.header("webhook-id"), calls[0].header("webhook-id"));
        assert_eq!(call.header("x-webhook-signature"), calls[0].header("x-webhook-signature"));
    }
    assert_ne!(calls[0].header("webhook-signature"), calls[1].header("webhook-signature"));
    assert_ne!(calls[1].header("webhook-signature"), calls[2].header("webhook-signature"));
}

#[tokio::test]
async fn a_payload_keeps_its_bytes_whatever_is_in_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let payload = r#"{ "b":1, "a":12345678901234567890.123456789012345678901234567890,"a":1E400,
        "text":"é\u00e9 \ud83d\ude00 😀 \/ \" \\ "#
        .to_owned()
        + "\u{2028}\u{202e}\", \"empty\" : {}, \"deep\":[[[]]] }";
    sqlx::query(
        "insert into outbox (tenant_id, event_id, event, payload, occurred_at)
         values ($1, gen_random_uuid(), 'contact.created', $2::json, $3)",
    )
    .bind(acme.id.0)
    .bind(&payload)
    .bind(app.clock.now())
    .execute(app.database.admin())
    .await
    .unwrap();
    app.worker().drain().await.unwrap();

    let call = subscriber.receiver.only_call();
    let text = std::str::from_utf8(&call.body).unwrap();
    assert!(text.contains(&format!(r#","data":{payload},"occurrenceId""#)), "{text}");
    call.assert_signed(&subscriber.secret);
}

#[tokio::test]
async fn a_secret_that_one_worker_cannot_open_is_left_to_the_next_attempt_of_another() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let rotated_away = "2:YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8=";
    let mut without = app.worker_with(|config| {
        config.keyring = shared::seal::Keyring::parse(rotated_away).unwrap();
    });
    without.drain().await.unwrap();

    assert!(subscriber.receiver.calls().is_empty());
    let delivery = subscriber.only_delivery().await;
    assert_eq!(
        (&delivery["status"], &delivery["lastError"]),
        (&json!("pending"), &json!("secret_unreadable"))
    );
    let log = delivery["attemptLog"].as_array().unwrap();
    assert_eq!((log.len(), &log[0]["errorCode"]), (1, &json!("secret_unreadable")));

    app.advance(chrono::TimeDelta::minutes(2));
    app.worker().drain().await.unwrap();
    let _ = subscriber.receiver.only_call();
    assert_eq!(subscriber.only_delivery().await["status"], "delivered");
}
