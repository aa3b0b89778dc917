//! API keys: `crm_live_<prefix, 8>_<secret, 43><checksum, 6>`, all base62. The database holds the prefix in the
//! clear and an HMAC-SHA-256 of the whole text under a pepper from the environment: right for secrets of 256 bits,
//! where a slow password hash would only slow the api down.

use shared::secret::Secret;
use shared::settings::Value;
use subtle::ConstantTimeEq as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// How every key begins.
pub const PREFIX: &str = "crm_live_";

const LOOKUP: usize = 8;
const SECRET: usize = 43; // 62^43 > 2^256
const CHECKSUM: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A fresh key: shown once, stored only as prefix and hash.
pub struct NewKey {
    /// The text to show.
    pub text: Secret<String>,
    /// What it is looked up by.
    pub prefix: String,
}

/// A text of the right form.
#[derive(Debug, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// What the key is looked up by.
    pub prefix: &'a str,
}

/// Draws a key.
#[must_use]
pub fn generate() -> NewKey {
    let prefix = random(LOOKUP);
    let body = format!("{PREFIX}{prefix}_{}", random(SECRET));
    let checksum = checksum(&body);
    NewKey { text: Secret::new(body + &checksum), prefix }
}

/// Checks form and checksum, so that a mistyped key costs no look-up.
#[must_use]
pub fn parse(text: &str) -> Option<Parsed<'_>> {
    let rest = text.strip_prefix(PREFIX)?;
    if !text.is_ascii() || rest.len() != LOOKUP + 1 + SECRET + CHECKSUM {
        return None;
    }
    let (prefix, rest) = rest.split_at(LOOKUP);
    let (body, sum) = text.split_at(text.len() - CHECKSUM);
    (rest.starts_with('_') && checksum(body) == sum).then_some(Parsed { prefix })
}

/// Compares two hashes in constant time.
#[must_use]
pub fn same(stored: &[u8], given: &[u8]) -> bool {
    stored.ct_eq(given).into()
}

/// The server's own part of every key's hash.
#[derive(Clone, Debug)]
pub struct Pepper(Secret<Vec<u8>>);

impl Pepper {
    /// What is stored of a key.
    #[must_use]
    pub fn hash(&self, text: &str) -> Vec<u8> {
        // HMAC takes keys of any length; there is no failing case.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.expose()) else {
            return Vec::new();
        };
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }
}

/// Base64 of at least 32 bytes.
impl Value for Pepper {
    const SECRET: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        match STANDARD.decode(text) {
            Ok(bytes) if bytes.len() >= 32 => Ok(Self(Secret::new(bytes))),
            _ => Err("write base64 of at least 32 random bytes".into()),
        }
    }
}

fn random(length: usize) -> String {
    use rand::RngExt as _;
    let mut rng = rand::rng();
    (0..length).map(|_| char::from(BASE62[rng.random_range(0..BASE62.len())])).collect()
}

/// Six characters that catch a mistyped key; they protect nothing.
fn checksum(body: &str) -> String {
    let digest = Sha256::digest(body.as_bytes());
    digest
        .iter()
        .take(CHECKSUM)
        .map(|byte| char::from(BASE62[usize::from(*byte) % BASE62.len()]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fresh_key_has_the_documented_form_and_a_mistyped_one_is_noticed() {
        let key = generate();
        let text = key.text.expose();
        assert_eq!(parse(text), Some(Parsed { prefix: &key.prefix }));
        for at in PREFIX.len()..text.len() {
            let mut bent = text.clone().into_bytes();
            bent[at] = if bent[at] == b'x' { b'y' } else { b'x' };
            assert_eq!(parse(std::str::from_utf8(&bent).unwrap()), None, "character {at}");
        }
        for bad in [
            "",
            "crm_live_",
            "crm_test_abc",
            &text[..text.len() - 1],
            &format!("{text}x"),
            "crm_live_ééééééé",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_hash_depends_on_key_and_pepper() {
        let pepper = |byte| Pepper(Secret::new(vec![byte; 32]));
        assert!(same(&pepper(1).hash("a"), &pepper(1).hash("a")));
        assert!(!same(&pepper(1).hash("a"), &pepper(2).hash("a")));
        assert!(!same(&pepper(1).hash("a"), &pepper(1).hash("b")));
    }
}
