//! Members that hold one of some words say which.

use serde_json::{Value, json};

use super::document;

#[test]
fn a_member_of_webhooks_deliveries_and_replays_that_holds_a_fixed_word_names_all_of_them() {
    let schemas = &document()["components"]["schemas"];
    let triggers = json!(["automatic", "manual", "replay", "redrive", "test"]);
    for (record, member, words) in [
        ("WebhookEvent", "status", json!(["pending", "delivered", "failed", "skipped"])),
        ("WebhookEvent", "trigger", triggers.clone()),
        ("WebhookEvent", "skipReason", json!(["webhook_inactive", "webhook_disabled", null])),
        (
            "WebhookEvent",
            "heldReason",
            json!([
                "webhook_inactive",
                "webhook_disabled",
                "record_order",
                "retry_after",
                "rate_limit",
                null
            ]),
        ),
        ("Attempt", "trigger", triggers),
        ("Replay", "state", json!(["running", "paused", "completed", "cancelled"])),
        ("Replay", "trigger", json!(["replay", "redrive"])),
        (
            "Replay",
            "heldReason",
            json!(["webhook_inactive", "webhook_disabled", "webhook_failing", null]),
        ),
        ("Webhook", "disabledReason", json!(["gone", "failing", null])),
        ("WebhookHealth", "disabledReason", json!(["gone", "failing", null])),
    ] {
        let schema = &schemas[record]["properties"][member];
        assert_eq!(schema["enum"], words, "{record}.{member}");
        let nullable = words.as_array().unwrap().contains(&Value::Null);
        let kind = if nullable { json!(["string", "null"]) } else { json!("string") };
        assert_eq!(schema["type"], kind, "{record}.{member}");
    }
}
