//! The api under closed-loop load, and pgbench with the same statements: the two sides of B1, B2 and B3.

use std::net::SocketAddr;

use super::cpu::Meter;
use super::load::{self, Window};
use super::options::Options;
use super::pgbench::PgBench;
use super::report::Measured;
use crate::servers::Result;

/// On both sides.
pub const CONNECTIONS: u32 = 32;

/// Measures pgbench.
///
/// # Errors
/// When a transaction fails.
pub async fn limit(pgbench: &mut PgBench, options: &Options, meter: &Meter) -> Result<Measured> {
    pgbench.run(options.warm_up()).await?;
    let before = meter.read()?;
    let run = pgbench.run(options.measurement()).await?;
    Ok(Measured {
        count: run.transactions,
        seconds: f64::from(run.transactions) / run.per_second,
        cpu: meter.read()? - before,
        latencies: None,
    })
}

/// Measures the api with the requests that `write` puts into an empty buffer.
///
/// # Errors
/// When a request is not answered as `expected`.
pub async fn ours<W>(
    address: SocketAddr,
    options: &Options,
    meter: &Meter,
    expected: u16,
    write: W,
) -> Result<Measured>
where
    W: FnMut(&mut Vec<u8>) + Clone + Send + 'static,
{
    let window = Window::after(options.warm_up(), options.measurement());
    let load = load::closed(address, CONNECTIONS as usize, window, expected, write);
    let (latencies, cpu) = tokio::try_join!(load, window.metered(meter))?;
    Ok(Measured {
        count: latencies.count(),
        seconds: window.seconds(),
        cpu,
        latencies: Some(latencies),
    })
}
