//! Tasks without which a worker only looks healthy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Parts that are whole together; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vital {
    ended: CancellationToken,
    broken: Arc<AtomicBool>,
}

impl Vital {
    /// Begins a part. When it ends, also by a panic, so does the wait for [`Vital::broken`].
    pub(crate) fn spawn(&self, part: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        let ended = self.ended.clone();
        tokio::spawn(async move {
            let _told = ended.drop_guard();
            part.await;
        })
    }

    /// Waits until a part has ended though nobody has stopped it: whoever has, waits no more.
    pub(crate) async fn broken(&self) {
        self.ended.cancelled().await;
        self.broken.store(true, Ordering::SeqCst);
    }

    /// Whether [`Vital::broken`] has returned.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_is_heard_of_and_one_that_goes_on_is_not() {
        let vital = Vital::default();
        let _going_on = vital.spawn(std::future::pending());
        assert!(!vital.is_broken());
        let panicked = vital.spawn(async { panic!("on purpose") });
        vital.broken().await;
        assert!(vital.is_broken() && panicked.await.is_err());
    }
}
