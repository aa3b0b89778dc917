//! What is asked of a replay.

use chrono::{DateTime, Days, NaiveTime, Utc};
use shared::webhook::delivery::DeliveryStatus;
use utoipa::ToSchema;

use crate::error::{Details, Error, Result};
use crate::http::fields::{Fields, Input};
use crate::http::rules;
use crate::webhooks::input::patterns;

/// Deliveries begun in a second when nobody says: a million takes three hours.
const DEFAULT_RATE: i64 = 100;
/// What a delivery can be that is sent again.
const STATUSES: &[&str] = &[
    DeliveryStatus::Failed.as_str(),
    DeliveryStatus::Skipped.as_str(),
    DeliveryStatus::Delivered.as_str(),
];

/// Which deliveries are sent again, and how fast.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[schema(example = json!({"since": "2026-01-01T00:00:00.000Z", "until": "2026-01-02T00:00:00.000Z",
    "statuses": ["failed", "skipped"], "events": ["contact.*"], "rate": 50}))]
pub struct NewReplay {
    /// Of changes made from here; from the oldest that is kept when absent.
    pub since: Option<DateTime<Utc>>,
    /// Of changes made to here, it included; to now when absent or still to come.
    pub until: Option<DateTime<Utc>>,
    /// What the deliveries are: `failed`, `skipped`, `delivered`; the first two when absent.
    #[schema(value_type = Option<Vec<String>>)]
    pub statuses: Vec<String>,
    /// Events, families such as `contact.*`, or `*`; all when absent.
    pub events: Option<Vec<String>>,
    /// Deliveries that it begins to send in a second, at most; 100 when absent.
    #[schema(value_type = Option<i64>)]
    pub rate: i32,
}

impl Input for NewReplay {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let since = fields.optional("since", rules::time());
        let until = fields.optional("until", rules::time());
        let words = rules::list(1..=STATUSES.len(), rules::word(STATUSES));
        let statuses = fields.optional("statuses", words);
        let events = fields.optional("events", patterns());
        let rate = fields.optional("rate", rules::integer(1..=1000));
        let first = || STATUSES.iter().take(2).map(|word| (*word).to_owned()).collect();
        let mut statuses: Vec<String> = statuses?.unwrap_or_else(first);
        statuses.sort_unstable();
        statuses.dedup();
        let rate = i32::try_from(rate?.unwrap_or(DEFAULT_RATE)).unwrap_or(i32::MAX);
        Some(Self { since: since?, until: until?, statuses, events: events?, rate })
    }
}

/// What a replay selects.
#[derive(Debug)]
pub(super) struct Selection {
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub statuses: Vec<String>,
    pub events: Option<Vec<String>>,
    pub rate: i32,
}

impl NewReplay {
    /// The selection, of what is kept for so many days.
    ///
    /// # Errors
    /// [`Error::Invalid`] for times that are not kept or in the wrong order, and a `since` that has not come.
    pub(super) fn within(self, now: DateTime<Utc>, days: u64) -> Result<Selection> {
        // Rows go by days, as the worker's retention has it.
        let day = now.date_naive().checked_sub_days(Days::new(days));
        let oldest = day.unwrap_or_default().and_time(NaiveTime::MIN).and_utc();
        // Whose clock is a little ahead means now.
        let (since, until) = (self.since.unwrap_or(oldest), self.until.unwrap_or(now).min(now));
        let mut faults = Details::new();
        let mut refuse = |name: &str, fault: String| {
            faults.entry(name.to_owned()).or_insert(fault);
        };
        for (name, time) in [("since", since), ("until", until)] {
            if time > now {
                refuse(name, "Must not be in the future".to_owned());
            } else if time < oldest {
                let oldest = shared::clock::rfc3339(oldest);
                refuse(name, format!("Must not be before {oldest}: nothing older is kept"));
            }
        }
        if since >= until {
            refuse("since", "Must be before until".to_owned());
        }
        if !faults.is_empty() {
            return Err(Error::Invalid(faults));
        }
        let Self { statuses, events, rate, .. } = self;
        Ok(Selection { since, until, statuses, events, rate })
    }
}
