//! Closed-loop load: so many connections, each with one request at a time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::cpu::{Cpu, Meter};
use super::latency::Latencies;
use super::wire::Connection;
use crate::servers::Result;

/// The part of a run that counts.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub from: Instant,
    pub until: Instant,
}

impl Window {
    /// Begins after the warm-up.
    pub fn after(warm_up: Duration, length: Duration) -> Self {
        let from = Instant::now() + warm_up;
        Self { from, until: from + length }
    }

    pub fn contains(&self, time: Instant) -> bool {
        (self.from..self.until).contains(&time)
    }

    pub fn seconds(&self) -> f64 {
        (self.until - self.from).as_secs_f64()
    }

    /// What the window costs in CPU time; waits for its end.
    ///
    /// # Errors
    /// When a process ends meanwhile.
    pub async fn metered(self, meter: &Meter) -> Result<Cpu> {
        tokio::time::sleep_until(self.from.into()).await;
        let before = meter.read()?;
        tokio::time::sleep_until(self.until.into()).await;
        Ok(meter.read()? - before)
    }
}

/// Calls until the window ends; returns the latencies of the calls that ended in it. `write` puts the next request
/// into an empty buffer, `expected` is the only status that is no failure.
///
/// # Errors
/// At the first call that fails.
pub async fn closed<W>(
    address: SocketAddr,
    connections: usize,
    window: Window,
    expected: u16,
    write: W,
) -> Result<Latencies>
where
    W: FnMut(&mut Vec<u8>) + Clone + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        tasks.spawn(one_connection(address, window, expected, write.clone()));
    }
    let mut all = Latencies::new();
    while let Some(ended) = tasks.join_next().await {
        all.merge(&ended??);
    }
    Ok(all)
}

async fn one_connection(
    address: SocketAddr,
    window: Window,
    expected: u16,
    mut write: impl FnMut(&mut Vec<u8>),
) -> Result<Latencies> {
    let mut connection = Connection::open(address).await?;
    let (mut latencies, mut request) = (Latencies::new(), Vec::new());
    let mut started = Instant::now();
    while started < window.until {
        request.clear();
        write(&mut request);
        let status = connection.call(&request).await?;
        if status != expected {
            let body = String::from_utf8_lossy(connection.body());
            return Err(format!("the api answered {status}: {body}").into());
        }
        let ended = Instant::now();
        if window.contains(ended) {
            latencies.record(ended - started);
        }
        started = ended;
    }
    Ok(latencies)
}
