//! What a developer sends to have a signature checked.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::json;
use shared::webhook::ed25519::PublicKey;
use utoipa::ToSchema;

use super::Scheme;
use crate::http::fields::{Checked, Fields, Input};
use crate::http::json::Value;
use crate::http::rules::{self, Rule};

/// Most headers, and the longest one in characters.
const HEADERS: (usize, usize) = (100, 8192);
/// The longest body in characters; what is sent is far shorter.
const BODY: usize = 256 * 1024;

/// A request as it was received, and what the receiver's code made of it.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"headers": {
    "webhook-id": "evt_0000000000000000000001", "webhook-timestamp": "1767323046",
    "webhook-signature": "v1,76pdbQEp00Z+9PXi/ei0ofDawVkpMo1MPnYNjgLW0O0="},
    "body": "{\"id\":\"evt_0000000000000000000001\"}", "receivedAt": "2026-01-02T03:04:07Z",
    "computed": "v1,3yK1mRtkgPHeFIU0s3HjPZGuOB4aeM/RErb8IiWrC4w="}))]
pub struct SignatureCheck {
    /// The request's headers; those that are not about signatures are ignored.
    pub headers: BTreeMap<String, String>,
    /// The body as text, exactly as your code had it when it verified.
    pub body: String,
    /// The signature that your code computed, if it did.
    pub computed: Option<String>,
    /// What your code verifies: `v1` or `v1a` of `webhook-signature`, or `body` for `X-Webhook-Signature`.
    #[schema(value_type = Option<String>)]
    pub scheme: Option<Scheme>,
    /// The public key that your code verifies with: `whpk_…`, or its base64 alone.
    #[schema(value_type = Option<String>)]
    pub public_key: Option<PublicKey>,
    /// When your server received it, by its own clock; now when absent.
    pub received_at: Option<DateTime<Utc>>,
}

impl Input for SignatureCheck {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let headers = fields.required("headers", headers());
        let body = fields.required("body", text(BODY));
        let computed = fields.optional("computed", text(1024));
        let scheme = fields.optional("scheme", rules::one_of(Scheme::ALL, Scheme::as_str));
        let public_key = fields.optional("publicKey", public_key());
        let received_at = fields.optional("receivedAt", rules::time());
        fields.together(|| {
            json!({"not": {"required": ["computed", "scheme"],
            "properties": {"scheme": {"const": "v1a"}, "computed": {"type": "string"}}}})
        });
        if let (Some(Some(_)), Some(Some(Scheme::V1a))) = (&computed, &scheme) {
            fields.refuse("computed", "Nobody but the sender can compute a v1a signature");
        }
        Some(Self {
            headers: headers?,
            body: body?,
            computed: computed?,
            scheme: scheme?,
            public_key: public_key?,
            received_at: received_at?,
        })
    }
}

/// A text that is never stored: any characters, so many of them.
fn text(most: usize) -> impl Rule<String> {
    let schema = move || json!({"type": "string", "maxLength": most});
    rules::rule(schema, move |value| match value {
        Value::String(text) if text.chars().count() <= most => Ok(text),
        Value::String(_) => Err(format!("Must be at most {most} characters").into()),
        _ => Err("Must be a string".into()),
    })
}

fn public_key() -> impl Rule<PublicKey> {
    let schema = || json!({"type": "string", "pattern": "^(whpk_)?[A-Za-z0-9+/]{43}=$"});
    rules::string_of(schema, |text| {
        PublicKey::parse(&text).map_err(|fault| fault.to_string().into())
    })
}

/// Names in lower case with their values.
fn headers() -> impl Rule<BTreeMap<String, String>> {
    let schema = || {
        json!({"type": "object", "maxProperties": HEADERS.0,
            "additionalProperties": {"type": "string", "maxLength": HEADERS.1}})
    };
    rules::rule(schema, named_texts)
}

fn named_texts(value: Value) -> Checked<BTreeMap<String, String>> {
    let fault = || {
        format!(
            "Must be an object of at most {} strings, each at most {} characters",
            HEADERS.0, HEADERS.1
        )
    };
    match value {
        Value::Object(members) if members.len() <= HEADERS.0 => members
            .into_iter()
            .map(|(name, value)| match value {
                Value::String(text) if text.chars().count() <= HEADERS.1 => {
                    Ok((name.trim().to_ascii_lowercase(), text.trim().to_owned()))
                }
                _ => Err(fault().into()),
            })
            .collect(),
        _ => Err(fault().into()),
    }
}
