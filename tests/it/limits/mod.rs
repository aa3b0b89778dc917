//! Rate limits: requirements.

mod addresses;
mod flood;
mod headers;
mod outage;
mod overrides;
mod refusals;
mod stores;
mod table;

use std::time::Duration;

use api::config::Config;
use api::limit::LimitConfig;
use reqwest::Method;
use shared::settings::Settings;
use tests::kit::{Answer, CONTACTS, TestApp};

/// So patient that a slow machine is not taken for a Redis that is away.
const PATIENT: Duration = Duration::from_mins(1);

/// These variables; every other limit is off.
fn limits(variables: &[(&str, &str)]) -> LimitConfig {
    let mut settings = Settings::new(|name| {
        let set = variables.iter().find(|(set, _)| *set == name).map(|(_, value)| *value);
        let off = name.starts_with("RATE_LIMIT_") || name == "FLOOD_GUARD";
        set.or(off.then_some("off")).map(str::to_owned)
    });
    let config = LimitConfig::read(&mut settings);
    let mut config = settings.finish(config).unwrap();
    config.timeout = PATIENT;
    config
}

pub fn limited(variables: &[(&str, &str)]) -> impl FnOnce(&mut Config) + use<> {
    let limits = limits(variables);
    |config| config.limits = limits
}

/// A list without a credential, as the client that a proxy names: 401, counted by address.
async fn stranger(app: &TestApp, forwarded_for: &str) -> Answer {
    let request = app.request(Method::GET, CONTACTS).header("x-forwarded-for", forwarded_for);
    Answer::to(request).await
}
