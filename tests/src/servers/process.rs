//! A program that ends with its owner.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};
use std::{fs, io, thread};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::Child;

/// How long a dropped process may take to end by itself.
const PATIENCE_IN_DROP: Duration = Duration::from_secs(10);

/// A running program in a process group of its own, so that Ctrl-C reaches only its owner. Dropping it stops it.
#[derive(Debug)]
pub struct Process {
    child: Child,
    farewell: Signal,
}

impl Process {
    /// Starts the program. `farewell` is the signal that asks it to end. The id goes to `pid_file`, so that the next
    /// owner of the folder can [end](Self::end_leftover) what a killed one left behind.
    ///
    /// # Errors
    /// When the program cannot be started or the file not written.
    pub fn spawn(mut command: Command, farewell: Signal, pid_file: &Path) -> io::Result<Self> {
        command.process_group(0);
        let child = tokio::process::Command::from(command).spawn()?;
        let process = Self { child, farewell };
        fs::write(pid_file, process.pid().unwrap_or_default().to_string())?;
        Ok(process)
    }

    /// The process id, until the end of the process has been seen.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// The exit status when the program has ended.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn exited(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for the program to end by itself.
    ///
    /// # Errors
    /// When the system does not say.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Asks the program to end, and kills it when it takes longer than `patience`.
    ///
    /// # Errors
    /// When the system does not say how it ended.
    pub async fn stop(&mut self, patience: Duration) -> io::Result<ExitStatus> {
        self.stop_with(self.farewell, patience).await
    }

    /// As [`stop`](Self::stop), with another signal.
    ///
    /// # Errors
    /// When the system does not say how it ended.
    pub async fn stop_with(
        &mut self,
        signal: Signal,
        patience: Duration,
    ) -> io::Result<ExitStatus> {
        self.signal(signal);
        match tokio::time::timeout(patience, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => self.kill().await,
        }
    }

    /// Ends the program as a crash would.
    ///
    /// # Errors
    /// When the system does not say how it ended.
    pub async fn kill(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.child.wait().await
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid().and_then(to_pid) {
            // It can only fail when the process is gone, which is what a signal is for.
            let _ = kill_process(pid, signal);
        }
    }

    /// Ends the process that `pid_file` names if it still works inside the file's folder: the one sure sign that it is
    /// ours and not a later process that got the same id.
    pub fn end_leftover(pid_file: &Path) {
        let Some(pid) = fs::read_to_string(pid_file).ok().and_then(|text| text.parse().ok()) else {
            return;
        };
        let at_work = || {
            let folder = fs::read_link(format!("/proc/{pid}/cwd")).ok();
            folder.is_some_and(|cwd| pid_file.parent().is_some_and(|own| cwd.starts_with(own)))
        };
        for signal in [Signal::TERM, Signal::KILL] {
            let deadline = Instant::now() + Duration::from_secs(5);
            if let Some(pid) = to_pid(pid).filter(|_| at_work()) {
                let _ = kill_process(pid, signal);
            }
            while at_work() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(self.farewell);
        let deadline = Instant::now() + PATIENCE_IN_DROP;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= deadline {
                self.signal(Signal::KILL);
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn to_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 0).and_then(Pid::from_raw)
}

/// Sends a signal to every process of the group that `pid` leads.
///
/// # Errors
/// When the group is gone or not ours.
pub fn send_to_group(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = to_pid(pid).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(kill_process_group(pid, signal)?)
}

/// The last `count` lines of a log, for an error message; empty when it cannot be read.
#[must_use]
pub fn last_lines(log: &Path, count: usize) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
