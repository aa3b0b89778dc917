//! What an issuer may answer, and what it may not.

use std::time::Duration;

use serde_json::json;
use tests::kit::{DISCOVERY, Issuer, IssuerKey, JWKS, Reply};

use super::World;

/// A world whose issuer answers a path like this, asked for the first time.
async fn fails(path: &'static str, reply: impl FnOnce(&Issuer, &IssuerKey) -> Reply) {
    fails_within(Duration::from_mins(1), path, reply).await;
}

async fn fails_within(
    timeout: Duration,
    path: &'static str,
    reply: impl FnOnce(&Issuer, &IssuerKey) -> Reply,
) {
    let world = World::with(IssuerKey::new("first"), |oidc| oidc.timeout = timeout).await;
    world.issuer.answer(path, reply(&world.issuer, &world.key));
    let answer = world.ask(world.token()).await;
    assert_eq!(answer.header("retry-after"), "1");
    answer.problem(503, "SERVICE_UNAVAILABLE");
    // It went as far as the fault, and no further.
    let way = [DISCOVERY, JWKS];
    assert_eq!(world.issuer.asked(), way[..=usize::from(path == JWKS)]);
}

fn document(document: &serde_json::Value) -> Reply {
    Reply::status(200).body(document.to_string())
}

#[tokio::test]
async fn a_discovery_document_must_be_one_of_this_very_issuer() {
    fails(DISCOVERY, |_, _| Reply::status(200).body("<html>")).await;
    fails(DISCOVERY, |_, _| document(&json!({"jwks_uri": "http://127.0.0.1/keys"}))).await;
    fails(DISCOVERY, |issuer, _| document(&json!({"issuer": issuer.url()}))).await;
    fails(DISCOVERY, |issuer, _| {
        let keys_at = format!("{}{JWKS}", issuer.url());
        document(&json!({"issuer": "https://elsewhere.example", "jwks_uri": keys_at}))
    })
    .await;
    for keys_at in ["keys", "http://id.example/keys", "file:///etc/keys", ""] {
        fails(DISCOVERY, |issuer, _| {
            document(&json!({"issuer": issuer.url(), "jwks_uri": keys_at}))
        })
        .await;
    }
}

#[tokio::test]
async fn a_key_set_must_be_one() {
    for nonsense in ["", "[]", "{}", r#"{"keys": {}}"#] {
        fails(JWKS, |_, _| Reply::status(200).body(nonsense)).await;
    }
}

#[tokio::test]
async fn an_answer_other_than_200_is_not_read_and_no_redirect_is_followed() {
    for path in [DISCOVERY, JWKS] {
        fails(path, |_, key| Reply::status(500).body(json!({"keys": [key.jwk()]}).to_string()))
            .await;
    }
    // A second issuer says exactly the right thing, and is never asked.
    let key = IssuerKey::new("first");
    let elsewhere = Issuer::start(&[&key]).await;
    let there = format!("{}{JWKS}", elsewhere.url());
    for status in [301, 302, 307, 308] {
        let there = there.clone();
        fails(JWKS, |_, _| Reply::status(status).header("location", there)).await;
    }
    assert_eq!(elsewhere.asked(), [""; 0]);
}

#[tokio::test]
async fn an_answer_is_read_up_to_256_kib() {
    let padded = |key: &IssuerKey, length: usize| {
        let mut body = json!({"keys": [key.jwk()]}).to_string();
        body.push_str(&" ".repeat(length - body.len()));
        Reply::status(200).body(body)
    };
    fails(JWKS, |_, key| padded(key, 256 * 1024 + 1)).await;
    let world = World::new().await;
    world.issuer.answer(JWKS, padded(&world.key, 256 * 1024));
    world.ask(world.token()).await.page();
}

#[tokio::test]
async fn an_issuer_that_does_not_come_to_an_end_is_not_waited_for() {
    for path in [DISCOVERY, JWKS] {
        let never = Reply::status(200).after(Duration::from_hours(1));
        fails_within(Duration::from_secs(3), path, |_, _| never).await;
    }
}

#[tokio::test]
async fn keys_of_other_kinds_and_for_other_ends_are_passed_over() {
    let world = World::new().await;
    let mut encrypting = IssuerKey::new("first").jwk();
    encrypting["use"] = json!("enc");
    let strange = json!({"kty": "unheard of", "kid": "first"});
    let secret = json!({"kty": "oct", "kid": "first", "k": "c2VjcmV0"});
    let keys = [encrypting, strange, secret, json!(7), world.key.jwk()];
    world.issuer.publish(JWKS, &json!({"keys": keys}));
    world.ask(world.token()).await.page();
}
