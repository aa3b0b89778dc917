//! Who hears of a change of health.

use serde_json::{Value, json};

use super::{Stage, contact, received};

#[tokio::test]
async fn the_tenants_other_webhooks_hear_of_it_signed_if_they_asked_and_nobody_else_does() {
    let mut stage = Stage::new().await;
    let own = json!({"events": ["contact.*", "webhook.*"]});
    stage.acme.put(&stage.hook.path(), own).await.ok();
    let named = stage.acme.subscribe(&["webhook.failing"]).await;
    let family = stage.acme.subscribe(&["webhook.*"]).await;
    let deaf = stage.acme.subscribe(&["*"]).await;
    let rival = stage.app.tenant("rival").await;
    let stranger = rival.subscribe(&["webhook.*"]).await;
    stage.fail().await;
    stage.worker.drain().await.unwrap();

    let call = named.receiver.only_call();
    call.assert_signed(&named.secret);
    let now = json!(shared::clock::rfc3339(stage.app.clock.now()));
    let data = call.json()["data"].clone();
    for (member, expected) in [
        ("id", json!(stage.hook.id)),
        ("url", json!(stage.hook.receiver.url())),
        ("state", json!("failing")),
        ("previousState", json!("healthy")),
        ("reason", Value::Null),
        ("failureStreak", json!(10)),
        ("lastSuccessAt", Value::Null),
        ("lastFailureAt", now),
        ("lastError", json!("http_status")),
        ("pending", json!(5)),
        ("oldestPendingAt", data["failingSince"].clone()),
    ] {
        assert_eq!(data[member], expected, "{member}");
    }
    let failing = |data: &Value| (json!("webhook.failing"), data.clone());
    assert_eq!(received(&family), [failing(&data)]);
    for silent in [&deaf, &stage.hook] {
        let events: Vec<_> = received(silent).into_iter().map(|(event, _)| event).collect();
        assert!(events.iter().all(|event| event == "contact.created"), "{events:?}");
    }
    assert_eq!(received(&stranger), []);
    let itself = stage.hook.deliveries().await;
    assert!(itself.iter().all(|one| one["event"] == "contact.created"), "{itself:#?}");

    let event = &stage.told().await[0];
    assert_eq!(event["data"], data);
    let path = format!("/api/v1/audit-log/{}", event["id"].as_str().unwrap());
    let entry = stage.acme.get(&path).await.ok();
    assert_eq!(entry["action"], "webhook.failing");
    assert_eq!(entry["actor"], json!({"type": "system", "id": null}));
    assert_eq!(entry["record"], json!({"type": "webhook", "id": stage.hook.id}));
}

#[tokio::test]
async fn two_webhooks_that_fail_hear_of_each_other_without_end() {
    let mut stage = Stage::new().await;
    let other = stage.acme.subscribe(&["*", "webhook.*"]).await;
    let both = json!({"events": ["contact.*", "webhook.*"]});
    stage.acme.put(&stage.hook.path(), both).await.ok();
    for receiver in [&stage.hook.receiver, &other.receiver] {
        receiver.script([500; 200]);
    }
    contact(&stage.acme).await;
    stage.app.announce(&stage.acme, "contact.created", 5).await;
    for _ in 0..40 {
        stage.worker.drain().await.unwrap();
        stage.app.advance(chrono::TimeDelta::minutes(1));
    }
    let told = stage.told_names().await;
    assert_eq!(told, ["webhook.failing", "webhook.failing"]);
    let pending = stage.app.count("pending").await;
    assert_eq!(pending, 0, "all of it has ended");
}

#[tokio::test]
async fn that_a_webhook_is_not_told_of_itself_is_explained() {
    let mut stage = Stage::new().await;
    let own = json!({"events": ["contact.*", "webhook.*"]});
    stage.acme.put(&stage.hook.path(), own).await.ok();
    stage.fail().await;
    stage.worker.relay().await.unwrap();
    let told = stage.told().await;
    let path = format!("/api/v1/events/{}/webhooks", told[0]["id"].as_str().unwrap());
    let verdict = stage.acme.get(&path).await.ok()["webhooks"][0].clone();
    assert_eq!(verdict["webhookId"], json!(stage.hook.id));
    assert_eq!(
        (&verdict["outcome"], &verdict["reason"]),
        (&json!("not_matched"), &json!("its_own_health"))
    );
}
