//! What a webhook's requests are signed with: replaced, revealed, and its public half published
//! (docs/decisions/0017).

mod http;
mod input;
mod jwks;
pub(super) mod store;

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::id::WebhookId;
use shared::seal::Keyring;
use shared::webhook::Owner;
use shared::webhook::ed25519::PublicKey;
use shared::webhook::keys::{Key, Replaced, SigningKeys};
use shared::webhook::signature::SigningSecret;
use shared::{TenantTx, clock};
use utoipa::ToSchema;

use super::Webhook;
use crate::changes;
use crate::error::{Error, Result};
use crate::http::{IfMatch, Representation, Resource};
pub use http::routes;
use input::SecretRotation;

/// What a webhook's requests are signed with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({"secret": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj",
    "publicKey": "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "version": 2, "replaced": [
        {"secret": "whsec_…f3a9", "publicKey": "whpk_PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw=",
            "endsAt": "2026-01-03T03:04:05.678Z"}]}))]
pub struct WebhookSecrets {
    /// The webhook.
    #[schema(value_type = Uuid)]
    pub webhook_id: WebhookId,
    /// The secret that it signs with, in full.
    pub secret: String,
    /// The public key that goes with it; `null` for some seconds after an upgrade.
    pub public_key: Option<String>,
    /// What was replaced and still signs, the latest first.
    pub replaced: Vec<ReplacedSecret>,
    /// The webhook's version.
    pub version: i32,
}

/// A secret that another one replaced.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplacedSecret {
    /// In full when revealed; after a rotation only its last four characters.
    pub secret: String,
    /// The public key that went with it.
    pub public_key: Option<String>,
    /// From when on it signs no more.
    #[serde(serialize_with = "clock::serialize")]
    pub ends_at: DateTime<Utc>,
}

impl Representation for WebhookSecrets {
    fn version(&self) -> Option<i32> {
        Some(self.version)
    }
}

/// Keys as they are stored: sealed, and the public ones in the clear.
pub struct Sealed {
    pub(super) sealed: Vec<u8>,
    pub(super) published: serde_json::Value,
}

impl Sealed {
    /// Seals the keys of a webhook.
    ///
    /// # Errors
    /// [`Error::Internal`] with a broken keyring.
    pub fn new(
        keys: &SigningKeys,
        keyring: &Keyring,
        owner: Owner,
        now: DateTime<Utc>,
    ) -> Result<Self> {
        let sealed = keys.seal(keyring, owner).map_err(internal)?;
        let published = serde_json::to_value(keys.published(now)).map_err(internal)?;
        Ok(Self { sealed, published })
    }
}

/// Gives a webhook another secret and key pair. Those that it has sign on during the overlap; an end that is set
/// already only comes nearer. Old keys that do not open are let go: this is how such a webhook is helped.
///
/// # Errors
/// [`Error::NotFound`], [`Error::PreconditionFailed`]; [`Error::Invalid`] for the secret that it has;
/// [`Error::Conflict`] when more than three replaced secrets would sign.
pub async fn rotate(
    tx: &mut TenantTx,
    id: WebhookId,
    seen: &IfMatch,
    rotation: SecretRotation,
    keyring: &Keyring,
) -> Result<WebhookSecrets> {
    let mut webhook = super::store::lock(tx, id).await?.ok_or_else(WebhookId::not_found)?;
    seen.check(webhook.version)?;
    let now = tx.now();
    let key = Key::new(rotation.secret).map_err(internal)?;
    let keys = match opened(tx, keyring, id).await? {
        Some(old) if old.current.secret == key.secret => {
            return Err(Error::field("secret", "Must differ from the one that it replaces"));
        }
        Some(old) => old.rotate(key, now, rotation.overlap_seconds).map_err(|_| crowded())?,
        None => SigningKeys::first(key),
    };
    webhook.secret = keys.current.secret.hint();
    changes::touch(&mut webhook.version, &mut webhook.updated_at, now);
    let sealed = Sealed::new(&keys, keyring, Owner(tx.tenant(), id), now)?;
    store::replace(tx, &webhook, &sealed).await?;
    changes::noted(tx, &webhook, "secret_rotated");
    Ok(shown(&webhook, &keys, now, |old| old.key.secret.hint()))
}

/// What a webhook signs with, in full. That it was asked for is kept in the audit log, which the answer waits for.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] when it cannot be opened.
pub async fn reveal(tx: &mut TenantTx, id: WebhookId, keyring: &Keyring) -> Result<WebhookSecrets> {
    let webhook = super::show(tx, id).await?;
    let keys = opened(tx, keyring, id).await?.ok_or_else(unreadable)?;
    changes::noted(tx, &webhook, "secret_revealed");
    let now = tx.now();
    Ok(shown(&webhook, &keys, now, |old| old.key.secret.expose().to_owned()))
}

/// Refuses another secret than the webhook's own, which may be given as answers show it: masked, or in full as when it
/// was created. Whoever guesses learns no more than by [`rotate`], which refuses the one that it would replace.
///
/// # Errors
/// [`Error::Invalid`].
pub(super) async fn stays(
    tx: &mut TenantTx,
    webhook: &Webhook,
    shown: &str,
    keyring: &Keyring,
) -> Result<()> {
    if shown == webhook.secret {
        return Ok(());
    }
    let same = match SigningSecret::parse(shown) {
        Ok(shown) => {
            opened(tx, keyring, webhook.id).await?.is_some_and(|keys| keys.current.secret == shown)
        }
        Err(_) => false,
    };
    if same { Ok(()) } else { Err(Error::field("secret", "Cannot be changed here")) }
}

/// The keys of a webhook; `None` when they do not open: the keyring has lost the key that sealed them.
pub(super) async fn opened(
    tx: &mut TenantTx,
    keyring: &Keyring,
    id: WebhookId,
) -> Result<Option<SigningKeys>> {
    let sealed = store::find_secrets(tx, &[id.0]).await?.pop().ok_or_else(WebhookId::not_found)?;
    let keys = SigningKeys::open(keyring, &sealed.1, Owner(tx.tenant(), id));
    if let Err(error) = &keys {
        tracing::error!(webhook_id = %id, %error, "the keys of a webhook do not open");
    }
    Ok(keys.ok())
}

fn shown(
    webhook: &Webhook,
    keys: &SigningKeys,
    now: DateTime<Utc>,
    secret: impl Fn(&Replaced) -> String,
) -> WebhookSecrets {
    let replaced = keys.live(now).map(|old| ReplacedSecret {
        secret: secret(old),
        public_key: old.key.public().map(PublicKey::text),
        ends_at: old.ends_at,
    });
    WebhookSecrets {
        webhook_id: webhook.id,
        secret: keys.current.secret.expose().to_owned(),
        public_key: keys.current.public().map(PublicKey::text),
        replaced: replaced.collect(),
        version: webhook.version,
    }
}

pub(super) fn unreadable() -> Error {
    Error::Conflict("The webhook's secret cannot be opened; rotate it".into())
}

fn crowded() -> Error {
    Error::Conflict(
        "Three replaced secrets still sign; wait for one to end, or rotate with overlapSeconds 0"
            .into(),
    )
}

fn internal(error: impl Into<crate::error::BoxError>) -> Error {
    Error::Internal(error.into())
}
