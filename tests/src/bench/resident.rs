//! Resident memory from /proc, sampled, and the line through the samples.

use std::fs;
use std::time::{Duration, Instant};

use crate::servers::Result;

/// Between two samples.
const EVERY: Duration = Duration::from_millis(100);

/// What a process held at some moments.
#[derive(Clone, Debug, Default)]
pub struct Samples(Vec<(Duration, f64)>);

impl Samples {
    /// Samples a process until the work is done; the work's result comes back.
    ///
    /// # Errors
    /// The work's, or a process that has ended.
    pub async fn during<T>(pid: u32, work: impl Future<Output = Result<T>>) -> Result<(T, Self)> {
        let (mut samples, started) = (Self::default(), Instant::now());
        tokio::pin!(work);
        loop {
            samples.0.push((started.elapsed(), mib(pid)?));
            tokio::select! {
                done = &mut work => return Ok((done?, samples)),
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }

    /// The most, in MiB.
    pub fn most(&self) -> f64 {
        self.0.iter().map(|(_, mib)| *mib).fold(0.0, f64::max)
    }

    /// How many MiB more a minute, by least squares, over what follows the first third: until then the process fills
    /// its caches and pools.
    pub fn drift(&self) -> f64 {
        let settled = &self.0[self.0.len() / 3..];
        slope(settled.iter().map(|(at, mib)| (at.as_secs_f64() / 60.0, *mib)))
    }
}

/// What the process holds now, in MiB.
///
/// # Errors
/// A process that has ended.
pub fn mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .map_err(|error| format!("process {pid} is gone: {error}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<u32> = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    Ok(f64::from(kib.ok_or_else(|| format!("process {pid} has no memory"))?) / 1024.0)
}

/// The slope of the line of least squares; 0 when there is none.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let (mut n, mut sum_x, mut sum_y) = (0.0, 0.0, 0.0);
    for (x, y) in points.clone() {
        (n, sum_x, sum_y) = (n + 1.0, sum_x + x, sum_y + y);
    }
    let (mut xy, mut xx) = (0.0, 0.0);
    for (x, y) in points {
        let from_mean = x - sum_x / n;
        (xy, xx) = (xy + from_mean * (y - sum_y / n), xx + from_mean * from_mean);
    }
    if xx > 0.0 { xy / xx } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line_through_the_points() {
        let line = (0..10).map(|x| (f64::from(x), 3.0 + 0.5 * f64::from(x)));
        assert!((slope(line) - 0.5).abs() < 1e-9);
        let level = [(0.0, 7.0), (1.0, 7.0)];
        assert!(slope(level.into_iter()).abs() < 1e-9);
        assert!(slope([(1.0, 7.0)].into_iter()).abs() < 1e-9);
        assert!(slope([].into_iter()).abs() < 1e-9);
    }

    #[test]
    fn what_a_process_takes_to_fill_its_pools_is_no_drift() {
        let growing = (0..300).map(|n| (EVERY * n, f64::from(n.min(100))));
        let samples = Samples(growing.collect());
        assert!(samples.drift().abs() < 1e-9);
        assert!((samples.most() - 100.0).abs() < 1e-9);
        let leaking = Samples((0..300).map(|n| (EVERY * n, 0.1 * f64::from(n))).collect());
        assert!((leaking.drift() - 60.0).abs() < 1e-6, "{}", leaking.drift());
    }

    #[test]
    fn this_process_holds_something() {
        assert!(mib(std::process::id()).unwrap() > 1.0);
        assert!(mib(u32::MAX).is_err());
    }
}
