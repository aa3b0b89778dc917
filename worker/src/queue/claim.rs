//! The claim: due deliveries, fairly, under a lease.
//!
//! `webhooks_in_turn()` names each webhook with its first row that is not parked, however many more it has. Each gives
//! at most its room. The update goes by `ctid` of rows locked in the same statement: there is no join for the planner
//! to get wrong.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::id::{DeliveryId, EventId, LeaseId, TenantId, WebhookId};
use shared::webhook::delivery::Trigger;
use shared::{Db, SystemTx};
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::rate_limit::charge;
use super::slots::Counts;
use super::{Caps, Claimed, Delivery, Slots, Token};

/// What a lease leaves for everything but the request itself: waiting for a thread, writing the outcome.
const MARGIN: TimeDelta = TimeDelta::seconds(30);

/// How long a claim holds: the longest request and a margin.
#[must_use]
pub fn lease(longest_request: Duration) -> TimeDelta {
    TimeDelta::from_std(longest_request).unwrap_or(TimeDelta::MAX / 2) + MARGIN
}

/// How long a token holds: until a worker takes it, which is a moment, or until it is taken to be lost.
const TOKEN: TimeDelta = TimeDelta::seconds(5);

/// What a claim came to.
#[derive(Debug)]
pub struct Batch<T> {
    /// What was claimed.
    pub claimed: Vec<T>,
    /// Whether more retries may be parked though they are due: then it is to be done again, whatever was claimed.
    pub parked: bool,
}

impl<T> Batch<T> {
    const EMPTY: Self = Self { claimed: Vec::new(), parked: false };

    fn map<U>(self, change: impl FnMut(T) -> U) -> Batch<U> {
        Batch { claimed: self.claimed.into_iter().map(change).collect(), parked: self.parked }
    }
}

/// Claims as many due deliveries as there are free slots, starting behind the webhook `after`; the claim holds for
/// `holds`.
///
/// # Errors
/// The database's; nothing is claimed then.
pub async fn claim(
    db: &Db,
    slots: &Slots,
    holds: TimeDelta,
    after: Option<WebhookId>,
) -> sqlx::Result<Batch<Claimed>> {
    if slots.free() == 0 {
        return Ok(Batch::EMPTY);
    }
    let now = db.clock().now();
    let room = Room { places: slots.free(), busy: slots.counts(now) };
    let hold = Hold { lease: LeaseId::fresh(now), until: now + holds, claims: 1 };
    let batch = take(db, slots, &room, &hold, after, now).await?;
    Ok(batch.map(|row| row.into_claimed(slots, &hold, now)))
}

/// Claims for whoever takes the tokens first. It counts as a claim only then: a token that is lost has killed nobody.
///
/// # Errors
/// The database's; nothing is claimed then.
pub(super) async fn claim_tokens(
    db: &Db,
    slots: &Slots,
    room: &Room,
    after: Option<WebhookId>,
) -> sqlx::Result<Batch<Token>> {
    if room.places == 0 {
        return Ok(Batch::EMPTY);
    }
    let now = db.clock().now();
    let hold = Hold { lease: LeaseId::fresh(now), until: now + TOKEN, claims: 0 };
    let batch = take(db, slots, room, &hold, after, now).await?;
    Ok(batch.map(|row| row.token(hold.lease)))
}

/// Retries that one claim lets out at most (`promote_retries`, migration 0041).
const PROMOTED: i32 = 500;

/// Retries that have become due are no longer parked, from the beginning of the claim's transaction. The text of a time
/// has nothing that could end the literal.
fn promote(now: DateTime<Utc>) -> String {
    format!("select promote_retries('{}')", now.to_rfc3339())
}

/// Whether so many were let out that there may be more. Whoever's they are: those behind them may be somebody else's.
fn are_not_all(promoted: &[PgRow]) -> sqlx::Result<bool> {
    promoted.first().map_or(Ok(false), |row| Ok(row.try_get::<i32, _>(0)? >= PROMOTED))
}

/// Where there is room for requests.
#[derive(Debug)]
pub(super) struct Room {
    /// In all.
    pub places: u32,
    /// What is taken of the caps.
    pub busy: Counts,
}

/// What a claim writes into the rows.
#[derive(Debug)]
pub(crate) struct Hold {
    pub lease: LeaseId,
    pub until: DateTime<Utc>,
    /// How many claims it counts as.
    pub claims: i32,
}

