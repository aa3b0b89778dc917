//! The states of a sign-in by QR code (requirement A-7). Only these moves exist:
//!
//! ```text
//! pending -> scanned -> linked -> consumed
//!    |          |
//! cancelled  denied          and each of the three waits for its time only, then it is expired
//! ```

use chrono::TimeDelta;

/// Where a sign-in by QR code stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// The code is on the screen.
    Pending,
    /// A phone has scanned it.
    Scanned,
    /// The phone's user has approved.
    Linked,
    /// The desktop has its tokens.
    Consumed,
    /// The phone's user has denied, or could not tell the match code.
    Denied,
    /// The desktop gave up.
    Cancelled,
    /// The time of a state passed.
    Expired,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Pending,
        Self::Scanned,
        Self::Linked,
        Self::Consumed,
        Self::Denied,
        Self::Cancelled,
        Self::Expired,
    ];

    /// The name on the wire and in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Scanned => "scanned",
            Self::Linked => "linked",
            Self::Consumed => "consumed",
            Self::Denied => "denied",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// How long it lasts; `None` when nothing follows.
    #[must_use]
    pub fn lasts(self) -> Option<TimeDelta> {
        match self {
            Self::Pending | Self::Linked => Some(TimeDelta::seconds(60)),
            Self::Scanned => Some(TimeDelta::seconds(120)),
            _ => None,
        }
    }

    /// Whether nothing follows.
    #[must_use]
    pub fn is_final(self) -> bool {
        self.lasts().is_none()
    }
}

impl From<String> for Status {
    /// A name that this version does not know is a state in which nothing can be done.
    fn from(name: String) -> Self {
        Self::ALL.into_iter().find(|status| status.as_str() == name).unwrap_or(Self::Expired)
    }
}
