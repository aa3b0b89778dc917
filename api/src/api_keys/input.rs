//! What requests say of API keys, field by field.

use serde_json::json;
use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use ipnet::{IpNet, Ipv4Net};
use shared::scope::Scope;
use utoipa::ToSchema;

use crate::http::fields::{Change, Checked, Fields, Input};
use crate::http::rules::{self, Rule};

/// Most networks and addresses of a key.
const MAX_NETWORKS: usize = 50;
/// The longest overlap of two secrets, in seconds: 7 days.
const MAX_OVERLAP: i64 = 7 * DAY;
/// An overlap that nobody chose, in seconds.
const DAY: i64 = 24 * 60 * 60;
/// Members that answers carry and requests may repeat.
const SHOWN: [&str; 4] = ["prefix", "lastUsedAt", "createdBy", "revokedAt"];
/// The secret, which two answers carry. A change may repeat it; who creates a key with one hopes to choose it.
const KEY: &str = "key";

/// What an API key is created from.
#[derive(Clone, Debug, ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"name": "Nightly export", "scopes": ["contacts:read", "companies:read"], "allowedIps": ["192.0.2.0/24"]}))]
pub struct NewApiKey {
    /// 1 to 100 characters.
    pub name: String,
    /// What it may do: scopes that its creator holds.
    pub scopes: Vec<String>,
    /// Until when it works; for ever when absent.
    pub expires_at: Option<DateTime<Utc>>,
    /// `true` unless said otherwise.
    #[schema(value_type = Option<bool>)]
    pub active: bool,
    /// The addresses and networks (CIDR) that it works from; from anywhere when absent.
    pub allowed_ips: Option<Vec<String>>,
}

/// What changes in an API key: absent fields stay, `null` clears.
#[derive(Clone, Debug, Default, ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"active": false}))]
pub struct ApiKeyPatch {
    /// Replaces the name.
    pub name: Option<String>,
    /// Replaces the scopes.
    pub scopes: Option<Vec<String>>,
    /// Changes until when it works.
    #[schema(value_type = Option<DateTime<Utc>>)]
    pub expires_at: Change<DateTime<Utc>>,
    /// Switches on or off.
    pub active: Option<bool>,
    /// Changes where it works from.
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_ips: Change<Vec<String>>,
}

/// How a secret is replaced.
#[derive(Clone, Debug, ToSchema)]
#[schema(rename_all = "camelCase", example = json!({"overlapSeconds": 86400}))]
pub struct Rotation {
    /// How long the secrets that the key has go on working: 0 to 7 days, a day when absent.
    #[schema(value_type = Option<i64>)]
    pub overlap_seconds: TimeDelta,
}

impl Input for NewApiKey {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.required("name", rules::line(100));
        let scopes = fields.required("scopes", scopes());
        let expires_at = fields.optional("expiresAt", rules::time());
        let active = fields.optional("active", rules::boolean());
        let allowed_ips = fields.optional("allowedIps", networks());
        fields.ignore(&SHOWN);
        Some(Self {
            name: name?,
            scopes: scopes?,
            expires_at: expires_at?,
            active: active?.unwrap_or(true),
            allowed_ips: allowed_ips?,
        })
    }
}

impl Input for ApiKeyPatch {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = fields.replaced("name", rules::line(100));
        let scopes = fields.replaced("scopes", scopes());
        let expires_at = fields.changed("expiresAt", rules::time());
        let active = fields.replaced("active", rules::boolean());
        let allowed_ips = fields.changed("allowedIps", networks());
        fields.ignore(&SHOWN);
        fields.ignore(&[KEY]);
        Some(Self {
            name: name?,
            scopes: scopes?,
            expires_at: expires_at?,
            active: active?,
            allowed_ips: allowed_ips?,
        })
    }
}

impl Input for Rotation {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let seconds = fields.optional("overlapSeconds", rules::integer(0..=MAX_OVERLAP))?;
        Some(Self { overlap_seconds: TimeDelta::seconds(seconds.unwrap_or(DAY)) })
    }
}

/// Known scopes, each once, in the order of their list.
fn scopes() -> impl Rule<Vec<String>> {
    rules::list(1..=Scope::ALL.len(), rules::one_of(Scope::ALL, Scope::as_str)).then(|named| {
        let kept = Scope::ALL.iter().filter(|scope| named.contains(scope));
        Ok(kept.map(ToString::to_string).collect())
    })
}

/// Networks and addresses, each once.
fn networks() -> impl Rule<Vec<String>> {
    let schema = || json!({"type": "string", "minLength": 2, "pattern": r"^\s*[0-9A-Fa-f:.]+(/[0-9]{1,3})?\s*$"});
    let network = rules::string_of(schema, |text| network(&text));
    rules::list(1..=MAX_NETWORKS, network).then(|mut kept: Vec<String>| {
        let mut seen = std::collections::BTreeSet::new();
        kept.retain(|text| seen.insert(text.clone()));
        Ok(kept)
    })
}

/// An address, or a network without the bits of its hosts; IPv4 in IPv6 is folded, as the client's address is.
fn network(text: &str) -> Checked<String> {
    let text = text.trim();
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let Ok(network) = text.parse::<IpNet>().or_else(|_| address()) else {
        return Err("Must be an IP address or a network such as 192.0.2.0/24".into());
    };
    let network = folded(network).trunc();
    Ok(if network.prefix_len() == network.max_prefix_len() {
        network.addr().to_string()
    } else {
        network.to_string()
    })
}

fn folded(network: IpNet) -> IpNet {
    let IpNet::V6(six) = network else { return network };
    let four = six.addr().to_ipv4_mapped().zip(six.prefix_len().checked_sub(96));
    four.and_then(|(address, length)| Ipv4Net::new(address, length).ok()).map_or(network, IpNet::V4)
}
