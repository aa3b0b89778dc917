//! Which outside issuer is believed, from the environment.

use std::time::Duration;

use shared::settings::{Settings, Value};
use url::{Host, Url};

/// Everything that is known of the issuer beforehand.
#[derive(Clone, Debug)]
pub struct OidcConfig {
    /// What its tokens call it.
    pub issuer: IssuerUrl,
    /// What its tokens must be for.
    pub audience: String,
    /// The claim that holds the id of the tenant.
    pub tenant_claim: String,
    /// For a whole fetch of its keys.
    pub timeout: Duration,
}

impl OidcConfig {
    /// Reads `OIDC_*`. The outer `Option` is `None` when something is wrong, the inner one when there is no issuer.
    pub fn read(settings: &mut Settings<'_>) -> Option<Option<Self>> {
        let issuer: Option<Option<IssuerUrl>> = settings.optional(
            "OIDC_ISSUER",
            "An OpenID Connect issuer whose access tokens are accepted too: https://id.example",
        );
        let audience: Option<Option<String>> = settings.optional(
            "OIDC_AUDIENCE",
            "What its tokens must name as aud, such as liaison; required with OIDC_ISSUER",
        );
        let tenant_claim = settings.default(
            "OIDC_TENANT_CLAIM",
            "tenant_id",
            "The claim of its tokens that holds the id of the tenant",
        );
        match (issuer?, audience?) {
            (None, None) => Some(None),
            (Some(issuer), Some(audience)) => {
                let (tenant_claim, timeout) = (tenant_claim?, Duration::from_secs(5));
                Some(Some(Self { issuer, audience, tenant_claim, timeout }))
            }
            (Some(_), None) => {
                settings.fault(
                    "OIDC_AUDIENCE is not set, and OIDC_ISSUER is: \
                     write what the issuer's tokens must name as aud, such as liaison",
                );
                None
            }
            (None, Some(_)) => {
                settings.fault(
                    "OIDC_ISSUER is not set, and OIDC_AUDIENCE is: \
                     write the issuer's URL, such as https://id.example",
                );
                None
            }
        }
    }
}

/// The issuer's name, byte for byte as its tokens have it: a slash at the end counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerUrl(String);

impl IssuerUrl {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where it describes itself (`OpenID` Connect Discovery 1.0, section 4).
    #[must_use]
    pub fn discovery(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.0.trim_end_matches('/'))
    }

    /// Whether nothing may be asked in plain http.
    #[must_use]
    pub fn is_https(&self) -> bool {
        Url::parse(&self.0).is_ok_and(|url| url.scheme() == "https")
    }
}

/// An `https` URL, or an `http` one of this machine, without query, fragment and login.
impl Value for IssuerUrl {
    fn parse(text: &str) -> Result<Self, String> {
        let plain = |url: &Url| {
            url.query().is_none()
                && url.fragment().is_none()
                && url.username().is_empty()
                && url.password().is_none()
        };
        let fit = Url::parse(text).is_ok_and(|url| is_private(&url) && plain(&url));
        fit.then(|| Self(text.to_owned()))
            .ok_or_else(|| "write an https URL such as https://id.example".into())
    }
}

/// Whether nobody on the way can change what is fetched there: https, or http that stays on this machine.
#[must_use]
pub(super) fn is_private(url: &Url) -> bool {
    let loopback = || match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || url.scheme() == "http" && loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_asked_by_https_or_on_this_machine_and_keeps_its_slash() {
        for good in ["https://id.example", "https://id.example/realms/a/", "http://[::1]:9/x"] {
            assert_eq!(IssuerUrl::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "id.example",
            "http://id.example",
            "ftp://localhost",
            "https://id.example/?a=b",
            "https://id.example/#a",
            "https://user@id.example",
            "http://127.0.0.1.id.example",
        ] {
            assert!(IssuerUrl::parse(bad).is_err(), "{bad}");
        }
        let slash = IssuerUrl::parse("https://id.example/a/").unwrap();
        assert_eq!(slash.discovery(), "https://id.example/a/.well-known/openid-configuration");
    }
}
