//! Secrets at rest: XChaCha20-Poly1305 under a keyring from the environment.
//! A sealed value is `0x01 | key id (2 bytes, big endian) | nonce (24) | ciphertext and tag`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use crate::secret::Secret;
use crate::settings::Value;

const FORMAT: u8 = 1;
const HEADER: usize = 3;
const NONCE: usize = 24;

/// The keys by id: the first listed seals, all of them open.
#[derive(Clone, Debug)]
pub struct Keyring {
    current: u16,
    keys: BTreeMap<u16, Secret<[u8; 32]>>,
}

/// A sealed value did not open: damaged, moved to another row, or sealed under a key that is gone.
#[derive(Debug, thiserror::Error)]
#[error("a sealed value did not open")]
pub struct Unopened;

impl Keyring {
    /// Seals `plain` for the place that `aad` names; copied to any other place it will not open.
    ///
    /// # Errors
    /// [`Unopened`] when the keyring is broken or the value larger than the cipher can take.
    pub fn seal(&self, plain: &[u8], aad: &[u8]) -> Result<Vec<u8>, Unopened> {
        let nonce: [u8; NONCE] = rand::random();
        let cipher = self.cipher(self.current)?;
        let sealed = cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad })
            .map_err(|_| Unopened)?;
        let mut out = Vec::with_capacity(HEADER + NONCE + sealed.len());
        out.push(FORMAT);
        out.extend_from_slice(&self.current.to_be_bytes());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        Ok(out)
    }

    /// Opens what [`Keyring::seal`] sealed for the same place.
    ///
    /// # Errors
    /// [`Unopened`], without saying why.
    pub fn open(&self, sealed: &[u8], aad: &[u8]) -> Result<Secret<Vec<u8>>, Unopened> {
        let (&[format, high, low], rest) = sealed.split_first_chunk::<HEADER>().ok_or(Unopened)?;
        let (nonce, ciphertext) = rest.split_first_chunk::<NONCE>().ok_or(Unopened)?;
        if format != FORMAT {
            return Err(Unopened);
        }
        self.cipher(u16::from_be_bytes([high, low]))?
            .decrypt(&XNonce::from(*nonce), Payload { msg: ciphertext, aad })
            .map(Secret::new)
            .map_err(|_| Unopened)
    }

    /// The number of the key that seals.
    #[must_use]
    pub fn current(&self) -> u16 {
        self.current
    }

    /// Opens a value and seals it for the same place under the key that seals.
    ///
    /// # Errors
    /// As for [`Keyring::open`].
    pub fn renew(&self, sealed: &[u8], aad: &[u8]) -> Result<Vec<u8>, Unopened> {
        self.seal(self.open(sealed, aad)?.expose(), aad)
    }

    fn cipher(&self, id: u16) -> Result<XChaCha20Poly1305, Unopened> {
        let key = self.keys.get(&id).ok_or(Unopened)?;
        XChaCha20Poly1305::new_from_slice(key.expose()).map_err(|_| Unopened)
    }
}

/// `id:base64 of 32 bytes`, divided by commas; the first one is current.
impl Value for Keyring {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        let fault =
            || "write id:key pairs such as 1:<base64 of 32 bytes>, divided by commas".to_owned();
        let mut keys = BTreeMap::new();
        let mut current = None;
        for pair in text.split(',') {
            let (id, key) = pair.trim().split_once(':').ok_or_else(fault)?;
            let id: u16 = id.parse().map_err(|_| fault())?;
            let key: [u8; 32] =
                STANDARD.decode(key).ok().and_then(|key| key.try_into().ok()).ok_or_else(fault)?;
            current = current.or(Some(id));
            if keys.insert(id, Secret::new(key)).is_some() {
                return Err(format!("key id {id} is listed twice"));
            }
        }
        current.map(|current| Self { current, keys }).ok_or_else(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const NEW: &str = "2:ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

    fn keyring(text: &str) -> Keyring {
        Keyring::parse(text).unwrap()
    }

    #[test]
    fn a_value_opens_only_in_the_place_it_was_sealed_for() {
        let keys = keyring(OLD);
        let sealed = keys.seal(b"whsec_x", b"tenant a").unwrap();
        assert_eq!(keys.open(&sealed, b"tenant a").unwrap().expose(), b"whsec_x");
        assert!(keys.open(&sealed, b"tenant b").is_err());
    }

    #[test]
    fn values_sealed_under_the_old_key_still_open_after_a_rotation() {
        let sealed = keyring(OLD).seal(b"x", b"").unwrap();
        let rotated = keyring(&format!("{NEW},{OLD}"));
        assert!(rotated.open(&sealed, b"").is_ok());
        assert!(keyring(NEW).open(&sealed, b"").is_err());
        assert_eq!(rotated.seal(b"x", b"").unwrap()[..3], [1, 0, 2]);
    }

    #[test]
    fn damage_anywhere_is_noticed() {
        let keys = keyring(OLD);
        let sealed = keys.seal(b"secret", b"").unwrap();
        for at in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[at] ^= 1;
            assert!(keys.open(&bent, b"").is_err(), "byte {at}");
            assert!(keys.open(&sealed[..at], b"").is_err(), "cut at {at}");
        }
    }
}
