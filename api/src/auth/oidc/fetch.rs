//! Asks the issuer for its keys: discovery, then the key set that it names. One deadline holds for both, nothing is
//! followed, and no answer is read beyond a bound.

use std::time::Duration;

use http::{StatusCode, header};
use reqwest::redirect::Policy;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::timeout;
use url::Url;

use super::config::{IssuerUrl, OidcConfig, is_private};
use super::key::Key;

/// Bytes read of one answer.
const LONGEST: usize = 256 * 1024;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    #[error("the issuer took too long")]
    TooSlow,
    #[error("the issuer cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the issuer answered {0}")]
    Refused(StatusCode),
    #[error("the issuer answered more than {LONGEST} bytes")]
    TooLarge,
    #[error("the issuer's answer is not what OpenID Connect asks for")]
    Malformed(#[source] serde_json::Error),
    #[error("the issuer's keys are at an address that is not private")]
    OpenAddress,
    #[error("the issuer gives itself another name than OIDC_ISSUER")]
    OtherIssuer,
    #[error("the issuer has no key that can be used here")]
    NoKeys,
}

impl Fault {
    /// The label of the metric.
    pub fn outcome(&self) -> &'static str {
        match self {
            Self::TooSlow => "timeout",
            Self::Unreachable(_) => "unreachable",
            Self::Refused(_) => "status",
            Self::TooLarge => "too_large",
            Self::Malformed(_) | Self::OpenAddress => "malformed",
            Self::OtherIssuer => "other_issuer",
            Self::NoKeys => "no_keys",
        }
    }
}

/// What a discovery document must say.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

/// RFC 7517, section 5. A key of a kind that nobody here knows is none of our business.
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// Where keys come from.
pub(super) struct Source {
    http: reqwest::Client,
    issuer: IssuerUrl,
    timeout: Duration,
}

impl Source {
    pub fn new(config: &OidcConfig) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .user_agent("Liaison")
            .https_only(config.issuer.is_https())
            .no_proxy()
            .redirect(Policy::none())
            // Minutes lie between two fetches: a kept connection would be a dead one.
            .pool_max_idle_per_host(0)
            .http2_max_header_list_size(64 * 1024)
            // Off today, but a crate that turns on a feature of reqwest turns it on for this client.
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .build()?;
        Ok(Self { http, issuer: config.issuer.clone(), timeout: config.timeout })
    }

    /// The keys that it signs with now, as far as they can be used here.
    pub async fn fetch(&self) -> Result<Vec<Key>, Fault> {
        timeout(self.timeout, self.ask()).await.unwrap_or(Err(Fault::TooSlow))
    }

    async fn ask(&self) -> Result<Vec<Key>, Fault> {
        let about: Discovery = self.get(&self.issuer.discovery()).await?;
        if about.issuer != self.issuer.as_str() {
            return Err(Fault::OtherIssuer);
        }
        if !Url::parse(&about.jwks_uri).is_ok_and(|url| is_private(&url)) {
            return Err(Fault::OpenAddress);
        }
        let set: KeySet = self.get(&about.jwks_uri).await?;
        let keys: Vec<Key> = set.keys.into_iter().filter_map(Key::read).collect();
        // Taken at its word, it would sign everybody out for as long as it says so.
        if keys.is_empty() { Err(Fault::NoKeys) } else { Ok(keys) }
    }

    async fn get<T: DeserializeOwned>(&self, url: &str) -> Result<T, Fault> {
        let request = self.http.get(url).header(header::ACCEPT, "application/json");
        let mut response = request.send().await.map_err(Fault::Unreachable)?;
        if response.status() != StatusCode::OK {
            return Err(Fault::Refused(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(Fault::Unreachable)? {
            if body.len() + chunk.len() > LONGEST {
                return Err(Fault::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(Fault::Malformed)
    }
}
