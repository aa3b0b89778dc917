//! The words of deliveries and of replays, on the wire and in the database.

use crate::{stored_words, words};

words! {
    /// What became of a delivery.
    pub enum DeliveryStatus {
        /// It is to be sent, or sent again.
        Pending = "pending",
        /// The receiver accepted it.
        Delivered = "delivered",
        /// It was given up.
        Failed = "failed",
        /// It was not sent, because the webhook was off.
        Skipped = "skipped",
    }
}

words! {
    /// Why a cycle of attempts was begun.
    pub enum Trigger {
        /// The event happened.
        Automatic = "automatic",
        /// Somebody had it sent again.
        Manual = "manual",
        /// Somebody had many sent again.
        Replay = "replay",
        /// The receiver had recovered.
        Redrive = "redrive",
        /// Somebody asked for a test event.
        Test = "test",
    }
}

words! {
    /// How far a replay is.
    pub enum ReplayState {
        /// It begins cycles.
        Running = "running",
        /// It waits until somebody has it go on.
        Paused = "paused",
        /// Every cycle has begun.
        Completed = "completed",
        /// It was ended before.
        Cancelled = "cancelled",
    }
}

impl ReplayState {
    /// Whether nothing of it is to come.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

stored_words!(DeliveryStatus, Trigger, ReplayState);
