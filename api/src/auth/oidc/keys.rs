//! The issuer's keys, kept for a while. Time is the api's clock's; requests that need a fetch wait for one together.

use std::sync::{Arc, PoisonError, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use shared::Clock;
use tokio::sync::Mutex;

use super::fetch::{Fault, Source};
use super::key::Key;
use crate::auth::UNKNOWN_TOKEN;
use crate::error::{Error, Result};

/// How long keys are used without asking: a key that the issuer withdrew works for so long.
const FRESH: TimeDelta = TimeDelta::minutes(10);
/// How long they are used when the issuer does not answer.
const STALE: TimeDelta = TimeDelta::days(1);
/// Between two fetches for unknown keys, or from an issuer that is away.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
/// The same while nobody can be let in at all: what `Retry-After` says.
const EAGER: TimeDelta = TimeDelta::seconds(1);

/// The keys of one issuer.
pub(super) struct Keys {
    source: Source,
    clock: Clock,
    state: RwLock<State>,
    /// Held by the request that fetches.
    flight: Mutex<()>,
}

#[derive(Default)]
struct State {
    keys: Vec<Arc<Key>>,
    /// When the issuer gave them.
    given: Option<DateTime<Utc>>,
    /// When it was last asked.
    asked: Option<DateTime<Utc>>,
    /// Whether it did not answer then.
    away: bool,
}

/// What is to be done for a token that names a key.
enum Found {
    Key(Arc<Key>),
    /// Ask the issuer; the key, if any, serves while another request asks.
    Ask(Option<Arc<Key>>),
    Unknown,
    Away,
}

impl Keys {
    pub fn new(source: Source, clock: Clock) -> Self {
        Self { source, clock, state: RwLock::default(), flight: Mutex::default() }
    }

    /// The key of this name.
    ///
    /// # Errors
    /// [`Error::InvalidToken`] when the issuer has none, [`Error::Unavailable`] when it cannot be asked.
    pub async fn find(&self, kid: &str) -> Result<Arc<Key>> {
        let mut found = self.look(kid);
        if let Found::Ask(meanwhile) = found {
            let _flight = match (self.flight.try_lock(), meanwhile) {
                (Ok(flight), _) => flight,
                (Err(_), Some(key)) => return Ok(key),
                (Err(_), None) => self.flight.lock().await,
            };
            // The fetch before may have brought it.
            if matches!(self.look(kid), Found::Ask(_)) {
                self.ask().await;
            }
            found = self.look(kid);
        }
        match found {
            Found::Key(key) => Ok(key),
            Found::Unknown => Err(UNKNOWN_TOKEN),
            Found::Away | Found::Ask(_) => {
                Err(Error::Unavailable("the outside issuer's keys cannot be had".into()))
            }
        }
    }

    fn look(&self, kid: &str) -> Found {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.find(kid, self.clock.now())
    }

    async fn ask(&self) {
        let answer = self.source.fetch().await;
        let outcome = answer.as_ref().map_or_else(Fault::outcome, |_| "ok");
        metrics::counter!("oidc_fetches_total", "outcome" => outcome).increment(1);
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        // The end of a fetch counts: whoever waited for it must not begin another.
        state.learn(answer, self.clock.now());
    }
}

impl State {
    fn find(&self, kid: &str, now: DateTime<Utc>) -> Found {
        let within = |time: Option<DateTime<Utc>>, span| time.is_some_and(|time| now - time < span);
        let usable = within(self.given, STALE);
        let key = self.keys.iter().find(|key| usable && key.kid == kid).cloned();
        let pause = if usable { PAUSE } else { EAGER };
        match key {
            Some(key) if within(self.given, FRESH) => Found::Key(key),
            key if !within(self.asked, pause) => Found::Ask(key.filter(|_| self.away)),
            Some(key) => Found::Key(key),
            None if self.away => Found::Away,
            None => Found::Unknown,
        }
    }

    fn learn(&mut self, answer: std::result::Result<Vec<Key>, Fault>, now: DateTime<Utc>) {
        let away = answer.is_err();
        match answer {
            Ok(keys) => {
                if self.away {
                    tracing::info!("the outside issuer is back");
                }
                self.keys = keys.into_iter().map(Arc::new).collect();
                self.given = Some(now);
            }
            Err(fault) if !self.away => {
                let fault = Error::Unavailable(fault.into());
                tracing::warn!(error = fault.chain(), "the outside issuer is away");
            }
            Err(_) => {}
        }
        (self.asked, self.away) = (Some(now), away);
    }
}
