//! The api's settings, from the environment.

use std::net::SocketAddr;
use std::time::Duration;

use shared::db::DbConfig;
use shared::seal::Keyring;
use shared::settings::{Count, Faults, PositiveDuration, Settings};
use shared::telemetry::TelemetryConfig;
use shared::webhook::target::TargetPolicy;
use url::Url;

use crate::auth::api_key::Pepper;
use crate::auth::oidc::OidcConfig;
use crate::auth::token::TokenKeys;
use crate::commands::admin::OWNER;
use crate::http::address::TrustedProxies;
use crate::limit::LimitConfig;

/// Everything `api serve` and `api admin` need.
#[derive(Debug)]
pub struct Config {
    /// Where tenants call.
    pub listen: SocketAddr,
    /// Where operators look.
    pub admin_listen: SocketAddr,
    /// Whose word about the client's address counts.
    pub proxies: TrustedProxies,
    /// Where people reach the product: QR codes lead to its `/qr`.
    pub public_url: Url,
    /// Whether anyone may sign in to demo tenants.
    pub demo_login: bool,
    /// The database, as `crm_app`.
    pub db: DbConfig,
    /// After which a caller is answered 503.
    pub request_timeout: Duration,
    /// How long requests are still served after a stop signal, while `/readyz` says 503.
    pub drain_delay: Duration,
    /// How often callers may do what.
    pub limits: LimitConfig,
    /// Hashes API keys.
    pub pepper: Pepper,
    /// Signs and verifies access tokens.
    pub tokens: TokenKeys,
    /// The outside issuer whose access tokens are accepted, too.
    pub oidc: Option<OidcConfig>,
    /// Seals webhook secrets.
    pub keyring: Keyring,
    /// Where webhooks may point.
    pub targets: TargetPolicy,
    /// Logs and traces.
    pub telemetry: TelemetryConfig,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// All missing and bad variables at once.
    pub fn from_env() -> Result<Self, Faults> {
        let mut settings = Settings::from_env();
        let config = Self::read(&mut settings);
        settings.finish(config)
    }

    /// Every variable with its default, for `--help`.
    #[must_use]
    pub fn help() -> String {
        let mut settings = Settings::new(|_| None);
        let _ = Self::read(&mut settings);
        let _: Option<Option<String>> = settings.optional("MIGRATION_DATABASE_URL", OWNER);
        settings.help().to_owned()
    }

    /// `ADMIN_LISTEN` alone.
    pub fn admin_listen(settings: &mut Settings<'_>) -> Option<SocketAddr> {
        settings.default(
            "ADMIN_LISTEN",
            "127.0.0.1:9090",
            "Where /healthz, /readyz and /metrics are",
        )
    }

    fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let listen = settings.default("API_LISTEN", "127.0.0.1:8080", "Where tenants call");
        let admin_listen = Self::admin_listen(settings);
        let proxies = settings.optional(
            "TRUSTED_PROXIES",
            "Networks of the proxies in front, whose X-Forwarded-For is believed: 10.1.0.0/16, …",
        );
        let public_url = settings.default(
            "PUBLIC_URL",
            "http://127.0.0.1:8080",
            "Where people reach the product: QR codes lead to <PUBLIC_URL>/qr",
        );
        let demo_login = demo_login(settings, listen);
        let db = database(settings);
        let request_timeout: Option<PositiveDuration> =
            settings.default("REQUEST_TIMEOUT", "15s", "After which a caller is answered 503");
        let drain_delay = settings.default(
            "DRAIN_DELAY",
            "0s",
            "How long requests are still served after a stop signal, while /readyz says 503",
        );
        let limits = LimitConfig::read(settings);
        let pepper = settings.required(
            "API_KEY_PEPPER",
            "Hashes API keys: base64 of 32 random bytes; see `api admin keys`",
        );
        let tokens = settings.required(
            "JWT_KEYS",
            "Signs access tokens: kid:base64,…, the first signs; see `api admin keys`",
        );
        let oidc = OidcConfig::read(settings);
        let keyring = settings.required(
            "SECRET_KEYS",
            "Seals webhook secrets: id:base64,…, the first seals; see `api admin keys`",
        );
        let targets = TargetPolicy::read(settings);
        let telemetry = TelemetryConfig::read(settings);
        Some(Self {
            listen: listen?,
            admin_listen: admin_listen?,
            proxies: TrustedProxies::new(proxies?.unwrap_or_default()),
            public_url: public_url?,
            demo_login: demo_login?,
            db: db?,
            request_timeout: request_timeout?.0,
            drain_delay: drain_delay?,
            limits: limits?,
            pepper: pepper?,
            tokens: tokens?,
            oidc: oidc?,
            keyring: keyring?,
            targets: targets?,
            telemetry: telemetry?,
        })
    }
}

fn database(settings: &mut Settings<'_>) -> Option<DbConfig> {
    let url = settings
        .required("DATABASE_URL", "The database, as crm_app: postgres://crm_app:…@host/database");
    let connections: Option<Count> =
        settings.default("DATABASE_CONNECTIONS", "16", "Most database connections");
    Some(DbConfig {
        url: url?,
        connections: connections?.0,
        application: "liaison-api",
        settings: &[],
    })
}

/// Demo login lets anyone in, so that an address which others reach needs a second word.
fn demo_login(settings: &mut Settings<'_>, listen: Option<SocketAddr>) -> Option<bool> {
    let on: Option<bool> = settings.default(
        "DEMO_LOGIN",
        "false",
        "Whether anyone may sign in to demo tenants, which `api admin tenant create --demo` makes",
    );
    let public: Option<bool> = settings.default(
        "DEMO_LOGIN_PUBLIC",
        "false",
        "Allows DEMO_LOGIN although API_LISTEN is not a loopback address",
    );
    if on? && !public? && !listen?.ip().is_loopback() {
        settings.fault(
            "DEMO_LOGIN=true lets anyone in, and API_LISTEN is not a loopback address: \
             set DEMO_LOGIN_PUBLIC=true if that is meant",
        );
    }
    on
}
