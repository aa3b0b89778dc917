//! When keys were last used: noted in memory, written beside the requests. A crash loses a minute of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use shared::Db;
use shared::db::step::{STEP, in_time};
use shared::id::{ApiKeyId, TenantId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::store;

/// A key's time is written at most this often.
const EVERY: TimeDelta = TimeDelta::minutes(1);

/// The keys that this process has seen; cheap to clone.
#[derive(Clone, Default)]
pub struct LastUsed(Arc<Shared>);

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    waiting: Notify,
}

#[derive(Default)]
struct Seen {
    /// When each key was noted last, within the last minute.
    noted: HashMap<ApiKeyId, DateTime<Utc>>,
    /// What is still to be written.
    due: HashMap<TenantId, Vec<ApiKeyId>>,
}

impl LastUsed {
    /// Notes that a key was used; it waits for nothing.
    pub fn note(&self, tenant: TenantId, key: ApiKeyId, now: DateTime<Utc>) {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.noted.get(&key).is_some_and(|last| now - *last < EVERY) {
            return;
        }
        seen.noted.insert(key, now);
        seen.due.entry(tenant).or_default().push(key);
        drop(seen);
        self.0.waiting.notify_one();
    }

    /// Writes what is noted, until `stop`.
    pub async fn write(&self, db: &Db, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.0.waiting.notified() => {}
            }
            let now = db.clock().now();
            for (tenant, keys) in self.take(now) {
                let written = store::used(db, tenant, &keys, now, now - EVERY);
                if let Err(error) = in_time(STEP, written).await {
                    tracing::debug!(%error, "the time of a key's last use was lost");
                }
            }
        }
    }

    fn take(&self, now: DateTime<Utc>) -> HashMap<TenantId, Vec<ApiKeyId>> {
        let mut seen = self.0.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.noted.retain(|_, last| now - *last < EVERY);
        std::mem::take(&mut seen.due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_due_once_a_minute_and_forgotten_after_it() {
        let start = shared::Clock::system().now();
        let (tenant, key) = (TenantId::fresh(start), ApiKeyId::fresh(start));
        let used = LastUsed::default();
        for (seconds, due) in [(0, 1), (1, 0), (59, 0), (60, 1), (61, 0)] {
            let now = start + TimeDelta::seconds(seconds);
            used.note(tenant, key, now);
            assert_eq!(used.take(now).len(), due, "after {seconds} s");
        }
        used.take(start + TimeDelta::seconds(120));
        assert!(used.0.seen.lock().unwrap().noted.is_empty());
    }
}
