//! What the product sends to webhooks, event by event.

use serde_json::{Map, Value, json};
use shared::event::EventType;

use super::schemas::{Schemas, reference};

/// `webhooks`: each event with its body and headers.
pub(super) fn all(schemas: &mut Schemas) -> Map<String, Value> {
    EventType::ALL
        .iter()
        .map(|event| {
            let item = json!({"post": operation(*event, crate::payload(*event), schemas)});
            (event.as_str().to_owned(), item)
        })
        .collect()
}

/// What an event's `data` is.
pub struct Payload {
    /// The record, or what happened.
    pub data: crate::http::doc::SchemaOf,
    /// Members besides those of the record, such as `previous`.
    pub more: &'static [(&'static str, &'static str)],
}

fn operation(event: EventType, payload: Payload, schemas: &mut Schemas) -> Value {
    let mut data = schemas.shown(payload.data);
    if !payload.more.is_empty() {
        let member = |(name, what): &(&str, &str)| ((*name).to_owned(), json!({"description": what}));
        let more: Map<String, Value> = payload.more.iter().map(member).collect();
        data = json!({"allOf": [data, {"type": "object", "properties": more}]});
    }
    let body = json!({
        "type": "object",
        "required": ["id", "event", "timestamp", "occurrenceId", "data"],
        "properties": {
            "id": {"type": "string", "format": "uuid", "description": "The delivery: the same on every attempt"},
            "event": {"type": "string", "enum": [event.as_str()]},
            "timestamp": {"type": "string", "format": "date-time", "description": "When the change was made"},
            "occurrenceId": {"type": "string", "format": "uuid", "description": "The change: the same for every webhook"},
            "data": data,
        },
    });
    json!({
        "operationId": format!("on {}", event.as_str()),
        "summary": format!("`{}`", event.as_str()),
        "description": "Sent to every webhook that listens. Answer 2xx within 30 seconds; anything else is tried again \
            after 2, 4, 8 and 16 minutes.",
        "tags": ["Webhooks"],
        "security": [],
        "parameters": headers(),
        "requestBody": {"required": true, "content": {"application/json": {"schema": body}}},
        "responses": {
            "2XX": {"description": "Taken"},
            "410": {"description": "The webhook is switched off"},
            "default": {"description": "Tried again"},
        },
    })
}

fn headers() -> Vec<Value> {
    let header = |(name, what): (&str, &str)| {
        json!({"name": name, "in": "header", "required": true, "description": what, "schema": {"type": "string"}})
    };
    [
        ("webhook-id", "The delivery, as `id` (Standard Webhooks)"),
        ("webhook-timestamp", "Unix seconds of this attempt (Standard Webhooks)"),
        ("webhook-signature", "`v1,` and base64 of the HMAC-SHA256 of id, time and body (Standard Webhooks)"),
        ("X-Webhook-Signature", "`sha256=` and the hexadecimal HMAC-SHA256 of the body"),
        ("X-Webhook-Attempt", "1 to 5"),
    ]
    .map(header)
    .into()
}
