//! A replay as the worker sees it.

use chrono::{DateTime, Utc};
use shared::id::{ReplayId, TenantId, WebhookId};
use shared::webhook::delivery::{ReplayState, Trigger};
use uuid::Uuid;

use super::pace::{Pace, Ramp};

/// A replay that is under way, and what its webhook says to it.
pub(super) struct Replay {
    pub tenant: TenantId,
    pub id: ReplayId,
    pub webhook: WebhookId,
    pub trigger: Trigger,
    pub since: DateTime<Utc>,
    pub until: DateTime<Utc>,
    pub statuses: Vec<String>,
    pub events: Option<Vec<String>>,
    pub replayed: i64,
    pub delivered: i64,
    pub passed_over: i64,
    pub reached: Option<(DateTime<Utc>, Uuid)>,
    pub pace: Pace,
    /// Of a redrive.
    pub ramp: Option<Ramp>,
    /// Its webhook has failed and recovered since it began.
    pub again: bool,
    pub asked_at: DateTime<Utc>,
    pub state: ReplayState,
    pub due_at: Option<DateTime<Utc>>,
    pub finished_at: Option<DateTime<Utc>>,
    /// There is nobody any more to send it to, or who wants it.
    pub unwanted: bool,
    /// It has to wait for its webhook. A replay that somebody asked for tries failing ones too.
    pub held: bool,
}

impl Replay {
    /// Behind the last delivery it is over, unless the webhook has failed and recovered meanwhile: then what it had
    /// sent before may be parked again.
    pub(super) fn reach_end(&mut self, now: DateTime<Utc>) {
        if std::mem::take(&mut self.again) {
            self.reached = None;
        } else {
            self.end(ReplayState::Completed, now);
        }
    }

    /// Nothing more of it will begin.
    pub(super) fn end(&mut self, state: ReplayState, now: DateTime<Utc>) {
        self.state = state;
        self.due_at = None;
        self.finished_at = Some(now);
    }
}
