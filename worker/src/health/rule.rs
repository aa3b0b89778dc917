//! When a webhook's state changes. Pure: what was counted gives what follows (docs/decisions/0020).

use chrono::{DateTime, TimeDelta, Utc};
use shared::event::EventType;
use shared::webhook::health::State;

/// Attempts in a row that fail before a webhook is failing…
pub(crate) const FAILURES: i32 = 5;
/// …and the least time from the first of them to the last: a restart that fails all requests under way is no outage.
pub(crate) const SPAN: TimeDelta = TimeDelta::minutes(1);
/// From one change to the next time that it is failing, at least: a receiver that flaps does not flood its tenant.
/// Until then nobody looks (`store::due`).
pub(super) const REST: TimeDelta = TimeDelta::minutes(5);
/// How long nothing may succeed before a webhook is switched off…
pub(crate) const DISABLED_AFTER: TimeDelta = TimeDelta::days(5);
/// …and on how many days (UTC) attempts must have failed meanwhile: silence proves nothing.
const DAYS: i32 = 5;

/// How a webhook is doing, as far as it is counted.
#[derive(Clone, Debug)]
pub(super) struct Health {
    /// Where it points.
    pub url: String,
    /// Its version.
    pub version: i32,
    /// Whether it is switched on, and not deleted.
    pub active: bool,
    /// Healthy or failing.
    pub state: State,
    pub streak: i32,
    pub streak_since: Option<DateTime<Utc>>,
    pub failed_days: i32,
    pub failing_since: Option<DateTime<Utc>>,
    pub last_success_at: Option<DateTime<Utc>>,
    pub last_failure_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
    /// Whether anything was accepted since the state last changed.
    pub accepted: bool,
    /// Whether a 410 came.
    pub gone: bool,
    /// Since when a delivery had waited, by the schedule, that was given up since anything was accepted.
    pub given_up: Option<DateTime<Utc>>,
}

/// A change of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Failing,
    Recovered,
    Disabled(Reason),
}

/// Why a webhook is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The receiver answered 410.
    Gone,
    /// Nothing was accepted for days.
    Failing,
}

impl Reason {
    /// As `disabledReason` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Failing => "failing",
        }
    }
}

impl Change {
    /// The state that it leads to.
    pub fn state(self) -> State {
        match self {
            Self::Failing => State::Failing,
            Self::Recovered => State::Healthy,
            Self::Disabled(_) => State::Disabled,
        }
    }

    /// The event that tells of it, which is the action in the audit log too.
    pub fn event(self) -> EventType {
        match self {
            Self::Failing => EventType::WebhookFailing,
            Self::Recovered => EventType::WebhookRecovered,
            Self::Disabled(_) => EventType::WebhookDisabled,
        }
    }

    /// Why it switches the webhook off, if it does.
    pub fn reason(self) -> Option<Reason> {
        match self {
            Self::Disabled(reason) => Some(reason),
            Self::Failing | Self::Recovered => None,
        }
    }
}

/// What follows from what was counted. What a webhook that is off has left under way changes nothing.
pub(super) fn change(health: &Health) -> Option<Change> {
    if !health.active {
        return None;
    }
    if health.gone {
        return Some(Change::Disabled(Reason::Gone));
    }
    let lasted = health.last_failure_at.zip(health.streak_since).map(|(last, first)| last - first);
    match health.state {
        State::Healthy => {
            // Nothing was accepted for as long as a delivery waits before it is given up, as one was: what is parked is
            // sent again only after a recovery.
            let parked = health
                .given_up
                .zip(health.streak_since)
                .is_some_and(|(first, since)| since <= first);
            let fails = health.streak >= FAILURES && lasted >= Some(SPAN);
            (parked || fails).then_some(Change::Failing)
        }
        State::Failing | State::Disabled if health.accepted => Some(Change::Recovered),
        State::Failing | State::Disabled => {
            let hopeless = lasted >= Some(DISABLED_AFTER) && health.failed_days >= DAYS;
            hopeless.then_some(Change::Disabled(Reason::Failing))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        let start: DateTime<Utc> = "2026-01-02T03:04:05.678Z".parse().unwrap();
        start + TimeDelta::minutes(minutes)
    }

    /// A webhook whose attempts failed so often, from the first minute to the last.
    fn failed(streak: i32, minutes: i64) -> Health {
        Health {
            url: String::new(),
            version: 1,
            active: true,
            state: State::Healthy,
            streak,
            streak_since: Some(at(0)),
            failed_days: 1,
            failing_since: None,
            last_success_at: None,
            last_failure_at: Some(at(minutes)),
            last_error: None,
            accepted: false,
            gone: false,
            given_up: None,
        }
    }

    #[test]
    fn five_failures_over_a_minute_make_a_webhook_failing_and_fewer_or_quicker_ones_do_not() {
        for (streak, minutes, change_to) in
            [(5, 1, Some(Change::Failing)), (4, 60, None), (500, 0, None), (0, 0, None)]
        {
            assert_eq!(change(&failed(streak, minutes)), change_to, "{streak} in {minutes}");
        }
    }

    #[test]
    fn a_delivery_that_was_given_up_makes_a_webhook_failing_unless_something_was_accepted_meanwhile()
     {
        // Failures since the first minute, and since when what was given up had waited.
        for (streak, first, change_to) in
            [(3, 0, Some(Change::Failing)), (1, 5, Some(Change::Failing)), (50, -1, None)]
        {
            let health = Health { given_up: Some(at(first)), ..failed(streak, 0) };
            assert_eq!(change(&health), change_to, "{streak} {first}");
        }
    }

    #[test]
    fn what_fails_recovers_with_the_first_acceptance_even_if_failures_followed() {
        let failing = Health { state: State::Failing, accepted: true, ..failed(0, 0) };
        assert_eq!(change(&failing), Some(Change::Recovered));
        assert_eq!(change(&Health { streak: 50, ..failing.clone() }), Some(Change::Recovered));
        assert_eq!(change(&Health { accepted: false, ..failing }), None);
    }

    #[test]
    fn five_days_of_nothing_but_failures_on_five_days_switch_off_and_less_does_not() {
        let days = 24 * 60;
        for (minutes, failed_days, change_to) in [
            (5 * days, 5, Some(Change::Disabled(Reason::Failing))),
            (5 * days - 1, 6, None),
            (50 * days, 4, None),
        ] {
            let health = Health { state: State::Failing, failed_days, ..failed(100, minutes) };
            assert_eq!(change(&health), change_to, "{minutes} {failed_days}");
        }
    }

    #[test]
    fn a_410_switches_off_at_once_and_what_is_off_changes_no_more() {
        let gone = Health { gone: true, ..failed(1, 0) };
        assert_eq!(change(&gone), Some(Change::Disabled(Reason::Gone)));
        assert_eq!(change(&Health { active: false, ..gone }), None);
        let accepted = Health { state: State::Failing, accepted: true, ..failed(0, 0) };
        assert_eq!(change(&Health { active: false, ..accepted }), None);
    }
}
