//! Typed ids, so that a contact's id never passes for a tenant's: version 7 UUIDs (RFC 9562) with the time of a
//! [`Clock`](crate::Clock).

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Timestamp, Uuid};

/// A fresh id of that moment.
#[must_use]
pub fn fresh(now: DateTime<Utc>) -> Uuid {
    let seconds = u64::try_from(now.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, now.timestamp_subsec_nanos()))
}

/// Ids of one moment that sort as they are made, so that what is made together is listed in its order and stands
/// together in every index (RFC 9562, 6.2, method 2: a random beginning, and a random step).
#[derive(Debug)]
pub(crate) struct Series {
    now: DateTime<Utc>,
    last: Option<u128>,
    step: Option<u128>,
}

impl Series {
    /// No id so far.
    pub(crate) fn of(now: DateTime<Utc>) -> Self {
        Self { now, last: None, step: None }
    }

    /// The next id.
    pub(crate) fn next(&mut self) -> Uuid {
        let fresh = || fresh(self.now).as_u128();
        let next = match self.last {
            // Bit 61 is the first behind the variant: with it free, two billion steps do not reach the variant.
            None => fresh() & !(1 << 61),
            Some(last) => last + *self.step.get_or_insert_with(|| 1 + (fresh() & 0x3fff_ffff)),
        };
        self.last = Some(next);
        Uuid::from_u128(next)
    }
}

macro_rules! id {
    ($($name:ident: $what:literal),+ $(,)?) => {$(
        #[doc = $what]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id of that moment.
            #[must_use]
            pub fn fresh(now: DateTime<Utc>) -> Self {
                Self(fresh(now))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    )+};
}

id! {
    TenantId: "A tenant: one customer of the product.",
    UserId: "A user of a tenant.",
    ApiKeyId: "An API key of a tenant.",
    SessionId: "A user's session.",
    QrSessionId: "A sign-in by QR code under way.",
    ContactId: "A contact.",
    PipelineId: "A pipeline: stages that leads go through.",
    StageId: "A stage of a pipeline.",
    LeadId: "A lead: a deal that may come.",
    ActivityId: "An activity: what happened around a record.",
    CompanyId: "A company.",
    ImportId: "An import of contacts.",
    ErasureId: "An erasure of a record for good.",
    EntryId: "An entry of the audit log.",
    WebhookId: "A webhook: where a tenant wants to hear of events.",
    ReplayId: "A replay: deliveries of one webhook that are sent again.",
    EventId: "One change, the same for every webhook that hears of it (`occurrenceId`).",
    DeliveryId: "One event on its way to one webhook (`webhook-id`).",
    AttemptId: "One request of a delivery.",
    LeaseId: "One claim of a batch of deliveries by one worker.",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_series_sort_as_they_are_made_and_have_its_time() {
        let now = DateTime::from_timestamp_millis(1_700_000_000_123).unwrap();
        let mut series = Series::of(now);
        let ids: Vec<Uuid> = (0..100_000).map(|_| series.next()).collect();
        assert!(ids.is_sorted_by(|one, next| one < next));
        for id in [ids[0], ids[99_999]] {
            assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
            assert_eq!(
                id.get_timestamp().map(|time| time.to_unix()),
                Some((1_700_000_000, 123_000_000))
            );
        }
    }
}
