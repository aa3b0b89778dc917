//! Answers that stay open: not too many at once, for all and for one thing that they tell of, and not longer than the
//! server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::{Error, Result};

/// How many answers may stay open in one process.
pub const MOST: usize = 256;
/// How many that tell of one thing: a page that was opened twice, and connections that were lost and are not missed
/// yet.
pub const MOST_OF_ONE: usize = 4;

/// The open answers, counted by what they tell of.
#[derive(Clone, Debug, Default)]
struct Open(Arc<Mutex<HashMap<Uuid, usize>>>);

/// The places for open answers.
#[derive(Clone, Debug)]
pub struct Streams {
    open: Open,
    stop: CancellationToken,
}

/// One open answer; dropping it frees the place.
#[derive(Debug)]
pub struct StreamPermit {
    of: Uuid,
    open: Open,
    stop: CancellationToken,
}

impl Open {
    fn counts(&self) -> MutexGuard<'_, HashMap<Uuid, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Streams {
    /// Permits that are all given up when the server stops.
    #[must_use]
    pub fn until(stop: CancellationToken) -> Self {
        Self { open: Open::default(), stop }
    }

    /// A place for an answer that tells of this.
    ///
    /// # Errors
    /// [`Error::Conflict`] when so many tell of it as may, which is no fault of the server; [`Error::Unavailable`] when
    /// all places are taken.
    pub fn open(&self, of: Uuid) -> Result<StreamPermit> {
        let mut counts = self.open.counts();
        let (all, own) = (counts.values().sum::<usize>(), counts.get(&of).copied().unwrap_or(0));
        if own >= MOST_OF_ONE {
            return Err(Error::Conflict(format!("{MOST_OF_ONE} answers stay open already").into()));
        }
        if all >= MOST {
            return Err(Error::Unavailable("too many answers stay open".into()));
        }
        counts.insert(of, own + 1);
        Ok(StreamPermit { of, open: self.open.clone(), stop: self.stop.clone() })
    }
}

impl StreamPermit {
    /// Waits until the server stops.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut counts = self.open.counts();
        if let Some(own) = counts.get_mut(&self.of) {
            *own -= 1;
        }
        counts.retain(|_, own| *own > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn streams() -> Streams {
        Streams::until(CancellationToken::new())
    }

    #[test]
    fn a_place_is_free_again_when_its_answer_ends() {
        let streams = streams();
        let things = (0..MOST / MOST_OF_ONE).flat_map(|of| [of as u128; MOST_OF_ONE]);
        let mut taken: Vec<_> =
            things.map(|of| streams.open(Uuid::from_u128(of)).unwrap()).collect();
        let another = Uuid::max();
        assert!(matches!(streams.open(another), Err(Error::Unavailable(_))));
        taken.pop();
        assert!(streams.open(another).is_ok());
    }

    #[test]
    fn one_thing_leaves_places_for_others() {
        let streams = streams();
        let mut taken: Vec<_> =
            (0..MOST_OF_ONE).map(|_| streams.open(Uuid::nil()).unwrap()).collect();
        assert!(matches!(streams.open(Uuid::nil()), Err(Error::Conflict(_))));
        assert!(streams.open(Uuid::max()).is_ok());
        taken.pop();
        assert!(streams.open(Uuid::nil()).is_ok());
    }
}
