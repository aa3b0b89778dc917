//! The public keys of a webhook as a JSON Web Key Set (RFC 7517 and 8037): what receivers verify `v1a` with.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::id::WebhookId;
use shared::webhook::keys::PublishedKey;
use shared::{Db, clock};
use utoipa::ToSchema;

use super::store;
use crate::error::{Error, Result};

/// The keys that a webhook's `v1a` signatures are made with, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
    "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "whpk": "whpk_11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "endsAt": null}]}))]
pub struct KeySet {
    /// The keys.
    pub keys: Vec<WebKey>,
}

/// A public key of ed25519.
#[derive(Debug, Serialize, ToSchema)]
pub struct WebKey {
    /// `OKP`.
    pub kty: &'static str,
    /// `Ed25519`.
    pub crv: &'static str,
    /// `EdDSA`.
    pub alg: &'static str,
    /// `sig`.
    #[serde(rename = "use")]
    pub usage: &'static str,
    /// The thumbprint of RFC 7638.
    pub kid: String,
    /// The key in base64url, without padding.
    pub x: String,
    /// The same as Standard Webhooks writes it.
    pub whpk: String,
    /// From when on nothing is signed with it; `null` for the current one.
    #[serde(rename = "endsAt", serialize_with = "clock::serialize_option")]
    pub ends_at: Option<DateTime<Utc>>,
}

/// The keys that count now.
///
/// # Errors
/// [`Error::NotFound`] without such a webhook, and while it has no pair yet.
pub async fn public_keys(db: &Db, id: WebhookId) -> Result<KeySet> {
    let found = store::find_public_keys(db, id).await?;
    let now = db.clock().now();
    let live = |key: &PublishedKey| key.ends_at.is_none_or(|end| end > now);
    let keys: Vec<_> = found.into_iter().flatten().filter(live).map(web_key).collect();
    if keys.is_empty() { Err(Error::NotFound("Webhook")) } else { Ok(KeySet { keys }) }
}

fn web_key(PublishedKey { key, ends_at }: PublishedKey) -> WebKey {
    WebKey {
        kty: "OKP",
        crv: "Ed25519",
        alg: "EdDSA",
        usage: "sig",
        kid: key.thumbprint(),
        x: key.x(),
        whpk: key.text(),
        ends_at,
    }
}
