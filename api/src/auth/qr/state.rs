//! The states of a sign-in by QR code (requirement A-7). Only these moves exist:
//!
//! ```text
//! pending -> scanned -> linked -> consumed
//!    |          |
//! cancelled  denied          and each of the three waits for its time only, then it is expired
//! ```

use chrono::TimeDelta;

shared::words! {
    /// Where a sign-in by QR code stands.
    pub enum Status {
        /// The code is on the screen.
        Pending = "pending",
        /// A phone has scanned it.
        Scanned = "scanned",
        /// The phone's user has approved.
        Linked = "linked",
        /// The desktop has its tokens.
        Consumed = "consumed",
        /// The phone's user has denied, or could not tell the match code.
        Denied = "denied",
        /// The desktop gave up.
        Cancelled = "cancelled",
        /// The time of a state passed.
        Expired = "expired",
    }
}

impl Status {
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
        name.parse().unwrap_or(Self::Expired)
    }
}
