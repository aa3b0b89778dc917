//! What a beginner's code computed for a request that arrived in good order.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::json;
use sha2::{Digest as _, Sha256, Sha512};
use shared::webhook::signature::{SigningSecret, hmac};
use tests::kit::hex;

use super::{Scene, codes, node_decode, python_dumps, sorted};

#[tokio::test]
async fn what_is_right_is_called_right() {
    let scene = Scene::new().await;
    let valid = scene.check(&scene.request()).await;
    assert_eq!(
        valid,
        json!({"valid": true, "signatureValid": true, "computedValid": null, "mistakes": []})
    );
    for scheme in ["v1", "v1a", "body"] {
        let mut request = scene.request();
        request["scheme"] = json!(scheme);
        assert_eq!(scene.check(&request).await["valid"], true, "{scheme}");
    }
    let none = Vec::<String>::new();
    assert_eq!(scene.standard(&scene.key(), &scene.content(scene.text())).await, none);
    let document = hex(&hmac(scene.secret().as_bytes(), &scene.call.body));
    for written in [format!("sha256={document}"), document] {
        assert_eq!(scene.computed(Some("body"), written.clone()).await, none);
        assert_eq!(scene.computed(None, written).await, none);
    }
}

#[tokio::test]
async fn the_ten_mistakes_of_beginners_are_named_each_by_its_name() {
    let scene = Scene::new().await;
    let (key, secret, text) = (scene.key(), scene.secret().to_owned(), scene.text().to_owned());
    let (id, time) = (scene.id().to_owned(), scene.time().to_owned());
    let right = scene.content(&text);

    // 1. Python: json.dumps(request.json)
    let python = python_dumps(&text);
    assert_ne!(python, text);
    assert_eq!(scene.standard(&key, &scene.content(&python)).await, ["body_reserialised"]);
    // 2. The secret's text is the key.
    assert_eq!(scene.standard(secret.as_bytes(), &right).await, ["secret_not_decoded"]);
    assert_eq!(scene.standard(&secret.as_bytes()[6..], &right).await, ["secret_not_decoded"]);
    // 3. The decoded bytes are the key where the text is wanted.
    let document = hex(&hmac(&key, text.as_bytes()));
    assert_eq!(scene.computed(Some("body"), document).await, ["secret_decoded"]);
    // 4. The prefix: Buffer.from("whsec_…", "base64"), and cut off where it belongs in.
    assert_eq!(scene.standard(&node_decode(&secret), &right).await, ["prefix_left_in"]);
    let document = hex(&hmac(&secret.as_bytes()[6..], text.as_bytes()));
    assert_eq!(scene.computed(Some("body"), document).await, ["prefix_left_out"]);
    // 5. Milliseconds.
    let millis = format!("{id}.{time}000.{text}");
    assert_eq!(scene.standard(&key, &millis).await, ["timestamp_unit"]);
    // 6. Parts are missing.
    assert_eq!(scene.standard(&key, &text).await, ["id_and_timestamp_missing"]);
    assert_eq!(scene.standard(&key, &format!("{time}.{text}")).await, ["id_missing"]);
    assert_eq!(scene.standard(&key, &format!("{id}.{text}")).await, ["timestamp_missing"]);
    // 7. The encoding.
    let mac = hmac(&key, right.as_bytes());
    assert_eq!(scene.computed(Some("v1"), hex(&mac)).await, ["hex_for_base64"]);
    let document = STANDARD.encode(hmac(secret.as_bytes(), text.as_bytes()));
    assert_eq!(scene.computed(Some("body"), document).await, ["base64_for_hex"]);
    // 8. White space behind the body.
    assert_eq!(scene.standard(&key, &format!("{right}\n")).await, ["trailing_newline"]);
    // 9. A secret of somewhere else.
    let strange = SigningSecret::generate();
    assert_eq!(scene.standard(strange.key().expose(), &right).await, ["wrong_secret"]);
    let other = scene.acme.subscribe(&["lead.created"]).await;
    let other = SigningSecret::parse(&other.secret).unwrap();
    assert_eq!(scene.standard(other.key().expose(), &right).await, ["secret_of_another_webhook"]);
    // 10. A secret that was rotated away.
    let path = format!("{}/secret/rotate", scene.subscriber.path());
    scene.acme.post(&path, json!({"overlapSeconds": 0})).await.ok();
    let mut request = scene.request();
    request["computed"] = json!(format!("v1,{}", STANDARD.encode(mac)));
    let answer = scene.check(&request).await;
    assert_eq!(
        (codes(&answer), &answer["valid"]),
        (vec!["secret_rotated_away".to_owned()], &json!(false))
    );
}

