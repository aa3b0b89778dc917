//! Headers of the tenant's own that a webhook sends with every attempt. Their values are secrets: sealed at rest, shown
//! masked.

use std::collections::BTreeMap;

use crate::seal::{Keyring, Unopened};
use crate::secret::Secret;
use crate::webhook::Owner;

/// Headers of one webhook, at most.
pub const MOST: usize = 10;
/// Characters of a name, at most.
pub const LONGEST_NAME: usize = 64;
/// Characters of a value, at most.
pub const LONGEST_VALUE: usize = 1_000;

/// Names that are ours, the connection's (RFC 9110 §7.6.1), or would change what the body means.
pub const REFUSED: [&str; 14] = [
    "accept",
    "accept-encoding",
    "connection",
    "expect",
    "host",
    "keep-alive",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "x-forwarded-for",
];

/// Beginnings of further such names.
pub const REFUSED_PREFIXES: [&str; 4] = ["content-", "proxy-", "webhook-", "x-webhook-"];

/// What is wrong with a header; displays as the message of a field error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    /// No token of RFC 9110.
    #[error("Must be named by 1 to {LONGEST_NAME} letters, digits and hyphens or underscores")]
    Name,
    /// Of [`REFUSED`] or [`REFUSED_PREFIXES`].
    #[error("Is a header that only the sender may set")]
    Refused,
    /// Not sendable, or too long.
    #[error("Must be 1 to {LONGEST_VALUE} printable ASCII characters without spaces around them")]
    Value,
}

/// Checks one header; the name as it is kept, in lower case.
///
/// # Errors
/// [`BadHeader`].
pub fn check(name: &str, value: &str) -> Result<String, BadHeader> {
    let token = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(token) {
        return Err(BadHeader::Name);
    }
    let name = name.to_ascii_lowercase();
    let prefixed = REFUSED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if prefixed || REFUSED.contains(&&*name) {
        return Err(BadHeader::Refused);
    }
    let printable = value.chars().all(|c| matches!(c, ' '..='~'));
    if value.is_empty() || value.len() > LONGEST_VALUE || !printable || value.trim() != value {
        return Err(BadHeader::Value);
    }
    Ok(name)
}

/// What is shown of a value: at most its last four characters, and of a short one nothing.
#[must_use]
pub fn mask(value: &str) -> String {
    let tail = if value.len() >= 16 { &value[value.len() - 4..] } else { "" };
    format!("…{tail}")
}

/// Checked headers with their values.
#[derive(Clone, Debug, Default)]
pub struct CustomHeaders(BTreeMap<String, Secret<String>>);

impl CustomHeaders {
    /// Of headers that [`check`] let pass.
    #[must_use]
    pub fn new(headers: BTreeMap<String, String>) -> Self {
        Self(headers.into_iter().map(|(name, value)| (name, Secret::new(value))).collect())
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.expose().as_str()))
    }

    /// Whether one has this name, in lower case.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Names and what is shown of the values.
    #[must_use]
    pub fn masked(&self) -> BTreeMap<String, String> {
        self.iter().map(|(name, value)| (name.to_owned(), mask(value))).collect()
    }

    /// Seals them for their webhook.
    ///
    /// # Errors
    /// As [`Keyring::seal`].
    pub fn seal(&self, keys: &Keyring, owner: Owner) -> Result<Vec<u8>, Unopened> {
        let plain: BTreeMap<&str, &str> = self.iter().collect();
        let plain = Secret::new(serde_json::to_vec(&plain).map_err(|_| Unopened)?);
        keys.seal(plain.expose(), &owner.aad("headers"))
    }

    /// Opens what [`CustomHeaders::seal`] sealed.
    ///
    /// # Errors
    /// As [`Keyring::open`].
    pub fn open(sealed: &[u8], keys: &Keyring, owner: Owner) -> Result<Self, Unopened> {
        let plain = keys.open(sealed, &owner.aad("headers"))?;
        serde_json::from_slice(plain.expose()).map(Self::new).map_err(|_| Unopened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_in_lower_case_and_what_is_the_senders_own_is_refused_in_any_case() {
        assert_eq!(check("X-Api-Key", "1").unwrap(), "x-api-key");
        for refused in ["Host", "CONTENT-LENGTH", "Webhook-Id", "x-webhook-new", "Proxy-X", "te"] {
            assert_eq!(check(refused, "1"), Err(BadHeader::Refused), "{refused}");
        }
        for bad in ["", "a b", "a:b", "ä", "a\r\nb", &"x".repeat(65)] {
            assert_eq!(check(bad, "1"), Err(BadHeader::Name), "{bad:?}");
        }
        for bad in ["", " a", "a ", "a\nb", "a\tb", "ä", &"x".repeat(1001)] {
            assert_eq!(check("x", bad), Err(BadHeader::Value), "{bad:?}");
        }
    }

    #[test]
    fn of_a_short_value_nothing_is_shown() {
        assert_eq!((mask("hunter2"), mask("Bearer 0123456789")), ("…".into(), "…6789".into()));
    }
}
