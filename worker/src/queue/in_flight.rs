//! The requests under way in this process, as the other workers hear of them: the whole list now and then, what changed
//! in between. Whoever claims for all keeps the caps of all by it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use shared::id::{self, TenantId, WebhookId};
use tokio::sync::Notify;

/// See the module. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Flights(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    log: Mutex<Log>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Log {
    held: HashSet<String>,
    begun: HashSet<String>,
    ended: Vec<String>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub struct Flight {
    name: String,
    flights: Flights,
}

/// What the other workers have not heard yet.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    pub begun: Vec<String>,
    pub ended: Vec<String>,
}

impl Flights {
    /// One more.
    pub(super) fn begin(&self, tenant: TenantId, webhook: WebhookId, now: DateTime<Utc>) -> Flight {
        // Written like a token: what counts is how it begins.
        let name = format!("{tenant}/{webhook}/{}", id::fresh(now));
        let mut log = self.log();
        log.held.insert(name.clone());
        log.begun.insert(name.clone());
        Flight { name, flights: self.clone() }
    }

    /// Notes that tokens are no longer waiting: from here on what they stood for counts by itself, or not at all.
    pub(super) fn taken(&self, tokens: Vec<Vec<u8>>) {
        // What is no text was not put there by a worker, and is not counted either.
        self.log()
            .ended
            .extend(tokens.into_iter().filter_map(|token| String::from_utf8(token).ok()));
    }

    /// What changed since the last time; with `all`, everything under way counts as begun.
    pub(super) fn news(&self, all: bool) -> News {
        let mut log = self.log();
        let begun = std::mem::take(&mut log.begun);
        let begun =
            if all { log.held.iter().cloned().collect() } else { begun.into_iter().collect() };
        News { begun, ended: std::mem::take(&mut log.ended) }
    }

    /// Waits until one has ended.
    pub(super) async fn ended(&self) {
        self.0.ended.notified().await;
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        let mut log = self.flights.log();
        log.held.remove(&name);
        if !log.begun.remove(&name) {
            log.ended.push(name);
        }
        drop(log);
        self.flights.0.ended.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_began_and_ended_between_two_looks_is_no_news_and_everything_held_is_told_when_asked() {
        let (flights, now) = (Flights::default(), shared::Clock::system().now());
        let (tenant, webhook) = (TenantId::fresh(now), WebhookId::fresh(now));
        let long = flights.begin(tenant, webhook, now);
        drop(flights.begin(tenant, webhook, now));
        let news = flights.news(false);
        assert_eq!((news.begun.len(), news.ended.len()), (1, 0));
        assert_eq!(flights.news(false), News::default());
        assert_eq!(flights.news(true).begun, news.begun);
        drop(long);
        assert_eq!(flights.news(true), News { begun: vec![], ended: news.begun });
    }
}
