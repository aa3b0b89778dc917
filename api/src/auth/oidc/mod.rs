//! Access tokens of an outside issuer (`OIDC_ISSUER`): it says which person, our own users say what
//! that person may do. docs/decisions/0015.

mod claims;
mod config;
mod fetch;
mod key;
mod keys;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::decode_header;
use serde::Deserialize;
use shared::Clock;

use super::UNKNOWN_TOKEN;
use crate::error::Result;
pub use claims::Person;
pub use config::{IssuerUrl, OidcConfig};

/// An outside issuer that is believed. Cheap to clone; clones share its keys.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    config: OidcConfig,
    keys: keys::Keys,
}

#[derive(Deserialize)]
struct Named {
    iss: String,
}

impl Issuer {
    /// Asks for its keys with the first token.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(config: &OidcConfig, clock: Clock) -> reqwest::Result<Self> {
        let keys = keys::Keys::new(fetch::Source::new(config)?, clock);
        Ok(Self(Arc::new(Inner { config: config.clone(), keys })))
    }

    /// Whether the token says that it is of this issuer. It proves nothing; it only says who has to judge it.
    #[must_use]
    pub fn is_named_in(&self, text: &str) -> bool {
        insecure_decode_claims::<Named>(text)
            .is_ok_and(|claims| claims.iss == self.0.config.issuer.as_str())
    }

    /// The person whom a token speaks of.
    ///
    /// # Errors
    /// [`Error::TokenExpired`](crate::error::Error::TokenExpired);
    /// [`Error::InvalidToken`](crate::error::Error::InvalidToken) for whatever else is wrong with it;
    /// [`Error::Unavailable`](crate::error::Error::Unavailable) when that cannot be told.
    pub async fn verify(&self, text: &str, now: DateTime<Utc>) -> Result<Person> {
        let Inner { config, keys } = &*self.0;
        let header = decode_header(text).map_err(|_| UNKNOWN_TOKEN)?;
        // What `crit` names must be understood (RFC 7515, section 4.1.11), and nothing of it is.
        if !key::ALGORITHMS.contains(&header.alg) || header.crit.is_some() {
            return Err(UNKNOWN_TOKEN);
        }
        let key = keys.find(&header.kid.ok_or(UNKNOWN_TOKEN)?).await?;
        claims::read(text, &key, config, now)
    }
}
