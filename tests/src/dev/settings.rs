//! Where everything listens, and what dev's own environment says.

use std::collections::BTreeMap;
use std::env;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use url::Url;

use crate::servers::Result;

/// Environment variables for a program.
pub type Environment = BTreeMap<String, String>;

/// The product's variables that dev hands on as they are; those it sets by itself are not among them.
const PRODUCT_VARIABLES: [&str; 14] = [
    "PUBLIC_URL",
    "TRUSTED_PROXIES",
    "FLOOD_GUARD",
    "DATABASE_CONNECTIONS",
    "DIRECT_DATABASE_URL",
    "REQUEST_TIMEOUT",
    "DRAIN_DELAY",
    "REDIS_URL",
    "QUEUE",
    "LOG",
    "LOG_FORMAT",
    "JWT_KEYS",
    "API_KEY_PEPPER",
    "SECRET_KEYS",
];
const PRODUCT_PREFIXES: [&str; 6] =
    ["WEBHOOK_", "WORKER_", "RATE_LIMIT_", "DEMO_", "OTEL_", "OIDC_"];

/// What dev sets when its own environment does not: enough to reach a receiver on this machine.
const DEFAULTS: [(&str, &str); 3] = [
    ("WEBHOOK_ALLOW_NETWORKS", "127.0.0.0/8,::1/128"),
    ("WEBHOOK_ALLOW_HTTP", "true"),
    ("DEMO_LOGIN", "true"),
];

/// What listens, the variable that moves it, and where it listens without.
const LISTENERS: [(&str, &str, &str); 4] = [
    ("api", "API_LISTEN", "127.0.0.1:8080"),
    ("api admin", "ADMIN_LISTEN", "127.0.0.1:9090"),
    ("worker admin", "WORKER_ADMIN_LISTEN", "127.0.0.1:9091"),
    ("webhook catcher", "CATCHER_LISTEN", "127.0.0.1:0"),
];

/// The runner's settings.
pub struct Settings {
    pub api: SocketAddr,
    pub admin: SocketAddr,
    pub worker_admin: SocketAddr,
    pub catcher: SocketAddr,
    /// A login that may create roles and migrate; `None` starts an embedded PostgreSQL.
    pub database: Option<Url>,
    /// For api and worker: the product's variables of dev's own environment, over dev's defaults.
    pub product: Environment,
}

impl Settings {
    /// Reads dev's environment and makes sure that every address is free.
    ///
    /// # Errors
    /// All bad values and taken addresses at once, each with its variable.
    pub fn from_env() -> Result<Self> {
        let [api, admin, worker_admin, catcher] = addresses(|name| env::var(name).ok())?;
        let database = env::var("DATABASE_URL").ok().filter(|url| !url.is_empty());
        let database = database
            .map(|url| url.parse().map_err(|error| format!("DATABASE_URL is no URL: {error}")))
            .transpose()?;
        let product = product(env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }));
        Ok(Self { api, admin, worker_admin, catcher, database, product })
    }

    /// Whether dev's own environment decides which webhook targets are allowed; the catcher may then be out of reach.
    pub fn moves_network_guard(&self) -> bool {
        DEFAULTS[..2].iter().any(|(name, value)| self.product[*name] != *value)
    }
}

/// Whether a variable of dev's own environment is one of the product's, which dev hands on; the value itself or a file
/// with it.
#[must_use]
pub fn hands_on(name: &str) -> bool {
    let name = name.strip_suffix("_FILE").unwrap_or(name);
    PRODUCT_VARIABLES.contains(&name)
        || (PRODUCT_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            && LISTENERS.iter().all(|(_, variable, _)| *variable != name))
}

/// The product's variables among these, over dev's defaults.
fn product(environment: impl Iterator<Item = (String, String)>) -> Environment {
    let mut product: Environment =
        DEFAULTS.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    product.extend(environment.filter(|(name, _)| hands_on(name)));
    product
}

/// The four addresses, each free; port 0 becomes a free port.
fn addresses(variable: impl Fn(&str) -> Option<String>) -> Result<[SocketAddr; 4]> {
    let mut problems = Vec::new();
    // Held until the last one is bound, so that two variables with the same address show.
    let mut listeners = Vec::new();
    for (what, name, default) in LISTENERS {
        let value = variable(name).filter(|value| !value.is_empty()).unwrap_or(default.into());
        match value.parse::<SocketAddr>() {
            Err(_) => {
                problems.push(format!("{name}={value} is no address such as 127.0.0.1:8080"));
            }
            Ok(address) => match TcpListener::bind(address) {
                Ok(listener) => listeners.push(listener),
                Err(error) => {
                    problems.push(format!("{address} ({what}): {error}; {name} moves it"));
                }
            },
        }
    }
    let addresses: Vec<_> =
        listeners.iter().map(TcpListener::local_addr).collect::<std::io::Result<_>>()?;
    addresses
        .try_into()
        .map_err(|_| format!("nothing was started:\n  {}", problems.join("\n  ")).into())
}

/// The URL under which this machine reaches a listener.
pub fn url(mut address: SocketAddr) -> String {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    format!("http://{address}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_taken_or_bad_address_is_named_with_its_variable() {
        let busy = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = busy.local_addr().unwrap().to_string();
        let complaint = addresses(|name| match name {
            "API_LISTEN" => Some(taken.clone()),
            "ADMIN_LISTEN" => Some("nonsense".into()),
            _ => Some("127.0.0.1:0".into()),
        })
        .unwrap_err()
        .to_string();
        assert!(complaint.contains(&taken), "{complaint}");
        assert!(complaint.contains("API_LISTEN moves it"), "{complaint}");
        assert!(complaint.contains("ADMIN_LISTEN=nonsense"), "{complaint}");
        assert!(!complaint.contains("CATCHER_LISTEN"), "{complaint}");
    }

    #[test]
    fn the_developers_variables_win_over_the_defaults_and_strangers_stay_out() {
        let own = [
            ("DEMO_LOGIN", "false"),
            ("QUEUE", "redis"),
            ("JWT_KEYS_FILE", "/run/secrets/keys"),
            ("WORKER_ADMIN_LISTEN", "x"),
            ("DATABASE_URL_FILE", "x"),
            ("HOME", "/"),
        ];
        let product = product(own.map(|(name, value)| (name.into(), value.into())).into_iter());
        let expected = [
            ("DEMO_LOGIN", "false"),
            ("JWT_KEYS_FILE", "/run/secrets/keys"),
            ("QUEUE", "redis"),
            ("WEBHOOK_ALLOW_HTTP", "true"),
            ("WEBHOOK_ALLOW_NETWORKS", "127.0.0.0/8,::1/128"),
        ];
        assert_eq!(product, expected.map(|(name, value)| (name.into(), value.into())).into());
    }

    #[test]
    fn a_listener_on_all_interfaces_is_reached_by_loopback() {
        assert_eq!(url("0.0.0.0:80".parse().unwrap()), "http://127.0.0.1:80");
        assert_eq!(url("[::]:80".parse().unwrap()), "http://[::1]:80");
        assert_eq!(url("10.0.0.1:80".parse().unwrap()), "http://10.0.0.1:80");
    }
}
