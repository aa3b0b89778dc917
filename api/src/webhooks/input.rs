//! What is sent to create a webhook or to change one, with its rules.

use std::collections::BTreeMap;

use serde_json::json;
use shared::event;
use shared::webhook::signature::SigningSecret;
use shared::webhook::target::TargetPolicy;
use utoipa::ToSchema;

use super::request_options::{NewCertificate, RequestPatch};
use super::subscription::{Filter, SubscriptionPatch};
use crate::http::fields::{Change, Checked, Fault, Fields, Input};
use crate::http::json::Value;
use crate::http::rules;
use crate::http::rules::Rule;

/// What answers show and nobody sets.
const READ_ONLY: &[&str] =
    &["disabledReason", "health", "failureStreak", "lastSuccessAt", "lastDeliveryAt"];

/// What a webhook is created from.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[schema(example = json!({"url": "https://example.com/webhook", "events": ["contact.created", "contact.updated"]}))]
pub struct NewWebhook {
    /// `https`, to a public host.
    pub url: String,
    /// Events, families such as `contact.*`, or `*`.
    pub events: Vec<String>,
    /// `true` unless said otherwise.
    #[schema(value_type = Option<bool>)]
    pub active: bool,
    /// 1 to 200 characters.
    pub description: Option<String>,
    /// A secret of one's own instead of a fresh one: `whsec_` and base64 of 24 to 64 bytes, or 24 to 64 characters.
    #[schema(value_type = Option<String>)]
    pub secret: SigningSecret,
    /// Headers that every attempt sends, at most ten, by name. Not those of the sender and the connection.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub headers: Change<BTreeMap<String, String>>,
    /// The certificate that receivers are shown when they ask for one.
    #[schema(value_type = Option<NewCertificate>)]
    pub client_certificate: Change<NewCertificate>,
    /// Attempts begun in a second, at most.
    #[schema(value_type = Option<i64>)]
    pub rate_limit: Change<i64>,
    /// Whether what has failed is sent again when the receiver has recovered; `false` unless said otherwise.
    #[schema(value_type = Option<bool>)]
    pub auto_redrive: bool,
    /// Which of these events it hears of; all of them without one.
    #[schema(value_type = Option<Filter>)]
    pub filter: Change<Filter>,
    /// The members of `data` that are sent, such as `status` or `previous.status`; the record's id and `version` always
    /// are.
    #[schema(value_type = Option<Vec<String>>)]
    pub fields: Change<Vec<String>>,
    /// `record`: deliveries of one record go one after the other; `none`, as at first: as they come.
    pub ordering: Option<String>,
}

/// What changes in a webhook: absent fields stay, `null` clears.
#[derive(Debug, Default, ToSchema)]
#[schema(rename_all = "camelCase")]
#[schema(example = json!({"active": true, "events": ["contact.created"]}))]
pub struct WebhookPatch {
    /// Replaces the address.
    pub url: Option<String>,
    /// Replaces the events.
    pub events: Option<Vec<String>>,
    /// Switches on or off.
    pub active: Option<bool>,
    /// Changes the note.
    #[schema(value_type = Option<String>)]
    pub description: Change<String>,
    /// The secret as answers show it, in full or not, so that an answer can be sent back.
    pub(super) secret: Option<String>,
    /// Headers that every attempt sends, at most ten, by name. Not those of the sender and the connection.
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub headers: Change<BTreeMap<String, String>>,
    /// The certificate that receivers are shown when they ask for one.
    #[schema(value_type = Option<NewCertificate>)]
    pub client_certificate: Change<NewCertificate>,
    /// Attempts begun in a second, at most.
    #[schema(value_type = Option<i64>)]
    pub rate_limit: Change<i64>,
    /// Whether what has failed is sent again when the receiver has recovered.
    pub auto_redrive: Option<bool>,
    /// Which of these events it hears of; all of them without one.
    #[schema(value_type = Option<Filter>)]
    pub filter: Change<Filter>,
    /// The members of `data` that are sent, such as `status` or `previous.status`; the record's id and `version` always
    /// are.
    #[schema(value_type = Option<Vec<String>>)]
    pub fields: Change<Vec<String>>,
    /// `record`: deliveries of one record go one after the other; `none`, as at first: as they come.
    pub ordering: Option<String>,
}

