//! All keys of one webhook: what it signs with, and what that replaced. They are sealed together, so that an attempt
//! opens one value, and a replaced key ends by its time alone (docs/decisions/0017).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::seal::{Keyring, Unopened};
use crate::webhook::Owner;
use crate::webhook::ed25519::{BadKey, KeyPair, PublicKey};
use crate::webhook::signature::{BadSecret, SigningSecret};

/// The first byte of what is sealed. A bare secret, as webhooks had before migration 0015, is printable.
const FORMAT: u8 = 1;

/// Most replaced keys that sign at the same time, and most that are kept to recognise them.
pub const MOST_REPLACED: usize = 3;

/// See the module.
#[derive(Debug)]
pub struct SigningKeys {
    /// What it signs with.
    pub current: Key,
    /// What was replaced, the latest first, whether it still signs or not.
    pub replaced: Vec<Replaced>,
}

/// A secret and the pair that goes with it.
#[derive(Debug)]
pub struct Key {
    /// For `v1` and `X-Webhook-Signature`.
    pub secret: SigningSecret,
    /// For `v1a`; none where the secret is from before migration 0015.
    pub pair: Option<KeyPair>,
}

/// A key that another one replaced.
#[derive(Debug)]
pub struct Replaced {
    /// The key.
    pub key: Key,
    /// From when on it signs no more.
    pub ends_at: DateTime<Utc>,
}

/// The values of both signature headers.
#[derive(Debug)]
pub struct Signatures {
    /// `webhook-signature`: each `v1`, then each `v1a`, the newest first, divided by spaces.
    pub standard: String,
    /// `X-Webhook-Signature`: the newest first, divided by commas.
    pub document: String,
}

/// A public key that receivers may trust, as the database keeps it in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedKey {
    /// The key.
    pub key: PublicKey,
    /// From when on nothing is signed with it.
    pub ends_at: Option<DateTime<Utc>>,
}

