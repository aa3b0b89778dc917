//! The api's settings in tests.

use std::time::Duration;

use api::config::Config;
use api::http::address::TrustedProxies;
use api::limit::LimitConfig;
use shared::db::DbConfig;
use shared::settings::{Settings, Value};
use shared::telemetry::TelemetryConfig;
use shared::webhook::target::TargetPolicy;

/// When the clock of every test starts.
pub const START: &str = "2026-01-02T03:04:05.678Z";
/// The name of the key that signs access tokens.
pub const TOKEN_KID: &str = "test";
/// That key, in base64.
pub const TOKEN_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// The pepper of API keys, in base64.
pub const PEPPER: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
/// The key that seals webhook secrets, in base64.
pub const SECRET_KEY: &str = "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=";

/// As a developer would run the api: webhooks may go to this machine, in plain http. Nothing is limited: a test
/// of anything else calls as often as it likes.
pub(super) fn config(database_url: &str) -> Config {
    let loopback = ["127.0.0.0/8", "::1/128"].map(|network| network.parse().unwrap());
    let mut nothing_set = Settings::new(|_| None);
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        admin_listen: "127.0.0.1:0".parse().unwrap(),
        proxies: TrustedProxies::default(),
        public_url: "https://crm.example".parse().unwrap(),
        demo_login: false,
        db: DbConfig {
            url: Value::parse(database_url).unwrap(),
            connections: 8,
            application: "liaison-test",
            settings: &[],
        },
        request_timeout: Duration::from_mins(1),
        drain_delay: Duration::ZERO,
        limits: LimitConfig::off(),
        pepper: Value::parse(PEPPER).unwrap(),
        tokens: Value::parse(&format!("{TOKEN_KID}:{TOKEN_KEY}")).unwrap(),
        oidc: None,
        keyring: Value::parse(&format!("1:{SECRET_KEY}")).unwrap(),
        targets: TargetPolicy::new(true, loopback.to_vec()),
        telemetry: TelemetryConfig::read(&mut nothing_set).unwrap(),
    }
}
