//! The limits' settings.

use std::time::Duration;

use shared::RedisUrl;
use shared::settings::Settings;

use super::class::Class;
use super::rate::Limit;

/// What one request waits for Redis at most.
const TIMEOUT: Duration = Duration::from_millis(250);

/// How often who may do what, and where it is counted.
#[derive(Clone, Debug)]
pub struct LimitConfig {
    /// Before authentication, by address: how much at once, refilled over the window.
    pub flood: Limit,
    /// Where api processes share their counts; each counts by itself without.
    pub redis: Option<RedisUrl>,
    /// What one request waits for Redis at most.
    pub timeout: Duration,
    /// In the order of [`Class::ALL`].
    classes: [Limit; Class::ALL.len()],
}

impl LimitConfig {
    /// Nothing is limited.
    #[must_use]
    pub fn off() -> Self {
        let classes = [Limit::Off; Class::ALL.len()];
        Self { flood: Limit::Off, redis: None, timeout: TIMEOUT, classes }
    }

    /// The limit of a class.
    #[must_use]
    pub fn of(&self, class: Class) -> Limit {
        self.classes[class as usize]
    }

    /// The same with another limit of a class.
    #[must_use]
    pub fn with(mut self, class: Class, limit: Limit) -> Self {
        self.classes[class as usize] = limit;
        self
    }

    /// Reads `RATE_LIMIT_*`, `FLOOD_GUARD` and `REDIS_URL`. The defaults are those of requirements.
    pub fn read(settings: &mut Settings<'_>) -> Option<Self> {
        let classes = [
            settings.default(
                "RATE_LIMIT_LOGIN",
                "5/15m",
                "Sign-ins of one address, and of one identity: requests/window, or off",
            ),
            settings.default(
                "RATE_LIMIT_QR",
                "10/1m",
                "QR sessions made by one address, scanned or confirmed by one user",
            ),
            settings.default("RATE_LIMIT_QR_POLL", "60/1m", "Questions after one QR session"),
            settings.default(
                "RATE_LIMIT_REFRESH",
                "30/15m",
                "Renewals of one session; those of one address are changes",
            ),
            settings.default("RATE_LIMIT_WRITE", "1000/15m", "Changes by one key or user"),
            settings.default(
                "RATE_LIMIT_READ",
                "100/15m",
                "Reads by one key or user; ten times harder than changes",
            ),
        ];
        let flood = settings.default(
            "FLOOD_GUARD",
            "1000/5s",
            "Requests of one address before anybody asks who it is: at once, and again in the window",
        );
        let redis = settings.optional("REDIS_URL", "Where api processes share their rate limits");
        let [login, qr, qr_poll, refresh, write, read] = classes;
        Some(Self {
            flood: flood?,
            redis: redis?,
            timeout: TIMEOUT,
            classes: [login?, qr?, qr_poll?, refresh?, write?, read?],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_variable_the_limits_are_the_documents() {
        let mut settings = Settings::new(|_| None);
        let config = LimitConfig::read(&mut settings).unwrap();
        let written = |class: &Class| format!("{class} {}", config.of(*class));
        let limits: Vec<_> = Class::ALL.iter().map(written).collect();
        assert_eq!(
            limits,
            [
                "login 5/15m",
                "qr 10/1m",
                "qr_poll 60/1m",
                "refresh 30/15m",
                "write 1000/15m",
                "read 100/15m",
            ]
        );
    }

    #[test]
    fn each_variable_moves_its_own_class() {
        for &class in Class::ALL {
            let name = format!("RATE_LIMIT_{}", class.as_str().to_uppercase());
            let mut settings = Settings::new(|asked| (asked == name).then(|| "7/7s".into()));
            let config = LimitConfig::read(&mut settings).unwrap();
            for &other in Class::ALL {
                assert_eq!(config.of(other).to_string() == "7/7s", other == class, "{name}");
            }
        }
    }
}
