//! Answers that stay open: not too many at once, and not longer than the server.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Result};

/// How many answers may stay open in one process.
pub const MOST: usize = 256;

/// The places for open answers.
#[derive(Clone, Debug)]
pub struct Streams {
    places: Arc<Semaphore>,
    stop: CancellationToken,
}

/// One open answer; dropping it frees the place.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
    stop: CancellationToken,
}

impl Streams {
    /// Places that are all given up when the server stops.
    #[must_use]
    pub fn until(stop: CancellationToken) -> Self {
        Self { places: Arc::new(Semaphore::new(MOST)), stop }
    }

    /// A place.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when all are taken.
    pub fn open(&self) -> Result<Place> {
        let permit = self.places.clone().try_acquire_owned();
        let permit = permit.map_err(|error| Error::Unavailable(error.into()))?;
        Ok(Place { _permit: permit, stop: self.stop.clone() })
    }
}

impl Place {
    /// Waits until the server stops.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_answer_ends() {
        let streams = Streams::until(CancellationToken::new());
        let mut taken: Vec<_> = (0..MOST).map(|_| streams.open().unwrap()).collect();
        assert!(matches!(streams.open(), Err(Error::Unavailable(_))));
        taken.pop();
        assert!(streams.open().is_ok());
    }
}
