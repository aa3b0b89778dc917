//! The only place that asks the operating system for the time. Tests move a manual clock instead of waiting.

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;

/// Time in UTC, in whole milliseconds, as the API shows it: what it tells is what the database holds.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    /// Milliseconds since the Unix epoch, shared by all clones.
    Manual(watch::Sender<i64>),
}

impl Clock {
    /// The machine's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until [`Clock::advance`].
    #[must_use]
    pub fn manual(start: DateTime<Utc>) -> Self {
        Self(Source::Manual(watch::Sender::new(start.timestamp_millis())))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let millis = match &self.0 {
            Source::System =>
            {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "this is the place the lint points to"
                )]
                Utc::now().timestamp_millis()
            }
            Source::Manual(millis) => *millis.borrow(),
        };
        DateTime::from_timestamp_millis(millis).unwrap_or_default()
    }

    /// Waits until it is `at`: by a manual clock until somebody moves it so far.
    pub async fn reach(&self, at: DateTime<Utc>) {
        match &self.0 {
            // The machine's clock may be set meanwhile.
            Source::System => {
                while self.now() < at {
                    tokio::time::sleep((at - self.now()).to_std().unwrap_or_default()).await;
                }
            }
            Source::Manual(millis) => {
                let at = at.timestamp_millis();
                // It is never closed: this is one of its senders.
                let _ = millis.subscribe().wait_for(|now| *now >= at).await;
            }
        }
    }

    /// Moves a manual clock and all its clones forward; the system's clock does not listen.
    pub fn advance(&self, by: TimeDelta) {
        if let Source::Manual(millis) = &self.0 {
            millis.send_modify(|millis| *millis += by.num_milliseconds());
        }
    }
}

/// RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`.
#[must_use]
pub fn rfc3339(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// For `#[serde(serialize_with)]`: a time as [`rfc3339`] writes it.
///
/// # Errors
/// Only those of the serializer.
pub fn serialize<S: serde::Serializer>(time: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&rfc3339(*time))
}

/// For `#[serde(serialize_with)]`: a time or `null`.
///
/// # Errors
/// Only those of the serializer.
pub fn serialize_option<S: serde::Serializer>(
    time: &Option<DateTime<Utc>>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serialize(time, to),
        None => to.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told_and_with_all_its_clones() {
        let start = DateTime::from_timestamp_millis(1_767_323_045_678).unwrap();
        let clock = Clock::manual(start);
        let clone = clock.clone();
        assert_eq!(clone.now(), start);
        clock.advance(TimeDelta::minutes(2));
        assert_eq!(clone.now() - start, TimeDelta::minutes(2));
    }

    #[tokio::test]
    async fn a_time_is_reached_when_the_clock_shows_it_and_not_before() {
        for clock in [Clock::system(), Clock::manual(DateTime::UNIX_EPOCH)] {
            let at = clock.now() + TimeDelta::milliseconds(20);
            let reached = tokio::spawn({
                let clock = clock.clone();
                async move {
                    clock.reach(at).await;
                    clock.now() >= at
                }
            });
            for _ in 0..3 {
                tokio::task::yield_now().await;
                assert!(clock.now() >= at || !reached.is_finished());
                clock.advance(TimeDelta::milliseconds(10));
            }
            assert!(reached.await.unwrap());
        }
    }

    #[test]
    fn times_are_written_with_exactly_three_decimals() {
        let whole = DateTime::from_timestamp_millis(1_767_323_045_000).unwrap();
        assert_eq!(rfc3339(whole), "2026-01-02T03:04:05.000Z");
    }
}
