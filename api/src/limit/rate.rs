//! How often is too often: `100/15m`, or `off`.

use std::fmt;
use std::time::Duration;

use shared::settings::Value;

/// At most so many requests in a window of so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests, 1 to 1,000,000.
    pub quota: u32,
    /// Whole seconds, 1 to 86,400.
    pub window: u32,
}

/// A rate, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Nothing is counted and nothing refused.
    Off,
    /// No more than this.
    Rate(Rate),
}

impl Rate {
    /// The window in milliseconds.
    pub(super) fn window_ms(self) -> i64 {
        i64::from(self.window) * 1_000
    }
}

/// `100/15m`: what [`Value::parse`] reads, in the largest unit that is whole.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (window, unit) = match self.window {
            hours if hours % 3_600 == 0 => (hours / 3_600, 'h'),
            minutes if minutes % 60 == 0 => (minutes / 60, 'm'),
            seconds => (seconds, 's'),
        };
        write!(f, "{}/{window}{unit}", self.quota)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Rate(rate) => rate.fmt(f),
        }
    }
}

impl Value for Rate {
    fn parse(text: &str) -> Result<Self, String> {
        let fault = || {
            "write at most 1000000 requests and a window of 1s to 24h, such as 100/15m".to_owned()
        };
        let (quota, window) = text.split_once('/').ok_or_else(fault)?;
        let quota = quota.parse().ok().filter(|quota| (1..=1_000_000).contains(quota));
        let window = Duration::parse(window).ok().filter(|window| window.subsec_millis() == 0);
        let window = window.and_then(|window| u32::try_from(window.as_secs()).ok());
        let window = window.filter(|window| (1..=86_400).contains(window));
        quota.zip(window).map(|(quota, window)| Self { quota, window }).ok_or_else(fault)
    }
}

impl Value for Limit {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "off" => Ok(Self::Off),
            _ => Rate::parse(text).map(Self::Rate).map_err(|fault| format!("{fault}, or off")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_written_as_it_is_read() {
        for text in ["100/15m", "1000000/24h", "1/1s", "7/90s", "off"] {
            assert_eq!(Limit::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Limit::parse("5/900s").unwrap().to_string(), "5/15m");
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "100",
            "/",
            "100/",
            "/15m",
            "0/1m",
            "-1/1m",
            "1000001/1m",
            "1.5/1m",
            "5/0s",
            "5/500ms",
            "5/1500ms",
            "5/25h",
            "5/1d",
            "5/m",
            "Off",
            "5 / 1m",
            "5/1m/2",
        ] {
            assert!(Limit::parse(text).is_err(), "{text}");
        }
    }
}
