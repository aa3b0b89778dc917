//! The signature debugger: a developer sends what arrived and what the own code computed, and is told which of the
//! usual mistakes was made. Nothing that is secret or that signs is ever in an answer: a caller learns whether a
//! signature that it has already is right, and by which mistake it came about.

mod body;
mod computed;
mod http;
mod input;
mod keys;
mod mistake;
mod reading;
mod received;
mod rewrite;
mod search;
mod stamp;
mod store;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use shared::TenantTx;
use shared::id::WebhookId;
use shared::seal::Keyring;
use shared::webhook::Owner;
use shared::webhook::keys::SigningKeys;
use shared::webhook::signature::SigningSecret;
use utoipa::ToSchema;
use uuid::Uuid;

use super::signing;
use crate::error::{Error, Result};
use crate::http::Representation;
pub use http::routes;
use input::SignatureCheck;
pub use mistake::{Found, Mistake};

/// How old or how early a request may be, as every library of Standard Webhooks has it.
const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

shared::words! {
    /// What a signature is made by.
    pub enum Scheme {
        /// HMAC in `webhook-signature`.
        V1 = "v1",
        /// ed25519 in `webhook-signature`.
        V1a = "v1a",
        /// HMAC over the body alone, in `X-Webhook-Signature`.
        Body = "body",
    }
}

/// What was found out about a signature.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"valid": false, "signatureValid": true, "computedValid": false, "mistakes": [
    {"code": "secret_not_decoded",
        "message": "For webhook-signature the key is the decoded base64 behind whsec_, not the text"}]}))]
pub struct Diagnosis {
    /// Whether all is well: no mistake was found.
    pub valid: bool,
    /// Whether a signature in the headers is this webhook's over exactly this body; `null` without one.
    pub signature_valid: Option<bool>,
    /// Whether what was computed is right; `null` when nothing was.
    pub computed_valid: Option<bool>,
    /// What is wrong, the likeliest first.
    pub mistakes: Vec<Found>,
}

impl Representation for Diagnosis {}

/// A delivery as it was really sent.
pub struct Sent {
    webhook: Uuid,
    body: String,
    attempts: Vec<DateTime<Utc>>,
}

/// Everything that is known of one check.
struct Case {
    check: SignatureCheck,
    webhook: WebhookId,
    keys: SigningKeys,
    others: Vec<SigningSecret>,
    sent: Option<Sent>,
    now: DateTime<Utc>,
}

/// Finds out what is wrong with a signature, if anything is.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] when the secret cannot be opened.
pub async fn diagnose(
    tx: &mut TenantTx,
    id: WebhookId,
    check: SignatureCheck,
    keyring: &Keyring,
) -> Result<Diagnosis> {
    let keys = signing::opened(tx, keyring, id).await?.ok_or_else(signing::unreadable)?;
    let others = store::find_others(tx, id.0).await?;
    let owner = |id| Owner(tx.tenant(), WebhookId(id));
    let place: Vec<Owner> = others.iter().map(|id| owner(*id)).collect();
    let sealed = signing::store::find_secrets(tx, &others).await?;
    let open = |(id, sealed): (Uuid, Vec<u8>)| {
        let owner = place.iter().find(|owner| owner.1.0 == id)?;
        Some(SigningKeys::open(keyring, &sealed, *owner).ok()?.current.secret)
    };
    let others = sealed.into_iter().filter_map(open).collect();
    let delivery = check.headers.get("webhook-id").and_then(|id| id.parse().ok());
    let sent = match delivery {
        Some(delivery) => store::find_sent(tx, delivery).await?,
        None => None,
    };
    let case = Case { check, webhook: id, keys, others, sent, now: tx.now() };
    let concluded = tokio::task::spawn_blocking(move || case.conclude()).await;
    concluded.map_err(|error| Error::Internal(error.into()))
}

impl Case {
    fn conclude(&self) -> Diagnosis {
        let (signature_valid, mut mistakes) = self.received();
        mistakes.extend(self.headers());
        mistakes.extend(self.public_key());
        let mut computed_valid = None;
        if let Some(computed) = &self.check.computed {
            let found = self.computed(computed).unwrap_or_else(|| {
                let genuine = signature_valid == Some(true);
                vec![if genuine { Mistake::WrongSecret } else { Mistake::Unexplained }]
            });
            computed_valid = Some(found.is_empty());
            mistakes.extend(found);
        }
        let mut seen = Vec::new();
        mistakes.retain(|mistake| {
            !seen.contains(mistake) && {
                seen.push(*mistake);
                true
            }
        });
        // What could not be explained needs no mention beside an explanation.
        if mistakes.len() > 1 {
            mistakes.retain(|mistake| *mistake != Mistake::Unexplained);
        }
        let valid = mistakes.is_empty();
        let mistakes = mistakes.into_iter().map(Found::from).collect();
        Diagnosis { valid, signature_valid, computed_valid, mistakes }
    }

    /// What a header says, if it is there.
    fn header(&self, name: &str) -> Option<&str> {
        self.check.headers.get(name).map(String::as_str).filter(|text| !text.is_empty())
    }

    /// What id and time say by themselves.
    fn headers(&self) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        if self.check.scheme == Some(Scheme::Body) {
            return mistakes;
        }
        if self.header("webhook-id").is_none() {
            mistakes.push(Mistake::IdHeaderMissing);
        }
        let Some(text) = self.header("webhook-timestamp") else {
            mistakes.push(Mistake::TimestampHeaderMissing);
            return mistakes;
        };
        let Some(stamp) = stamp::read(text) else {
            mistakes.push(Mistake::TimestampUnit);
            return mistakes;
        };
        let age =
            self.check.received_at.unwrap_or(self.now).timestamp().saturating_sub(stamp.value);
        mistakes.extend(stamp.mistakes);
        if age > TOLERANCE.num_seconds() {
            mistakes.push(Mistake::TimestampTooOld);
        } else if age < -TOLERANCE.num_seconds() {
            mistakes.push(Mistake::TimestampInFuture);
        }
        mistakes
    }

    fn public_key(&self) -> Option<Mistake> {
        let given = self.check.public_key?;
        let mut live = self.keys.published(self.now).into_iter();
        if live.any(|published| published.key == given) {
            return None;
        }
        let known = self.keys.replaced.iter().any(|old| old.key.public() == Some(given));
        Some(if known { Mistake::PublicKeyReplaced } else { Mistake::WrongPublicKey })
    }

    /// The delivery, if it is this webhook's.
    fn own(&self) -> Option<&Sent> {
        self.sent.as_ref().filter(|sent| sent.webhook == self.webhook.0)
    }
}
