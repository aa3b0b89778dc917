//! Abandons a future at an exact point, where a timeout would only hit one by luck.

use std::pin::pin;
use std::task::Poll;

/// Runs `work` until it has waited `times` times, then drops it; its result when it ended before.
pub async fn abandoned<T>(times: usize, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut waited = 0;
    std::future::poll_fn(|context| match work.as_mut().poll(context) {
        Poll::Ready(result) => Poll::Ready(Some(result)),
        Poll::Pending => {
            waited += 1;
            if waited >= times { Poll::Ready(None) } else { Poll::Pending }
        }
    })
    .await
}
