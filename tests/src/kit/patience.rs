//! Waiting for what others do.

use std::time::{Duration, Instant};

/// Far longer than anything here takes, even on a slow machine.
pub const PATIENCE: Duration = Duration::from_mins(2);

/// Waits until it holds, and fails when it does not in the kit's patience.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
