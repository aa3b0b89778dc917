//! How a webhook's secret is replaced.

use chrono::TimeDelta;
use shared::webhook::signature::SigningSecret;
use utoipa::ToSchema;

use crate::http::fields::{Fields, Input};
use crate::http::rules;
use crate::webhooks::input::own_secret;

/// The longest overlap of two secrets, in seconds: 7 days.
const MAX_OVERLAP: i64 = 7 * DAY;
/// An overlap that nobody chose, in seconds.
const DAY: i64 = 24 * 60 * 60;

/// How a webhook's secret is replaced.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"overlapSeconds": 86400}))]
pub struct SecretRotation {
    /// A secret of one's own instead of a fresh one, as at the webhook's creation.
    #[schema(value_type = Option<String>)]
    pub secret: SigningSecret,
    /// How long the secrets that the webhook has sign on: 0 to 7 days, a day when absent.
    #[schema(value_type = Option<i64>)]
    pub overlap_seconds: TimeDelta,
}

impl Input for SecretRotation {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let secret = fields.optional("secret", own_secret());
        let seconds = fields.optional("overlapSeconds", rules::integer(0..=MAX_OVERLAP));
        Some(Self {
            secret: secret?.unwrap_or_else(SigningSecret::generate),
            overlap_seconds: TimeDelta::seconds(seconds?.unwrap_or(DAY)),
        })
    }
}
