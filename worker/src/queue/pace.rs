//! Rates: what a receiver took, and what it is given since it refused more. Pure.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// How far below the rate that was taken a refused receiver is called.
const CUT: f64 = 0.1;

/// Seconds after which the rate is where it was refused.
const RECOVERY: f64 = 30.0;

/// Where pacing ends: so many times the rate that was refused.
const FORGOTTEN: f64 = 8.0;

/// The slowest pace, in requests per second.
pub(super) const SLOWEST: f64 = 0.5;

/// A rate that was refused, and what has been begun since.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    /// Requests per second that were taken.
    pub ceiling: f64,
    /// What it certainly is not above.
    pub most: f64,
    /// When it was refused.
    pub since: DateTime<Utc>,
    /// When the requests begun so far are paid for.
    pub paid_until: DateTime<Utc>,
}

impl Pace {
    /// Requests per second.
    pub(super) fn rate(&self, now: DateTime<Utc>) -> f64 {
        let x = seconds(now - self.since) / RECOVERY - 1.0;
        self.ceiling * (1.0 + CUT * x.powi(3))
    }

    pub(super) fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.rate(now) > FORGOTTEN * self.ceiling
    }

    pub(super) fn tokens(&self, now: DateTime<Utc>) -> f64 {
        burst(self.rate(now)) - seconds(self.paid_until - now).max(0.0) * self.rate(now)
    }

    pub(super) fn spend(&mut self, now: DateTime<Utc>) {
        let price = Duration::from_secs_f64(1.0 / self.rate(now).max(SLOWEST / 2.0));
        self.paid_until = self.paid_until.max(now) + delta(price);
    }

    pub(super) fn next_token(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.paid_until - burst_time(self.rate(now))
    }
}

/// A tenth of a second's requests at once, at least one.
pub(super) fn burst(rate: f64) -> f64 {
    (rate / 10.0).max(1.0)
}

/// What a burst is ahead of the rate, with its last request.
pub(super) fn burst_time(rate: f64) -> TimeDelta {
    delta(Duration::from_secs_f64(((burst(rate) - 1.0) / rate).max(0.0)))
}

/// Events of about the last second.
#[derive(Debug, Default)]
pub(super) struct Meter {
    second: i64,
    within: u32,
    before: u32,
}

impl Meter {
    pub(super) fn count(&mut self, now: DateTime<Utc>) {
        self.turn(now);
        self.within += 1;
    }

    pub(super) fn per_second(&mut self, now: DateTime<Utc>) -> f64 {
        self.turn(now);
        let rest = 1.0 - f64::from(now.timestamp_subsec_millis()) / 1000.0;
        f64::from(self.within) + f64::from(self.before) * rest
    }

    fn turn(&mut self, now: DateTime<Utc>) {
        let second = now.timestamp();
        if second != self.second {
            self.before = if second == self.second + 1 { self.within } else { 0 };
            (self.second, self.within) = (second, 0);
        }
    }
}

fn seconds(delta: TimeDelta) -> f64 {
    delta.as_seconds_f64()
}

pub(super) fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX / 4)
}