/// Claims what there is room for, in one transaction, and books it. The commit does not wait for the disk: were it
/// undone by a crash, the deliveries would be claimed again.
async fn take(
    db: &Db,
    slots: &Slots,
    room: &Room,
    hold: &Hold,
    after: Option<WebhookId>,
    now: DateTime<Utc>,
) -> sqlx::Result<Batch<Row>> {
    let (mut tx, promoted) = db.system_asking(&promote(now)).await?;
    let rows = select(&mut tx, slots.caps(), room, hold, after, now).await?;
    let spent = charge(&mut tx, slots, &rows, now).await?;
    let parked = are_not_all(&promoted)?;
    tx.commit_lazily().await?;
    spent.book_later(db, slots);
    metrics::counter!("webhook_claims_total").increment(rows.len() as u64);
    // Claimed before by somebody who neither wrote an outcome nor gave it back.
    let lost = rows.iter().filter(|row| row.claims > hold.claims).count();
    metrics::counter!("webhook_leases_expired_total").increment(lost as u64);
    Ok(Batch { claimed: rows, parked })
}

async fn select(
    tx: &mut SystemTx,
    caps: Caps,
    Room { places, busy }: &Room,
    hold: &Hold,
    after: Option<WebhookId>,
    now: DateTime<Utc>,
) -> sqlx::Result<Vec<Row>> {
    sqlx::query_file_as!(
        Row,
        "src/queue/claim.sql",
        &busy.webhooks.0,
        &busy.webhooks.1,
        &busy.tenants.0,
        &busy.tenants.1,
        i32::try_from(caps.per_webhook).unwrap_or(i32::MAX),
        i32::try_from(caps.per_tenant).unwrap_or(i32::MAX),
        now,
        i64::from(*places),
        after.map_or(Uuid::nil(), |id| id.0),
        hold.lease.0,
        hold.until,
        hold.claims,
    )
    .fetch_all(tx.conn())
    .await
}

/// A delivery as it is claimed.
pub(crate) struct Row {
    pub tenant_id: Uuid,
    pub id: Uuid,
    pub webhook_id: Uuid,
    pub occurrence_id: Uuid,
    pub event: String,
    pub body: String,
    pub attempts: i32,
    pub cycle: i32,
    pub trigger: Trigger,
    pub claims: i32,
    pub created_at: DateTime<Utc>,
    pub request_id: Option<String>,
    pub traceparent: Option<String>,
    pub url: String,
    pub secret: Vec<u8>,
    pub headers: Option<Vec<u8>>,
    pub identity: Option<Vec<u8>>,
    pub rate_limit: Option<i32>,
    /// Whether others wait in line behind it.
    pub lined: bool,
    /// Whether its webhook may have kept it waiting.
    pub waited: bool,
}

impl Row {
    fn token(&self, lease: LeaseId) -> Token {
        Token {
            tenant: TenantId(self.tenant_id),
            webhook: WebhookId(self.webhook_id),
            delivery: DeliveryId(self.id),
            lease,
        }
    }

    pub(super) fn into_claimed(self, slots: &Slots, hold: &Hold, now: DateTime<Utc>) -> Claimed {
        let slot =
            slots.take(TenantId(self.tenant_id), WebhookId(self.webhook_id), self.lined, now);
        Claimed { slot, delivery: self.into_delivery(hold.lease, hold.until) }
    }

    fn into_delivery(self, lease: LeaseId, lease_until: DateTime<Utc>) -> Delivery {
        Delivery {
            tenant: TenantId(self.tenant_id),
            id: DeliveryId(self.id),
            webhook: WebhookId(self.webhook_id),
            occurrence: EventId(self.occurrence_id),
            event: self.event,
            body: self.body.into(),
            attempts: self.attempts,
            cycle: self.cycle,
            trigger: self.trigger,
            claims: self.claims,
            lease,
            lease_until,
            created_at: self.created_at,
            request_id: self.request_id,
            traceparent: self.traceparent,
            url: self.url,
            held: self.rate_limit.is_some() || self.lined || self.waited,
            secret: self.secret,
            headers: self.headers,
            identity: self.identity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_always_outlives_the_longest_request() {
        for seconds in [0, 30, 90, 86_400] {
            let request = Duration::from_secs(seconds);
            assert!(
                lease(request) > TimeDelta::from_std(request).unwrap() + TimeDelta::seconds(29)
            );
        }
    }
}
