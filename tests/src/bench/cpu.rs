//! CPU time from /proc: the figure that a busy machine does not move.

use std::fs;
use std::num::NonZero;
use std::ops::Sub;
use std::thread::available_parallelism;
use std::time::Duration;

use crate::servers::Result;

/// The kernel tells user space CPU time in hundredths of a second (`USER_HZ`, proc(5)).
const TICK: Duration = Duration::from_millis(10);

/// Whose CPU time is read.
#[derive(Clone, Debug)]
pub struct Meter {
    /// The postmaster.
    pub postgres: u32,
    /// The programs of the product that run.
    pub ours: Vec<u32>,
}

/// CPU time since the processes began, or between two readings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    /// The product's programs.
    pub ours: Duration,
    /// PostgreSQL: the postmaster, every session that lives, and every one that has ended.
    pub postgres: Duration,
    /// This process: load generator and receiver.
    pub bench: Duration,
    /// Programs that this process started and that have ended, such as pgbench.
    pub tools: Duration,
    /// All cores: whatever was not idle.
    pub machine: Duration,
}

impl Meter {
    /// Reads all of it now.
    ///
    /// # Errors
    /// A process that is gone.
    pub fn read(&self) -> Result<Cpu> {
        let own = Times::of(std::process::id())?;
        let mut ours = Duration::ZERO;
        for pid in &self.ours {
            ours += Times::of(*pid)?.own;
        }
        Ok(Cpu {
            ours,
            postgres: tree(self.postgres)?,
            bench: own.own,
            tools: own.ended_children,
            machine: machine(&fs::read_to_string("/proc/stat")?)?,
        })
    }
}

impl Cpu {
    /// What others on this machine took, the hypervisor included.
    fn others(self) -> Duration {
        self.machine.saturating_sub(self.ours + self.postgres + self.bench + self.tools)
    }

    /// The same in percent of all cores, over so many seconds.
    pub fn others_percent(self, seconds: f64) -> f64 {
        let cores = available_parallelism().map_or(1, NonZero::get);
        let cores = u32::try_from(cores).unwrap_or(u32::MAX);
        100.0 * self.others().as_secs_f64() / (seconds * f64::from(cores))
    }
}

impl Sub for Cpu {
    type Output = Self;

    /// Saturating: a session that ends between two looks at /proc is counted a moment later.
    fn sub(self, earlier: Self) -> Self {
        Self {
            ours: self.ours.saturating_sub(earlier.ours),
            postgres: self.postgres.saturating_sub(earlier.postgres),
            bench: self.bench.saturating_sub(earlier.bench),
            tools: self.tools.saturating_sub(earlier.tools),
            machine: self.machine.saturating_sub(earlier.machine),
        }
    }
}

/// What this process has used, all its threads together.
///
/// # Errors
/// When the system does not say.
pub fn of_this_process() -> Result<Duration> {
    Ok(Times::of(std::process::id())?.own)
}

/// Microseconds for each of so many operations.
pub fn micros_each(time: Duration, operations: u32) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(operations.max(1))
}

/// A process and its children, those that have ended included.
fn tree(root: u32) -> Result<Duration> {
    let root_times = Times::of(root)?;
    let children = fs::read_to_string(format!("/proc/{root}/task/{root}/children"))?;
    let living = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    // One that has ended since the list was read is in `ended_children` next time.
    let living: Duration =
        living.filter_map(|pid| Times::of(pid).ok()).map(|times| times.own).sum();
    Ok(root_times.own + root_times.ended_children + living)
}

struct Times {
    own: Duration,
    ended_children: Duration,
}

impl Times {
    fn of(pid: u32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        let stat = stat.map_err(|error| format!("process {pid} is gone: {error}"))?;
        Self::parse(&stat).ok_or_else(|| format!("/proc/{pid}/stat reads {stat:?}").into())
    }

    /// User and system time of the process and of its ended children are fields 14 to 17 (proc(5)); the name, field 2,
    /// may hold anything.
    fn parse(stat: &str) -> Option<Self> {
        let (_, after_name) = stat.rsplit_once(')')?;
        let mut ticks = after_name.split_whitespace().skip(11).map(str::parse::<u32>);
        let mut next = || ticks.next()?.ok();
        Some(Self { own: TICK * (next()? + next()?), ended_children: TICK * (next()? + next()?) })
    }
}

/// Everything but idle and waiting for the disk; guests are counted in user and nice already.
fn machine(stat: &str) -> Result<Duration> {
    let total = stat.lines().next().and_then(|line| line.strip_prefix("cpu "));
    let fields = total.ok_or("/proc/stat has no line of all cores")?.split_whitespace();
    let ticks: Vec<u32> = fields.map(str::parse).collect::<std::result::Result<_, _>>()?;
    let busy = ticks.iter().take(8).enumerate().filter(|(at, _)| !matches!(at, 3 | 4));
    Ok(TICK * busy.map(|(_, ticks)| ticks).sum::<u32>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_spaces_moves_no_field() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 2 3 4 150 50 30 20 20 0 1 0 9 9 9";
        let times = Times::parse(stat).unwrap();
        assert_eq!((times.own, times.ended_children), (TICK * 200, TICK * 50));
    }

    #[test]
    fn idle_and_waiting_for_the_disk_are_not_work() {
        let stat = "cpu  10 1 20 9000 800 2 3 4 5 6\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(machine(stat).unwrap(), TICK * 40);
    }

    #[test]
    fn the_time_of_a_child_that_has_ended_stays_in_its_parents() {
        let spin = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done";
        let before = Times::of(std::process::id()).unwrap().ended_children;
        std::process::Command::new("sh").args(["-c", spin]).status().unwrap();
        assert!(Times::of(std::process::id()).unwrap().ended_children > before);
    }
}
