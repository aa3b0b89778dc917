//! What was decided about one request, and how the answer says so.

use std::fmt::Display;

use http::{HeaderMap, HeaderValue, header};

use super::rate::Rate;
use super::window::Window;
use crate::error::Details;

/// What a limit says to one request (requirement R-9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// The limit's name.
    pub policy: &'static str,
    /// The limit.
    pub rate: Rate,
    /// Whether the request may go on.
    pub admitted: bool,
    /// How many more may follow at once.
    pub remaining: u32,
    /// Seconds until more may follow: to the end of the window, or, when none may, until one does. At least 1.
    pub reset: u32,
    /// The same in Unix seconds.
    pub reset_at: i64,
}

impl Decision {
    /// Reads a window that has just been asked.
    #[must_use]
    pub fn read(
        policy: &'static str,
        rate: Rate,
        admitted: bool,
        window: Window,
        now_ms: i64,
    ) -> Self {
        let remaining = if admitted { window.remaining(rate, now_ms) } else { 0 };
        let wait = match remaining {
            0 => window.wait(rate, now_ms),
            _ => window.rest(rate, now_ms),
        };
        Self::waiting(policy, rate, admitted, remaining, wait, now_ms)
    }

    /// A refusal by whoever knows how long to wait, in milliseconds.
    #[must_use]
    pub fn refusal(policy: &'static str, rate: Rate, wait_ms: i64, now_ms: i64) -> Self {
        Self::waiting(policy, rate, false, 0, wait_ms, now_ms)
    }

    fn waiting(
        policy: &'static str,
        rate: Rate,
        admitted: bool,
        remaining: u32,
        wait_ms: i64,
        now_ms: i64,
    ) -> Self {
        // Rounded up: whoever comes back then is not early.
        let seconds = |ms: i64| ms.div_euclid(1_000) + i64::from(ms.rem_euclid(1_000) > 0);
        let reset = u32::try_from(seconds(wait_ms).max(1)).unwrap_or(u32::MAX);
        let reset_at = seconds(now_ms + wait_ms);
        Self { policy, rate, admitted, remaining, reset, reset_at }
    }

    /// Writes both families of headers: `X-RateLimit-*`, and those of draft-ietf-httpapi-ratelimit-headers; with a
    /// refusal `Retry-After` too (RFC 9110 §10.2.3).
    pub fn describe(&self, headers: &mut HeaderMap) {
        let Self { policy, rate: Rate { quota, window }, remaining, reset, .. } = self;
        set(headers, "x-ratelimit-limit", quota);
        set(headers, "x-ratelimit-remaining", remaining);
        set(headers, "x-ratelimit-reset", self.reset_at);
        set(headers, "ratelimit-policy", format_args!("\"{policy}\";q={quota};w={window}"));
        set(headers, "ratelimit", format_args!("\"{policy}\";r={remaining};t={reset}"));
        if !self.admitted {
            set(headers, header::RETRY_AFTER.as_str(), reset);
        }
    }

    /// What the body of a refusal says (requirement R-11).
    #[must_use]
    pub fn details(&self) -> Details {
        Details::from([
            ("policy".into(), self.policy.into()),
            ("limit".into(), self.rate.to_string()),
            ("retryAfter".into(), self.reset.to_string()),
        ])
    }
}

fn set(headers: &mut HeaderMap, name: &'static str, value: impl Display) {
    if let Ok(value) = HeaderValue::try_from(value.to_string()) {
        headers.insert(name, value);
    }
}
