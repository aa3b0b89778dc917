//! What can be asked, by whom, and what no answer tells.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use shared::scope::Scope;
use shared::webhook::signature::hmac;
use tests::kit::hex;

use super::{Scene, codes};

#[tokio::test]
async fn no_answer_holds_the_secret_or_a_signature_that_the_caller_did_not_have() {
    let scene = Scene::new().await;
    let key = scene.key();
    let forged = r#"{"id":"x","event":"contact.created","data":{}}"#;
    let expected = [
        STANDARD.encode(hmac(&key, scene.content(forged).as_bytes())),
        hex(&hmac(scene.secret().as_bytes(), forged.as_bytes())),
    ];
    for computed in [None, Some("v1,AAAA"), Some("sha256=00"), Some("hello"), Some("")] {
        let mut request = scene.request();
        request["body"] = json!(forged);
        request["computed"] = json!(computed);
        let answer = scene.check(&request).await;
        assert_eq!(answer["valid"], false);
        let text = answer.to_string();
        for secret in [&scene.secret()[6..], &expected[0], &expected[1], &hex(&key)] {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test]
async fn reading_webhooks_is_right_enough_and_nothing_is_left_behind() {
    let scene = Scene::new().await;
    let path = format!("{}/signature/verify", scene.subscriber.path());
    let reader = scene.acme.with_scopes(&[Scope::WebhooksRead]).await;
    reader.post(&path, scene.request()).await.ok();
    let nobody = scene.acme.with_scopes(&[Scope::WebhooksWrite]).await;
    nobody.post(&path, scene.request()).await.problem(403, "INSUFFICIENT_SCOPE");
    assert_eq!(scene.subscriber.deliveries().await.len(), 1);
}

#[tokio::test]
async fn every_bad_field_of_a_check_is_named() {
    let scene = Scene::new().await;
    let path = format!("{}/signature/verify", scene.subscriber.path());
    let headers = "Must be an object of at most 100 strings, each at most 8192 characters";
    scene
        .acme
        .post(&path, json!({}))
        .await
        .invalid(&json!({"headers": "Is required", "body": "Is required"}));
    let body = json!({"headers": {"a": 1}, "body": 5, "computed": "x".repeat(1025), "scheme": "v2",
        "publicKey": "whpk_", "receivedAt": "soon", "more": 1});
    scene.acme.post(&path, body).await.invalid(&json!({
        "headers": headers,
        "body": "Must be a string",
        "computed": "Must be at most 1024 characters",
        "scheme": "Must be one of v1, v1a, body",
        "publicKey": "Must be whpk_ followed by base64 of 32 bytes",
        "receivedAt": "Must be a time such as 2025-11-02T10:00:00Z",
        "more": "Unknown field",
    }));
    let asymmetric = json!({"headers": {}, "body": "", "scheme": "v1a", "computed": "x"});
    let fault = "Nobody but the sender can compute a v1a signature";
    scene.acme.post(&path, asymmetric).await.invalid(&json!({"computed": fault}));
}

#[tokio::test]
async fn the_largest_check_is_answered() {
    let scene = Scene::new().await;
    let mut request = scene.request();
    request["body"] = json!(format!("{{\"data\":\"{}\"}}", "é".repeat(200_000)));
    request["computed"] = json!(STANDARD.encode([1; 32]));
    let answer = scene.check(&request).await;
    assert_eq!(codes(&answer), ["body_altered"]);
    let forged = format!("v1a,{} ", STANDARD.encode([0; 64]));
    request["headers"]["webhook-signature"] = json!(forged.repeat(80).trim_end());
    request["computed"] = json!(null);
    assert_eq!(codes(&scene.check(&request).await), ["body_altered"]);
}

#[test]
fn the_webhook_guide_explains_every_mistake() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/webhooks.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let codes = api::webhooks::debug::Mistake::ALL.iter().map(|mistake| mistake.tell().0);
    let missing: Vec<_> = codes.filter(|code| !guide.contains(&format!("`{code}`"))).collect();
    assert!(missing.is_empty(), "docs/webhooks.md does not explain {missing:?}");
}
