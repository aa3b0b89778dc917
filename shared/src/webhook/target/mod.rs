//! Which URLs a webhook may point to. The api asks when one is saved, the worker before every send.
//!
//! A webhook lets a tenant choose an address that is then called from inside the operator's
//! network (server-side request forgery). Two checks close that door together: [`TargetPolicy::check`]
//! sees the URL, with its literal addresses, and [`TargetPolicy::allows`] sees what a name resolves
//! to at the moment of connecting. Neither is enough alone: an HTTP client never asks its resolver
//! about a literal address, and what a name resolves to may change between two sends.

mod networks;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};
use url::{Host, Url};

use crate::settings::Settings;

/// Longest URL, in characters as given and in bytes as stored.
pub const MAX_URL: usize = 2048;

/// Names that mean "inside": reserved by RFC 2606, 6761, 6762, 7686 and 8375, or in private use.
const PRIVATE_NAMES: [&str; 12] = [
    "localhost",
    "local",
    "internal",
    "intranet",
    "lan",
    "corp",
    "home.arpa",
    "localdomain",
    "test",
    "invalid",
    "onion",
    "svc",
];

/// Which URLs a webhook may point to.
#[derive(Debug, Clone)]
pub struct TargetPolicy {
    allow_http: bool,
    allow_networks: Vec<IpNet>,
}

/// Why a webhook may not point to a URL; displays as the message of a field error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Longer than [`MAX_URL`].
    #[error("Must be at most {MAX_URL} characters long")]
    TooLong,
    /// No absolute URL with a host.
    #[error("Must be a valid absolute URL")]
    Invalid,
    /// Plain http, where only https is allowed, or any other scheme.
    #[error("Must use https")]
    HttpsOnly,
    /// Neither https nor http.
    #[error("Must use https or http")]
    Scheme,
    /// User name or password inside the URL.
    #[error("Must not contain a user name or password")]
    Credentials,
    /// A privileged port other than those of the web.
    #[error("Must use port 443 or a port from 1024 up")]
    Port,
    /// A name that only means something inside a network.
    #[error("Must not point to a local or internal name")]
    Name,
    /// An address that is not on the public Internet.
    #[error("Must not point to a private or reserved address")]
    Address,
}

impl TargetPolicy {
    /// Reads `WEBHOOK_ALLOW_HTTP` and `WEBHOOK_ALLOW_NETWORKS`.
    pub fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let networks: Option<Option<Vec<IpNet>>> = settings.optional(
            "WEBHOOK_ALLOW_NETWORKS",
            "Networks exempt from the guard against inward webhooks, such as 10.1.0.0/16",
        );
        let http =
            settings.default("WEBHOOK_ALLOW_HTTP", "false", "Whether webhooks may use plain http");
        Some(Self::new(http?, networks?.unwrap_or_default()))
    }

    /// `allow_http` accepts plain http beside https; addresses in `allow_networks` are exempt from
    /// the refusal of private and reserved ones. IPv4-mapped networks mean the IPv4 ones.
    #[must_use]
    pub fn new(allow_http: bool, allow_networks: Vec<IpNet>) -> Self {
        let allow_networks = allow_networks.into_iter().map(unmapped).collect();
        Self { allow_http, allow_networks }
    }

    /// Parses and checks what a user typed. Store and send only `Url::as_str()` of the answer, so
    /// that no second parser ever reads the raw text.
    ///
    /// A fragment is dropped: it is never part of a request, so refusing it would help nobody.
    ///
    /// # Errors
    /// As [`TargetError`] says.
    pub fn parse(&self, text: &str) -> Result<Url, TargetError> {
        let text = text.trim();
        if text.chars().count() > MAX_URL {
            return Err(TargetError::TooLong);
        }
        let mut url = Url::parse(text).map_err(|_| TargetError::Invalid)?;
        self.check(&url)?;
        url.set_fragment(None);
        // Percent-encoding lengthens: nine bytes for one character of the path.
        if url.as_str().len() > MAX_URL { Err(TargetError::TooLong) } else { Ok(url) }
    }

    /// Checks scheme, credentials, host and port; a name is not resolved.
    ///
    /// # Errors
    /// As [`TargetError`] says.
    pub fn check(&self, url: &Url) -> Result<(), TargetError> {
        match (url.scheme(), self.allow_http) {
            ("https", _) | ("http", true) => {}
            (_, true) => return Err(TargetError::Scheme),
            (_, false) => return Err(TargetError::HttpsOnly),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(TargetError::Credentials);
        }
        let exempt = match url.host().ok_or(TargetError::Invalid)? {
            Host::Domain(name) => self.check_name(name).map(|()| false)?,
            Host::Ipv4(addr) => self.check_literal(addr.into())?,
            Host::Ipv6(addr) => self.check_literal(addr.into())?,
        };
        match url.port_or_known_default() {
            Some(443 | 1024..) => Ok(()),
            Some(80) if self.allow_http => Ok(()),
            Some(_) if exempt => Ok(()),
            _ => Err(TargetError::Port),
        }
    }

    /// Whether a connection to this address may be opened. A resolver refuses the whole answer
    /// when one of its addresses is not allowed.
    #[must_use]
    pub fn allows(&self, addr: IpAddr) -> bool {
        self.exempts(addr) || networks::is_public(addr)
    }

    fn exempts(&self, addr: IpAddr) -> bool {
        let addr = addr.to_canonical();
        self.allow_networks.iter().any(|network| network.contains(&addr))
    }

    /// Whether an allowed address is one by exemption.
    fn check_literal(&self, addr: IpAddr) -> Result<bool, TargetError> {
        if self.allows(addr) { Ok(self.exempts(addr)) } else { Err(TargetError::Address) }
    }

    fn check_name(&self, name: &str) -> Result<(), TargetError> {
        let name = name.trim_end_matches('.');
        let within = |parent| {
            name.strip_suffix(parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        let loopback =
            || self.exempts(Ipv4Addr::LOCALHOST.into()) || self.exempts(Ipv6Addr::LOCALHOST.into());
        if within("localhost") && loopback() {
            return Ok(());
        }
        if !name.contains('.') || PRIVATE_NAMES.into_iter().any(within) {
            return Err(TargetError::Name);
        }
        Ok(())
    }
}

/// `::ffff:10.0.0.0/104` is `10.0.0.0/8`.
fn unmapped(network: IpNet) -> IpNet {
    let v4 = |network: &IpNet| {
        let IpAddr::V4(addr) = network.addr().to_canonical() else { return None };
        Ipv4Net::new(addr, network.prefix_len().checked_sub(96)?).ok()
    };
    match network {
        IpNet::V4(_) => network,
        IpNet::V6(_) => v4(&network).map_or(network, IpNet::V4),
    }
}
