//! Asymmetric signatures of Standard Webhooks, `v1a`: ed25519 (RFC 8032) over the same bytes as `v1`. A receiver needs
//! the public key for them and no secret.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::secret::Secret;

const PREFIX: &str = "whpk_";

/// A private key with its public one.
#[derive(Debug)]
pub struct KeyPair {
    seed: Secret<[u8; 32]>,
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// No pair follows from a seed, or the text is no key.
#[derive(Debug, thiserror::Error)]
#[error("Must be whpk_ followed by base64 of 32 bytes")]
pub struct BadKey;

impl KeyPair {
    /// A fresh pair.
    ///
    /// # Errors
    /// [`BadKey`] in no known case.
    pub fn generate() -> Result<Self, BadKey> {
        Self::from_seed(rand::random())
    }

    /// The pair of what RFC 8032 calls the private key.
    ///
    /// # Errors
    /// As for [`KeyPair::generate`].
    pub fn from_seed(seed: [u8; 32]) -> Result<Self, BadKey> {
        let seed = Secret::new(seed);
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.expose()).map_err(|_| BadKey)?;
        let public = pair.public_key().as_ref().try_into().map_err(|_| BadKey)?;
        Ok(Self { seed, pair, public: PublicKey(public) })
    }

    /// What the pair can be made of again, for sealing.
    #[must_use]
    pub fn seed(&self) -> &[u8; 32] {
        self.seed.expose()
    }

    /// The half that anyone may know.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The 64 bytes of a signature.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// A public key; base64 of its 32 bytes in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads `whpk_` and base64, or the base64 alone.
    ///
    /// # Errors
    /// [`BadKey`].
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX).unwrap_or(text));
        bytes.ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(BadKey)
    }

    /// As Standard Webhooks writes it: `whpk_` and base64.
    #[must_use]
    pub fn text(self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.0))
    }

    /// `x` of a JSON Web Key (RFC 8037, 2).
    #[must_use]
    pub fn x(self) -> String {
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// The thumbprint of its JSON Web Key (RFC 7638; the members of RFC 8037, appendix A.3).
    #[must_use]
    pub fn thumbprint(self) -> String {
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, self.x());
        URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
    }

    /// Whether the signature is this key's over the message.
    #[must_use]
    pub fn verifies(self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        STANDARD.encode(key.0)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = BadKey;

    fn try_from(text: String) -> Result<Self, BadKey> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    /// Seed, public key, message and signature of RFC 8032, 7.1.
    const VECTORS: [[&str; 4]; 3] = [
        [
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ],
        [
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ],
        [
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
        ],
    ];

    #[test]
    fn signatures_are_those_of_rfc_8032() {
        for [seed, public, message, signature] in VECTORS.map(|vector| vector.map(bytes)) {
            let pair = KeyPair::from_seed(seed.try_into().unwrap()).unwrap();
            assert_eq!(pair.public().0.as_slice(), public);
            assert_eq!(pair.sign(&message), signature);
            assert!(pair.public().verifies(&message, &signature));
            assert!(!pair.public().verifies(b"another", &signature));
            assert!(!pair.public().verifies(&message, &signature[..63]));
        }
    }

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        let public: [u8; 32] = bytes(VECTORS[0][1]).try_into().unwrap();
        let key = PublicKey(public);
        assert_eq!(key.x(), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_public_key_is_read_as_it_is_written_and_nothing_else_is() {
        let key = KeyPair::generate().unwrap().public();
        assert_eq!(key.text().len(), 5 + 44);
        assert_eq!(PublicKey::parse(&key.text()).unwrap(), key);
        assert_eq!(PublicKey::parse(&String::from(key)).unwrap(), key);
        for bad in ["", "whpk_", "whpk_AAAA", "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX", &key.x()] {
            assert!(PublicKey::parse(bad).is_err(), "{bad}");
        }
    }
}
