//! Cursors: where a list goes on, in a text that only we can write (docs/decisions/0011).
//!
//! The signature covers the tenant and the list's path, which are not in the text: a cursor of another tenant or list
//! is as good as a forged one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use shared::id::TenantId;
use uuid::Uuid;

use crate::auth::api_key::{self, Pepper};

/// Bytes of the signature.
const SIGNATURE: usize = 16;

/// The record after which a page begins.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cursor {
    /// The sort, as the parameter says it.
    pub sort: String,
    /// The record's value of what is sorted by.
    pub value: String,
    /// The record.
    pub id: Uuid,
    /// What [`digest`] makes of the filters.
    pub filters: String,
}

/// Signs and reads the cursors of one list of one tenant.
pub(super) struct Signer {
    /// The pepper of API keys, which is never rotated while they shall live; their texts begin with `crm_`.
    pub pepper: Pepper,
    pub tenant: TenantId,
    pub path: String,
}

impl Signer {
    pub fn seal(&self, cursor: &Cursor) -> serde_json::Result<String> {
        let payload =
            serde_json::to_string(&(&cursor.sort, &cursor.value, cursor.id, &cursor.filters))?;
        let mut text = self.sign(&payload);
        text.extend_from_slice(payload.as_bytes());
        Ok(URL_SAFE_NO_PAD.encode(text))
    }

    pub fn open(&self, text: &str) -> Option<Cursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signature, payload) = bytes.split_at_checked(SIGNATURE)?;
        let payload = std::str::from_utf8(payload).ok()?;
        if !api_key::same(&self.sign(payload), signature) {
            return None;
        }
        let (sort, value, id, filters) = serde_json::from_str(payload).ok()?;
        Some(Cursor { sort, value, id, filters })
    }

    fn sign(&self, payload: &str) -> Vec<u8> {
        let Self { tenant, path, .. } = self;
        let mut signature = self.pepper.hash(&format!("list cursor\n{tenant}\n{path}\n{payload}"));
        signature.truncate(SIGNATURE);
        signature
    }
}

/// A short name for what is given besides `others`, whatever its order.
pub(super) fn digest(pairs: &[(String, String)], others: &[&str]) -> String {
    let mut filters: Vec<_> =
        pairs.iter().filter(|(name, _)| !others.contains(&name.as_str())).collect();
    filters.sort_unstable();
    let mut hash = Sha256::new();
    for text in filters.into_iter().flat_map(|(name, value)| [name, value]) {
        hash.update(text.len().to_be_bytes());
        hash.update(text.as_bytes());
    }
    URL_SAFE_NO_PAD.encode(&hash.finalize()[..9])
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::settings::Value as _;

    fn signer(pepper: u8, tenant: u128, path: &str) -> Signer {
        let pepper = base64::engine::general_purpose::STANDARD.encode([pepper; 32]);
        Signer {
            pepper: Pepper::parse(&pepper).unwrap(),
            tenant: TenantId(Uuid::from_u128(tenant)),
            path: path.into(),
        }
    }

    fn filters(pairs: &[(&str, &str)]) -> String {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        digest(&pairs.iter().map(owned).collect::<Vec<_>>(), &["page"])
    }

    fn cursor() -> Cursor {
        Cursor {
            sort: "-name".into(),
            value: "ada \"λ\"\n".into(),
            id: Uuid::from_u128(7),
            filters: filters(&[("q", "ada")]),
        }
    }

    #[test]
    fn a_cursor_is_read_by_the_list_and_tenant_that_it_was_made_for_and_by_nobody_else() {
        let text = signer(1, 1, "/contacts").seal(&cursor()).unwrap();
        assert_eq!(signer(1, 1, "/contacts").open(&text), Some(cursor()));
        for other in [signer(2, 1, "/contacts"), signer(1, 2, "/contacts"), signer(1, 1, "/leads")]
        {
            assert_eq!(other.open(&text), None);
        }
    }

    #[test]
    fn a_cursor_with_any_character_changed_or_missing_is_not_one() {
        let signer = signer(1, 1, "/contacts");
        let text = signer.seal(&cursor()).unwrap();
        for at in 0..text.len() {
            assert_eq!(signer.open(&text[..at]), None, "the first {at}");
            let mut bent = text.clone().into_bytes();
            bent[at] = if bent[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(signer.open(std::str::from_utf8(&bent).unwrap()), None, "character {at}");
        }
    }

    #[test]
    fn filters_are_the_same_in_any_order_and_differ_by_any_letter() {
        let one = filters(&[("a", "1"), ("b", "2")]);
        assert_eq!(one, filters(&[("b", "2"), ("page", "7"), ("a", "1")]));
        for other in [&[("a", "1")][..], &[("a", "1b2")], &[("a", "12"), ("b", "")]] {
            assert_ne!(one, filters(other));
        }
    }
}
