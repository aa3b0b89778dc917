//! When events happen in an open loop: on their own time, whatever became of those before.

use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// At which distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distances {
    /// As independent callers make them: a Poisson process, the same at each run.
    Random,
    /// All the same.
    Even,
}

/// Says when each event is due, at that moment. A thread of its own waits, because tokio's timers tell only whole
/// milliseconds apart; it ends with the receiver.
pub fn events(
    per_second: u32,
    distances: Distances,
    from: Instant,
    until: Instant,
) -> UnboundedReceiver<Instant> {
    let (sender, receiver) = unbounded_channel();
    thread::spawn(move || {
        let mut random = StdRng::seed_from_u64(u64::from(per_second));
        let mut due = from;
        loop {
            due += distance(per_second, distances, random.random());
            if due >= until {
                return;
            }
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if sender.send(due).is_err() {
                return;
            }
        }
    });
    receiver
}

/// `chance` is drawn evenly from 0 to 1.
fn distance(per_second: u32, distances: Distances, chance: f64) -> Duration {
    let mean = 1.0 / f64::from(per_second);
    Duration::from_secs_f64(match distances {
        Distances::Even => mean,
        // The distances of a Poisson process follow the exponential distribution.
        Distances::Random => -mean * (1.0 - chance).ln(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_distances_have_the_mean_of_even_ones() {
        let mut random = StdRng::seed_from_u64(1);
        let sum: Duration =
            (0..10_000).map(|_| distance(50, Distances::Random, random.random())).sum();
        let mean = sum.as_secs_f64() / 10_000.0;
        assert!((0.019..0.021).contains(&mean), "{mean}");
        assert_eq!(distance(50, Distances::Even, 0.7), Duration::from_millis(20));
    }

    #[tokio::test]
    async fn events_come_in_order_and_never_before_their_time() {
        let from = Instant::now();
        let mut due = events(500, Distances::Random, from, from + Duration::from_millis(100));
        let mut last = from;
        while let Some(event) = due.recv().await {
            assert!(last <= event && event <= Instant::now());
            last = event;
        }
        assert!(last > from);
    }
}