#[tokio::test]
async fn other_mistakes_in_what_is_computed_are_named_too_and_two_at_once() {
    let scene = Scene::new().await;
    let (key, secret, text) = (scene.key(), scene.secret().to_owned(), scene.text().to_owned());
    let (id, time) = (scene.id().to_owned(), scene.time().to_owned());
    let right = scene.content(&text);
    let data = text.split_once("\"data\":").unwrap().1.rsplit_once(",\"occurrenceId\"").unwrap().0;
    let occurrence = scene.call.json()["occurrenceId"].as_str().unwrap().to_owned();
    let event = scene.call.json()["timestamp"].as_str().unwrap().to_owned();
    for (content, code) in [
        (format!("{time}.{id}.{text}"), "wrong_order"),
        (format!("{id}{time}{text}"), "wrong_separator"),
        (format!("{occurrence}.{time}.{text}"), "wrong_id"),
        (format!("{id}.{event}.{text}"), "timestamp_of_event"),
        (scene.content(""), "body_empty"),
        (scene.content("[object Object]"), "body_not_text"),
        (scene.content(&json!(text).to_string()), "body_encoded_twice"),
        (scene.content(data), "only_data"),
        (scene.content(&sorted(&text)), "body_reserialised"),
    ] {
        assert_eq!(scene.standard(&key, &content).await, [code], "{content}");
    }
    let newline = format!("{secret}\n");
    let document = hex(&hmac(newline.as_bytes(), text.as_bytes()));
    assert_eq!(scene.computed(Some("body"), document.clone()).await, ["secret_has_whitespace"]);
    let upper = hex(&hmac(secret.as_bytes(), text.as_bytes())).to_uppercase();
    assert_eq!(scene.computed(Some("body"), upper.clone()).await, ["upper_case_hex"]);
    assert_eq!(scene.computed(Some("v1"), upper.to_lowercase()).await, ["other_scheme"]);
    let mac = hmac(&key, right.as_bytes());
    let twice = STANDARD.encode(hex(&mac));
    assert_eq!(scene.computed(Some("v1"), twice).await, ["base64_of_hex"]);
    let bare = STANDARD_NO_PAD.encode(mac);
    assert_eq!(scene.computed(Some("v1"), bare).await, ["base64_variant"]);
    let plain = Sha256::new().chain_update(&key).chain_update(&right).finalize();
    assert_eq!(scene.computed(Some("v1"), STANDARD.encode(plain)).await, ["not_hmac"]);
    let other = STANDARD.encode(hmac_sha512(&key, right.as_bytes()));
    assert_eq!(scene.computed(Some("v1"), other).await, ["wrong_hash"]);
    // Two at once.
    let two = scene.standard(secret.as_bytes(), &scene.content(&python_dumps(&text))).await;
    assert_eq!(two, ["secret_not_decoded", "body_reserialised"]);
    assert_eq!(scene.standard(secret.as_bytes(), &text).await, ["other_scheme"]);
}

/// HMAC as RFC 2104 spells it, for keys no longer than a block of SHA-512.
fn hmac_sha512(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0; 128];
    block[..key.len()].copy_from_slice(key);
    let padded = |pad: u8| block.map(|byte| byte ^ pad);
    let inner = Sha512::new().chain_update(padded(0x36)).chain_update(message).finalize();
    Sha512::new().chain_update(padded(0x5c)).chain_update(inner).finalize().to_vec()
}