impl Input for NewWebhook {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let targets = fields.targets();
        let url = fields.required("url", address(targets));
        let events = fields.required("events", patterns());
        let active = fields.optional("active", rules::boolean());
        let description = fields.optional("description", rules::line(200));
        let secret = fields.optional("secret", own_secret());
        let auto_redrive = fields.optional("autoRedrive", rules::boolean());
        let calling = RequestPatch::read(fields);
        fields.ignore(READ_ONLY);
        let selecting = SubscriptionPatch::read_new(fields);
        let RequestPatch { headers, client_certificate, rate_limit } = calling?;
        let SubscriptionPatch { filter, fields, ordering } = selecting?;
        Some(Self {
            url: url?,
            events: events?,
            active: active?.unwrap_or(true),
            description: description?,
            secret: secret?.unwrap_or_else(SigningSecret::generate),
            headers,
            client_certificate,
            rate_limit,
            auto_redrive: auto_redrive?.unwrap_or_default(),
            filter,
            fields,
            ordering,
        })
    }
}

impl Input for WebhookPatch {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let targets = fields.targets();
        let url = fields.replaced("url", address(targets));
        let events = fields.replaced("events", patterns());
        let active = fields.replaced("active", rules::boolean());
        let description = fields.changed("description", rules::line(200));
        let secret = fields.replaced("secret", rules::string());
        let auto_redrive = fields.replaced("autoRedrive", rules::boolean());
        let calling = RequestPatch::read(fields);
        fields.ignore(READ_ONLY);
        let selecting = SubscriptionPatch::read_change(fields);
        let RequestPatch { headers, client_certificate, rate_limit } = calling?;
        let SubscriptionPatch { filter, fields, ordering } = selecting?;
        Some(Self {
            url: url?,
            events: events?,
            active: active?,
            description: description?,
            secret: secret?,
            headers,
            client_certificate,
            rate_limit,
            auto_redrive: auto_redrive?,
            filter,
            fields,
            ordering,
        })
    }
}

/// An address that webhooks may have, in its normal form: no second parser ever sees what was typed.
fn address(targets: &TargetPolicy) -> impl Rule<String> {
    let schema = || json!({"type": "string", "format": "uri", "maxLength": 2048, "pattern": r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s/\\?#@]+([/?#][^\s]*)?$"});
    rules::string_of(schema, |text| {
        let url = targets.parse(&text).map_err(|fault| fault.to_string())?;
        Ok(url.as_str().to_owned())
    })
}

/// A list of known events and families, each once, at least one (requirement W-12).
pub(super) fn patterns() -> impl Rule<Vec<String>> {
    let words = || json!({"type": "string", "enum": event::patterns()});
    rules::rule(move || json!({"type": "array", "minItems": 1, "items": words()}), known_patterns)
}

fn known_patterns(value: Value) -> Checked<Vec<String>> {
    let list = || -> Fault {
        format!("Must be a list of at least one of {}", event::patterns().join(", ")).into()
    };
    let Value::Array(items) = value else { return Err(list()) };
    let mut names: Vec<String> = Vec::with_capacity(items.len());
    for item in items {
        match item {
            Value::String(name) if event::is_pattern(&name) => {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            _ => return Err(list()),
        }
    }
    if names.is_empty() { Err(list()) } else { Ok(names) }
}

/// A secret that the tenant brings along.
pub(super) fn own_secret() -> impl Rule<SigningSecret> {
    // 24 to 64 bytes are 32 to 88 characters of base64.
    let schema = || {
        json!({"type": "string", "anyOf": [
            {"pattern": "^whsec_[A-Za-z0-9+/]{30,88}={0,2}$"},
            {"pattern": "^(?!whsec_)[!-~]{24,64}$"},
        ]})
    };
    rules::string_of(schema, |text| {
        SigningSecret::parse(&text).map_err(|fault| fault.to_string().into())
    })
}
