//! What the product sends to webhooks, event by event.

use serde_json::{Map, Value, json};
use shared::event::EventType;

use super::schemas::Schemas;
use crate::events::{Member, Payload, payload};

const WHAT: &str = "Sent to every webhook that listens. Answer 2xx within 30 seconds; anything else is tried again after \
    2, 4, 8 and 16 minutes. Deliveries come at least once, and in no order unless the webhook's `ordering` asks for one. Of a webhook with \
    `fields`, `data` has these members only.";

/// `webhooks`: each event with its body and headers.
pub(super) fn all(schemas: &mut Schemas) -> Map<String, Value> {
    let item = |event: &EventType| {
        let item = json!({"post": operation(*event, payload(*event), schemas)});
        (event.as_str().to_owned(), item)
    };
    EventType::ALL.iter().map(item).collect()
}

fn operation(event: EventType, payload: Payload, schemas: &mut Schemas) -> Value {
    let (schema, example) = data(payload, schemas);
    let body = json!({
        "type": "object",
        "required": ["id", "event", "timestamp", "data", "occurrenceId", "sequence"],
        "properties": {
            "id": {"type": "string", "format": "uuid", "description": "The delivery: the same on every attempt."},
            "event": {"type": "string", "const": event.as_str()},
            "timestamp": {"type": "string", "format": "date-time", "description": "When the change was made."},
            "data": schema,
            "occurrenceId": {"type": "string", "format": "uuid",
                "description": "The change: the same for every webhook."},
            "sequence": {"type": "integer", "format": "int64", "minimum": 0,
                "description": "The change's number in the tenant's log; 0 of a test event."},
            "test": {"type": "boolean", "const": true, "description": "Only there in a test event."},
        },
    });
    let example = json!({
        "id": "01a2036d-dd90-8f80-adb3-9b61f9f3842d",
        "event": event.as_str(),
        "timestamp": "2026-01-02T03:04:05.678Z",
        "data": example,
        "occurrenceId": "01a2036d-dd90-7db3-b0cb-82fad60cc68f",
        "sequence": 42,
    });
    json!({
        "operationId": name(event),
        "summary": format!("`{}`", event.as_str()),
        "description": WHAT,
        "tags": ["Webhooks"],
        "security": [],
        "parameters": headers(event),
        "requestBody": {
            "required": true,
            "content": {"application/json": {"schema": body, "example": example}},
        },
        "responses": {
            "2XX": {"description": "Taken"},
            "410": {"description": "Unwanted: the webhook is switched off"},
            "default": {"description": "Tried again"},
        },
    })
}

/// `onLeadMovedToStage` for `lead.moved_to_stage`.
fn name(event: EventType) -> String {
    let words = event.as_str().split(['.', '_']);
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    words.fold("on".to_owned(), |name, word| name + &capital(word))
}

/// An example of an event's `data`.
pub(super) fn sample(event: EventType) -> Value {
    data(payload(event), &mut Schemas::default()).1
}

/// The schema of an event's `data`, whole or as `fields` leaves it, and an example of the whole.
fn data(payload: Payload, schemas: &mut Schemas) -> (Value, Value) {
    let (record, masked) = (schemas.shown(payload.record), schemas.masked(payload.record));
    let mut example = schemas.example(payload.record).unwrap_or_default();
    let (mut members, mut required) = (Map::new(), Vec::new());
    for (name, member) in payload.more {
        let (schema, one) = match member {
            Member::Sign(what) => (json!({"const": true, "description": what}), None),
            Member::Previous(one) => {
                let former = schemas.members(&(payload.record.name)());
                let what = "The former values of what changed.";
                (json!({"type": "object", "description": what, "properties": former}), Some(one))
            }
            Member::Plain(schema, one) => (schema, Some(one)),
            Member::Record(of) => (schemas.shown(of), schemas.example(of)),
            Member::RecordOrNull(of) => {
                (json!({"anyOf": [schemas.shown(of), {"type": "null"}]}), schemas.example(of))
            }
        };
        if let Some(one) = one {
            required.push(name);
            example[name] = one;
        }
        members.insert(name.to_owned(), schema);
    }
    let left = members.iter().map(|(name, member)| (name.clone(), schemas.thinned(member)));
    let masked = with(masked, &left.collect(), &[]);
    (json!({"anyOf": [with(record, &members, &required), masked]}), example)
}

/// The record with members beside its own.
fn with(record: Value, more: &Map<String, Value>, required: &[&str]) -> Value {
    if more.is_empty() {
        return record;
    }
    let mut more = json!({"type": "object", "properties": more});
    if !required.is_empty() {
        more["required"] = json!(required);
    }
    json!({"allOf": [record, more]})
}

fn headers(event: EventType) -> Vec<Value> {
    let header = |(name, what, pattern): (&str, &str, String)| {
        json!({"name": name, "in": "header", "required": name != "traceparent", "description": what,
            "schema": {"type": "string", "pattern": pattern}})
    };
    [
        ("webhook-id", "The delivery, as `id` (Standard Webhooks)", "^[0-9a-f-]{36}$".to_owned()),
        ("webhook-timestamp", "Unix seconds of this attempt (Standard Webhooks)", "^[0-9]+$".to_owned()),
        (
            "webhook-signature",
            "Of id, time and body, in base64 (Standard Webhooks): `v1` is HMAC-SHA256, `v1a` ed25519; several of each during a rotation, divided by spaces",
            "^v1,[A-Za-z0-9+/=]+( v1a?,[A-Za-z0-9+/=]+)*$".to_owned(),
        ),
        (
            "X-Webhook-Signature",
            "HMAC-SHA256 of the body, in hexadecimal; may hold several, divided by commas",
            "^sha256=[0-9a-f]{64}(,sha256=[0-9a-f]{64})*$".to_owned(),
        ),
        ("X-Webhook-Event", "As `event`", format!("^{}$", event.as_str().replace('.', r"\."))),
        ("X-Webhook-Attempt", "Begins again at 1 when it is sent again", "^[1-9][0-9]*$".to_owned()),
        (
            "X-Webhook-Trigger",
            "`manual` is a resend, `replay` a bulk one, `redrive` one after a recovery, `test` a test event",
            "^(automatic|manual|replay|redrive|test)$".to_owned(),
        ),
        ("traceparent", "W3C Trace Context", "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$".to_owned()),
    ]
    .map(header)
    .into()
}