/// Keys that cannot be made, kept or read.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// They did not open.
    #[error(transparent)]
    Sealed(#[from] Unopened),
    /// They opened and are of no known form.
    #[error("the keys of a webhook are of an unknown form")]
    Form,
    /// No pair could be made.
    #[error("no key pair could be made")]
    Pair(#[from] BadKey),
}

/// More replaced keys would sign than [`MOST_REPLACED`].
#[derive(Debug, thiserror::Error)]
#[error("too many replaced keys still sign")]
pub struct TooMany;

impl Key {
    /// The secret with a fresh pair.
    ///
    /// # Errors
    /// [`KeysError::Pair`].
    pub fn new(secret: SigningSecret) -> Result<Self, KeysError> {
        Ok(Self { secret, pair: Some(KeyPair::generate()?) })
    }

    /// The public key, if it has a pair.
    #[must_use]
    pub fn public(&self) -> Option<PublicKey> {
        self.pair.as_ref().map(KeyPair::public)
    }
}

impl SigningKeys {
    /// The keys of a webhook that never had others.
    #[must_use]
    pub fn first(current: Key) -> Self {
        Self { current, replaced: Vec::new() }
    }

    /// Opens what [`SigningKeys::seal`] sealed, or a bare secret from before.
    ///
    /// # Errors
    /// [`KeysError::Sealed`], [`KeysError::Form`].
    pub fn open(keyring: &Keyring, sealed: &[u8], owner: Owner) -> Result<Self, KeysError> {
        let opened = keyring.open(sealed, &owner.aad("secret"))?;
        if let Some((&FORMAT, json)) = opened.expose().split_first() {
            let stored: Vec<Stored> = serde_json::from_slice(json).map_err(|_| KeysError::Form)?;
            return Self::from_stored(&stored);
        }
        let text = std::str::from_utf8(opened.expose()).map_err(|_| KeysError::Form)?;
        Ok(Self::first(Key { secret: SigningSecret::parse(text)?, pair: None }))
    }

    /// Seals them for their webhook.
    ///
    /// # Errors
    /// [`KeysError::Sealed`], [`KeysError::Form`].
    pub fn seal(&self, keyring: &Keyring, owner: Owner) -> Result<Vec<u8>, KeysError> {
        let mut stored = vec![Stored::of(&self.current, None)];
        stored.extend(self.replaced.iter().map(|old| Stored::of(&old.key, Some(old.ends_at))));
        let mut plain = vec![FORMAT];
        serde_json::to_writer(&mut plain, &stored).map_err(|_| KeysError::Form)?;
        let sealed = keyring.seal(&plain, &owner.aad("secret"));
        plain.zeroize();
        Ok(sealed?)
    }

    /// Signs a request of this moment. The parts are put together once for all keys: ed25519 reads its message twice.
    #[must_use]
    pub fn sign(&self, id: &str, now: DateTime<Utc>, body: &[u8]) -> Signatures {
        let message = [format!("{id}.{}.", now.timestamp()).as_bytes(), body].concat();
        let keys = || std::iter::once(&self.current).chain(self.live(now).map(|old| &old.key));
        let symmetric = keys().map(|key| key.secret.standard_of(&message));
        let asymmetric = keys()
            .filter_map(|key| key.pair.as_ref())
            .map(|pair| format!("v1a,{}", STANDARD.encode(pair.sign(&message))));
        let standard: Vec<String> = symmetric.chain(asymmetric).collect();
        let document: Vec<String> = keys().map(|key| key.secret.document(body)).collect();
        Signatures { standard: standard.join(" "), document: document.join(",") }
    }

    /// The replaced keys that still sign.
    pub fn live(&self, now: DateTime<Utc>) -> impl Iterator<Item = &Replaced> {
        self.replaced.iter().filter(move |old| old.ends_at > now)
    }

    /// Puts a key in the place of the current one, which signs on for the overlap. Those that were replaced earlier
    /// keep their ends, or come to the new one if that is nearer. One of them that still signs comes back with its
    /// pair.
    ///
    /// # Errors
    /// [`TooMany`]; nothing that still signs is cut off silently.
    pub fn rotate(
        mut self,
        mut key: Key,
        now: DateTime<Utc>,
        overlap: TimeDelta,
    ) -> Result<Self, TooMany> {
        if let Some(place) = self.replaced.iter().position(|old| old.key.secret == key.secret) {
            let old = self.replaced.remove(place);
            // Receivers may trust its pair until its end, which was told.
            if old.ends_at > now {
                key.pair = old.key.pair.or(key.pair);
            }
        }
        let ends_at = now + overlap;
        let mut replaced = vec![Replaced { key: self.current, ends_at }];
        replaced.extend(
            self.replaced
                .into_iter()
                .map(|old| Replaced { ends_at: old.ends_at.min(ends_at), ..old }),
        );
        if replaced.iter().filter(|old| old.ends_at > now).count() > MOST_REPLACED {
            return Err(TooMany);
        }
        while replaced.len() > MOST_REPLACED {
            let ended = replaced.iter().rposition(|old| old.ends_at <= now);
            replaced.remove(ended.unwrap_or(MOST_REPLACED));
        }
        Ok(Self { current: key, replaced })
    }

    /// What is published of them: no more than receivers need.
    #[must_use]
    pub fn published(&self, now: DateTime<Utc>) -> Vec<PublishedKey> {
        let current = self.current.public().map(|key| PublishedKey { key, ends_at: None });
        let replaced = self.live(now).filter_map(|old| {
            Some(PublishedKey { key: old.key.public()?, ends_at: Some(old.ends_at) })
        });
        current.into_iter().chain(replaced).collect()
    }

    fn from_stored(stored: &[Stored]) -> Result<Self, KeysError> {
        let (first, rest) = stored.split_first().ok_or(KeysError::Form)?;
        let replaced = rest.iter().map(|old| {
            Ok(Replaced { key: old.key()?, ends_at: old.ends_at.ok_or(KeysError::Form)? })
        });
        Ok(Self { current: first.key()?, replaced: replaced.collect::<Result<_, KeysError>>()? })
    }
}

impl From<BadSecret> for KeysError {
    fn from(_: BadSecret) -> Self {
        Self::Form
    }
}

/// A key as it is sealed.
#[derive(Serialize, Deserialize)]
struct Stored {
    secret: String,
    seed: Option<String>,
    ends_at: Option<DateTime<Utc>>,
}

impl Stored {
    fn of(key: &Key, ends_at: Option<DateTime<Utc>>) -> Self {
        let seed = key.pair.as_ref().map(|pair| STANDARD.encode(pair.seed()));
        Self { secret: key.secret.expose().to_owned(), seed, ends_at }
    }

    fn key(&self) -> Result<Key, KeysError> {
        let seed = |text: &String| {
            let bytes = STANDARD.decode(text).ok()?;
            KeyPair::from_seed(bytes.try_into().ok()?).ok()
        };
        let pair = self.seed.as_ref().map(|text| seed(text).ok_or(KeysError::Form)).transpose()?;
        Ok(Key { secret: SigningSecret::parse(&self.secret)?, pair })
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.secret.zeroize();
        self.seed.zeroize();
    }
}

#[cfg(test)]
mod tests;
