//! Both signature families, over the exact bytes that are sent.
//!
//! - Standard Webhooks 1.0 `v1`: HMAC-SHA256 over `id.timestamp.body`, key = the bytes behind `whsec_`, base64.
//! - The requirements' `X-Webhook-Signature`: HMAC-SHA256 over the body, key = the secret's text as shown, hex.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroize;

use crate::secret::Secret;

const PREFIX: &str = "whsec_";
const FRESH_BYTES: usize = 36; // longer than the hash, and 48 characters without padding

/// A webhook's signing secret as its owner sees it.
#[derive(Clone, Debug)]
pub struct SigningSecret(Secret<String>);

impl PartialEq for SigningSecret {
    fn eq(&self, other: &Self) -> bool {
        self.expose().as_bytes().ct_eq(other.expose().as_bytes()).into()
    }
}

/// A secret that cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum BadSecret {
    /// Behind `whsec_` there is something else than base64 of 24 to 64 bytes.
    #[error("Must be whsec_ followed by base64 of 24 to 64 bytes")]
    Encoding,
    /// A text of one's own that is too short, too long, or not printable.
    #[error("Must be 24 to 64 printable ASCII characters")]
    Text,
}

impl SigningSecret {
    /// A fresh secret: `whsec_` and base64 of 36 random bytes.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes: [u8; FRESH_BYTES] = rand::random();
        let text = format!("{PREFIX}{}", STANDARD.encode(bytes));
        bytes.zeroize();
        Self(Secret::new(text))
    }

    /// A secret that the tenant brings along.
    ///
    /// # Errors
    /// [`BadSecret`].
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        if let Some(encoded) = text.strip_prefix(PREFIX) {
            let bytes = STANDARD.decode(encoded).map_err(|_| BadSecret::Encoding)?;
            if !(24..=64).contains(&bytes.len()) {
                return Err(BadSecret::Encoding);
            }
        } else if !(24..=64).contains(&text.len())
            || !text.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(BadSecret::Text);
        }
        Ok(Self(Secret::new(text.to_owned())))
    }

    /// The text itself, for the one answer that shows it and for sealing.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is shown afterwards: `whsec_…f3a9`.
    #[must_use]
    pub fn hint(&self) -> String {
        let text = self.expose();
        let tail = &text[text.len() - 4..];
        let head = if text.starts_with(PREFIX) { PREFIX } else { "" };
        format!("{head}…{tail}")
    }

    /// The value of `webhook-signature` for this key. `timestamp` is in seconds since the Unix epoch.
    #[must_use]
    pub fn standard(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        self.standard_of(&[format!("{id}.{timestamp}.").as_bytes(), body].concat())
    }

    /// The same of a message that is put together: id, time and body, divided by full stops.
    #[must_use]
    pub fn standard_of(&self, message: &[u8]) -> String {
        format!("v1,{}", STANDARD.encode(hmac(self.key().expose(), message)))
    }

    /// What keys `v1`: the bytes behind `whsec_`; of a secret of the tenant's own, its text.
    #[must_use]
    pub fn key(&self) -> Secret<Vec<u8>> {
        Secret::new(match self.expose().strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).unwrap_or_default(),
            None => self.expose().as_bytes().to_vec(),
        })
    }

    /// The value of `X-Webhook-Signature` for this key.
    #[must_use]
    pub fn document(&self, body: &[u8]) -> String {
        let mac = hmac(self.expose().as_bytes(), body);
        mac.iter().fold(String::from("sha256="), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// HMAC-SHA256 (RFC 2104).
#[must_use]
pub fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length; new_from_slice has no failing case for it.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"{"id":"evt_0000000000000000000001","event":"contact.created","timestamp":"2026-01-02T03:04:05.678Z","data":{"id":"con_1"}}"#;
    const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIj";

    #[test]
    fn the_standard_signature_matches_the_published_vectors() {
        let theirs = SigningSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        assert_eq!(
            theirs.standard(
                "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
                1_649_367_553,
                br#"{"email":"test@example.com","username":"test_user"}"#
            ),
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
        );
        let ours = SigningSecret::parse(SECRET).unwrap();
        assert_eq!(
            ours.standard("evt_0000000000000000000001", 1_767_323_046, BODY.as_bytes()),
            "v1,76pdbQEp00Z+9PXi/ei0ofDawVkpMo1MPnYNjgLW0O0="
        );
    }

    #[test]
    fn the_documents_signature_is_keyed_with_the_secret_as_shown() {
        assert_eq!(
            SigningSecret::parse(SECRET).unwrap().document(BODY.as_bytes()),
            "sha256=f7d770d17fa5a5de8df7a63c8c4995dbea2ba73c76b4755661df168706ad0695"
        );
    }

    #[test]
    fn the_official_library_accepts_what_a_fresh_secret_signs() {
        let secret = SigningSecret::generate();
        assert_eq!(secret.expose().len(), "whsec_".len() + 48);
        assert!(!secret.expose().contains('='));
        let theirs = standardwebhooks::Webhook::new(secret.expose()).unwrap();
        let signature = theirs.sign("id", 1_767_323_046, BODY.as_bytes()).unwrap();
        assert_eq!(secret.standard("id", 1_767_323_046, BODY.as_bytes()), signature);
    }

    #[test]
    fn a_secret_of_ones_own_keys_both_with_its_text() {
        let secret = SigningSecret::parse("correct-horse-battery-staple").unwrap();
        let expected = hmac(b"correct-horse-battery-staple", b"id.1.{}");
        assert_eq!(secret.standard("id", 1, b"{}"), format!("v1,{}", STANDARD.encode(expected)));
        assert_eq!(secret.hint(), "…aple");
    }

    #[test]
    fn secrets_that_cannot_sign_are_refused() {
        for bad in
            ["", "short", "whsec_", "whsec_!!!", "whsec_AAECAw==", "spaces are not graphic at all"]
        {
            assert!(SigningSecret::parse(bad).is_err(), "{bad}");
        }
        assert!(SigningSecret::parse(&"x".repeat(65)).is_err());
    }
}
