//! What outcomes say of their webhooks' health, added up in the transaction that writes them: one row per webhook and
//! batch, and counts for rates and percentiles. Whose state may have to change is marked; worker/src/health decides.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use shared::SystemTx;
use shared::webhook::code::ErrorCode;
use shared::webhook::delivery::Trigger;
use shared::webhook::histogram;
use sqlx::postgres::types::PgInterval;
use uuid::Uuid;

use super::Report;
use crate::health::rule::{DISABLED_AFTER, FAILURES, SPAN};
use crate::queue::Delivery;
use crate::retry::Next;

/// What a batch says of one webhook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sum {
    /// Whether anything was accepted.
    accepted: bool,
    /// Attempts that failed since the last one that was accepted.
    streak: i32,
    streak_since: Option<DateTime<Utc>>,
    last_success: Option<DateTime<Utc>>,
    last_failure: Option<DateTime<Utc>>,
    last_error: Option<ErrorCode>,
    /// When the last attempt began that was answered with a 410, and where it went.
    gone: Option<(DateTime<Utc>, String)>,
    /// Since when a delivery had waited that was given up since then.
    given_up: Option<DateTime<Utc>>,
}

impl Sum {
    fn add(&mut self, delivery: &Delivery, report: &Report) {
        let ended = report.ended;
        if report.next == Next::Done {
            self.last_success = self.last_success.max(Some(ended));
            (self.accepted, self.streak, self.streak_since) = (true, 0, None);
            self.given_up = None;
        } else {
            self.last_failure = self.last_failure.max(Some(ended));
            self.last_error = report.attempt.error_code;
            self.streak += 1;
            self.streak_since = Some(self.streak_since.map_or(ended, |since| since.min(ended)));
            if report.next == Next::Disable {
                let gone = (report.attempt.started, delivery.url.clone());
                self.gone = self.gone.take().max(Some(gone));
            }
            // What a redrive sends has failed before, and a test told of nothing.
            if matches!(report.next, Next::GiveUp(_))
                && !matches!(delivery.trigger, Trigger::Redrive | Trigger::Test)
            {
                self.given_up = self.given_up.max(Some(report.waited_since));
            }
        }
    }
}

/// A webhook, its tenant first: rows are written in this order everywhere, so that workers cannot wait for each other
/// in a circle.
type Place = (Uuid, Uuid);

/// Adds up outcomes in the order in which they came. What was our own fault says nothing of the receiver.
fn sums(outcomes: &[(&Delivery, &Report)]) -> BTreeMap<Place, Sum> {
    let mut sums: BTreeMap<Place, Sum> = BTreeMap::new();
    for (delivery, report) in outcomes.iter().filter(|(_, report)| !is_ours(report)) {
        sums.entry((delivery.tenant.0, delivery.webhook.0)).or_default().add(delivery, report);
    }
    sums
}

/// How often what came out in which slot.
fn counts(outcomes: &[(&Delivery, &Report)]) -> BTreeMap<(Place, DateTime<Utc>, i32), i64> {
    let mut counts = BTreeMap::new();
    for (delivery, report) in outcomes.iter().filter(|(_, report)| !is_ours(report)) {
        let outcome = match report.next {
            Next::Done if delivery.cycle == 1 => {
                histogram::bucket(report.ended - delivery.created_at)
            }
            Next::Done => histogram::RESENT,
            _ => histogram::FAILED,
        };
        let place = (delivery.tenant.0, delivery.webhook.0);
        *counts.entry((place, histogram::slot(report.ended), outcome)).or_default() += 1;
    }
    counts
}

/// Whether it says nothing of the receiver.
pub(super) fn is_ours(report: &Report) -> bool {
    report.attempt.error_code.is_some_and(ErrorCode::is_ours)
}

/// Counts outcomes; says whether a webhook's state may have to change.
pub(super) async fn count(
    tx: &mut SystemTx,
    outcomes: &[(&Delivery, &Report)],
) -> sqlx::Result<bool> {
    let (sums, counts) = (sums(outcomes), counts(outcomes));
    if sums.is_empty() {
        return Ok(false);
    }
    let column = |value: fn(&Sum) -> Option<DateTime<Utc>>| sums.values().map(value).collect();
    let since: Vec<_> = column(|sum| sum.streak_since);
    let success: Vec<_> = column(|sum| sum.last_success);
    let failure: Vec<_> = column(|sum| sum.last_failure);
    let given_up: Vec<_> = column(|sum| sum.given_up);
    let (gone_at, gone_from): (Vec<_>, Vec<_>) =
        sums.values().map(|sum| sum.gone.clone().unzip()).unzip();
    let error = |sum: &Sum| sum.last_error.map(|code| code.as_str().to_owned());
    let due = sqlx::query_file_scalar!(
        "src/record/health.sql",
        &counts.keys().map(|((tenant, _), ..)| *tenant).collect::<Vec<_>>(),
        &counts.keys().map(|((_, webhook), ..)| *webhook).collect::<Vec<_>>(),
        &counts.keys().map(|(_, slot, _)| *slot).collect::<Vec<_>>(),
        &counts.keys().map(|(.., outcome)| *outcome).collect::<Vec<_>>(),
        &counts.values().copied().collect::<Vec<_>>(),
        &sums.keys().map(|(tenant, _)| *tenant).collect::<Vec<_>>(),
        &sums.keys().map(|(_, webhook)| *webhook).collect::<Vec<_>>(),
        &sums.values().map(|sum| sum.accepted).collect::<Vec<_>>(),
        &sums.values().map(|sum| sum.streak).collect::<Vec<_>>(),
        &since as &[Option<DateTime<Utc>>],
        &success as &[Option<DateTime<Utc>>],
        &failure as &[Option<DateTime<Utc>>],
        &sums.values().map(error).collect::<Vec<_>>() as &[Option<String>],
        &gone_at as &[Option<DateTime<Utc>>],
        FAILURES,
        interval(SPAN),
        interval(DISABLED_AFTER),
        &given_up as &[Option<DateTime<Utc>>],
        &gone_from as &[Option<String>],
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(due.contains(&true))
}

fn interval(time: TimeDelta) -> PgInterval {
    let microseconds = time.num_microseconds().unwrap_or(i64::MAX);
    PgInterval { months: 0, days: 0, microseconds }
}
