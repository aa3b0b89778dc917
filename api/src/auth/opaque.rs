//! Opaque tokens: a prefix that says what for, and 256 random bits. The database holds their SHA-256, which is right
//! for secrets that nobody can guess.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use shared::secret::Secret;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

const SECRET: usize = 32;

/// A fresh token: shown once, stored only as its hash.
#[derive(Clone, Debug)]
pub struct OpaqueToken(Secret<String>);

impl OpaqueToken {
    /// Draws a token.
    #[must_use]
    pub fn generate(prefix: &str) -> Self {
        Self::of(prefix, &rand::random::<[u8; SECRET]>())
    }

    /// Draws a token that also says which record it opens.
    #[must_use]
    pub fn generate_for(prefix: &str, record: Uuid) -> Self {
        Self::with_record(prefix, record, &rand::random::<[u8; SECRET]>())
    }

    /// A token for a record whose secret follows from something that only the api knows, so that it can be made again.
    #[must_use]
    pub fn with_record(prefix: &str, record: Uuid, secret: &[u8]) -> Self {
        Self::of(prefix, &[record.as_bytes().as_slice(), secret].concat())
    }

    /// The text to show.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.expose()
    }

    /// What is stored of it.
    #[must_use]
    pub fn hash(&self) -> Vec<u8> {
        hash(self.text())
    }

    fn of(prefix: &str, bytes: &[u8]) -> Self {
        Self(Secret::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }
}

/// What is stored of a token.
#[must_use]
pub fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

/// Whether the token is the one with this hash, in constant time.
#[must_use]
pub fn matches(text: &str, stored: &[u8]) -> bool {
    stored.ct_eq(&hash(text)).into()
}

/// The record that a token of [`OpaqueToken::generate_for`] names; `None` when it is no such token.
#[must_use]
pub fn record(prefix: &str, text: &str) -> Option<Uuid> {
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(prefix)?).ok()?;
    let (record, secret) = bytes.split_at_checked(16)?;
    if secret.len() == SECRET { Uuid::from_slice(record).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_256_bits_and_matches_its_own_hash_only() {
        let (one, other) = (OpaqueToken::generate("crt_"), OpaqueToken::generate("crt_"));
        assert_eq!(one.text().len(), "crt_".len() + 43);
        assert!(matches(one.text(), &one.hash()) && !matches(other.text(), &one.hash()));
        assert_eq!(format!("{one:?}"), "OpaqueToken([redacted])");
    }

    #[test]
    fn a_token_for_a_record_names_it_and_nothing_else_does() {
        let id = Uuid::from_u128(7);
        let token = OpaqueToken::generate_for("qr_", id);
        assert_eq!(record("qr_", token.text()), Some(id));
        let text = token.text();
        for bad in
            ["", "qr_", "ql_AAAA", &text[1..], &text[..text.len() - 4], &format!("{text}AAAA")]
        {
            assert_eq!(record("qr_", bad), None, "{bad}");
        }
    }
}
