//! Requests that are not as they were sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{Scene, codes, python_dumps};

#[tokio::test]
async fn a_request_that_was_changed_on_its_way_is_told_from_one_that_was_not() {
    let scene = Scene::new().await;
    let text = scene.text().to_owned();
    for (body, code) in [
        (python_dumps(&text), "body_reserialised"),
        (format!("{text}\n"), "trailing_newline"),
        (text[..text.len() - 3].to_owned(), "body_truncated"),
        (text.replace("ACME", "Acme"), "body_altered"),
        (String::new(), "body_empty"),
        ("[object Object]".to_owned(), "body_not_text"),
    ] {
        assert_eq!(scene.changed(|request| request["body"] = json!(body)).await, [code], "{body}");
        let asymmetric = scene
            .changed(|request| {
                request["body"] = json!(body);
                request["scheme"] = json!("v1a");
            })
            .await;
        assert_eq!(asymmetric, [code], "{body}");
    }
    let header = |name: &'static str, value: Value| {
        move |request: &mut Value| request["headers"][name] = value
    };
    let millis = format!("{}000", scene.time());
    assert_eq!(scene.changed(header("webhook-timestamp", json!(millis))).await, ["timestamp_unit"]);
    assert_eq!(
        scene.changed(header("webhook-timestamp", json!("soon"))).await.last().unwrap(),
        "timestamp_unit"
    );
    assert_eq!(
        scene.changed(header("webhook-timestamp", json!(""))).await,
        ["timestamp_header_missing"]
    );
    assert_eq!(scene.changed(header("webhook-id", json!(""))).await, ["id_header_missing"]);
    let unsigned = scene
        .changed(|request| {
            request["headers"]["webhook-signature"] = json!("");
            request["headers"]["x-webhook-signature"] = json!("");
        })
        .await;
    assert_eq!(unsigned, ["signature_header_missing"]);
}

#[tokio::test]
async fn of_a_delivery_that_is_not_kept_any_more_what_can_be_known_is_known() {
    let scene = Scene::new().await;
    let received = scene.app.clock.now().to_rfc3339();
    scene.app.advance(TimeDelta::days(31));
    assert!(scene.app.worker().keep().await.unwrap());
    assert!(scene.subscriber.deliveries().await.is_empty());
    let mut request = scene.request();
    request["receivedAt"] = json!(received);
    assert_eq!(scene.check(&request).await["valid"], true);
    let text = scene.text().to_owned();
    for (body, code) in [
        (text.replace("\",\"", "\", \""), "body_reserialised"),
        (format!("{text}\n"), "trailing_newline"),
        (text.replace("ACME", "Acme"), "id_unknown"),
    ] {
        for scheme in ["v1", "v1a"] {
            let mut changed = request.clone();
            changed["body"] = json!(body);
            changed["scheme"] = json!(scheme);
            assert_eq!(codes(&scene.check(&changed).await), [code], "{scheme}: {body}");
        }
    }
}

#[tokio::test]
async fn a_request_that_is_old_or_early_by_the_receivers_clock_is_told_so() {
    let scene = Scene::new().await;
    for (seconds, codes) in [
        (300, vec![]),
        (301, vec!["timestamp_too_old"]),
        (-300, vec![]),
        (-301, vec!["timestamp_in_future"]),
    ] {
        let mut request = scene.request();
        let time = scene.app.clock.now() + TimeDelta::seconds(seconds);
        request["receivedAt"] = json!(time.to_rfc3339());
        let answer = scene.check(&request).await;
        assert_eq!(self::codes(&answer), codes, "{seconds}");
        assert_eq!(
            (&answer["signatureValid"], &answer["valid"]),
            (&json!(true), &json!(codes.is_empty()))
        );
    }
    scene.app.advance(TimeDelta::minutes(6));
    assert_eq!(codes(&scene.check(&scene.request()).await), ["timestamp_too_old"]);
}

#[tokio::test]
async fn a_signature_of_another_attempt_is_recognised() {
    let scene = Scene::new().await;
    scene.app.advance(TimeDelta::minutes(1));
    let delivery = scene.subscriber.only_delivery().await;
    scene.subscriber.resend(&delivery).await.ok();
    scene.app.worker().drain().await.unwrap();
    let second = &scene.subscriber.receiver.calls()[1];
    let mixed = scene
        .changed(|request| {
            request["headers"]["webhook-signature"] = json!(second.header("webhook-signature"));
            request["headers"]["x-webhook-signature"] = json!("");
        })
        .await;
    assert_eq!(mixed, ["another_attempt"]);
}

#[tokio::test]
async fn a_request_for_another_webhook_and_one_for_nobody_are_told_apart() {
    let scene = Scene::new().await;
    let other = scene.acme.subscribe(&["*"]).await;
    let path = format!("{}/signature/verify", other.path());
    let answer = scene.acme.post(&path, scene.request()).await.ok();
    assert_eq!(
        (codes(&answer), &answer["signatureValid"]),
        (vec!["wrong_webhook".to_owned()], &json!(false))
    );

    let stranger = scene.app.tenant("stranger").await;
    let theirs = stranger.subscribe(&["*"]).await;
    let path = format!("{}/signature/verify", theirs.path());
    let answer = stranger.post(&path, scene.request()).await.ok();
    assert_eq!(codes(&answer), ["id_unknown"]);
}

#[tokio::test]
async fn a_public_key_is_the_right_one_an_old_one_or_none_of_this_webhooks() {
    let scene = Scene::new().await;
    let secret = format!("{}/secret", scene.subscriber.path());
    let key = scene.acme.get(&secret).await.ok()["publicKey"].clone();
    let mut request = scene.request();
    request["scheme"] = json!("v1a");
    request["publicKey"] = key;
    assert_eq!(scene.check(&request).await["valid"], true);
    scene.acme.post(&format!("{secret}/rotate"), json!({"overlapSeconds": 0})).await.ok();
    assert_eq!(codes(&scene.check(&request).await), ["public_key_replaced"]);
    request["publicKey"] = json!(STANDARD.encode([9; 32]));
    let found = codes(&scene.check(&request).await);
    assert_eq!(found, ["public_key_replaced", "wrong_public_key"]);
}

#[tokio::test]
async fn no_more_signatures_are_looked_at_than_a_request_of_ours_has() {
    let scene = Scene::new().await;
    let right = scene.call.header("webhook-signature").to_owned();
    let forged = STANDARD.encode([1; 64]);
    for (forgeries, valid) in [(3, true), (4, false)] {
        let mut request = scene.request();
        let signatures = format!("v1a,{forged} v1,{forged} ").repeat(forgeries) + &right;
        request["headers"]["webhook-signature"] = json!(signatures);
        for scheme in ["v1", "v1a"] {
            request["scheme"] = json!(scheme);
            assert_eq!(
                scene.check(&request).await["signatureValid"],
                valid,
                "{forgeries} {scheme}"
            );
        }
    }
}
