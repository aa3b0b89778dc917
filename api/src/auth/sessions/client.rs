//! Whom tokens are given to, as far as a request tells.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use http::header;
use http::request::Parts;

use crate::error::{Error, Result};
use crate::http::RequestFacts;

/// Longer `User-Agent`s are cut.
const LONGEST_AGENT: usize = 300;

/// Where a sign-in or a refresh comes from.
#[derive(Clone, Debug)]
pub struct Client {
    /// `User-Agent`, cut to 300 characters.
    pub user_agent: Option<String>,
    /// The network address.
    pub address: IpAddr,
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let facts = parts.extensions.get::<RequestFacts>();
        let facts =
            facts.ok_or_else(|| Error::Internal("the observing layer is missing".into()))?;
        let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(Self {
            user_agent: agent.map(|text| text.chars().take(LONGEST_AGENT).collect()),
            address: facts.address,
        })
    }
}
