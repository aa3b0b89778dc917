//! A running api or worker, or another program of the benchmark's own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs};

use rustix::process::Signal;

use super::wire::Connection;
use crate::dev::settings::Environment;
use crate::servers::{Folder, Process, Result, last_lines};

/// How long a start may take.
const START: Duration = Duration::from_mins(1);
/// How long a stop may take: a send has 30 s.
const DRAIN: Duration = Duration::from_secs(35);

/// What a program may know of our own environment. Everything else would be a configuration that nobody sees.
const INHERITED: [&str; 3] = ["PATH", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// One of the product's programs; its output is in a log file. Dropping it stops it.
pub struct Program {
    // The order matters: the program stops before its folder is removed.
    process: Process,
    folder: Folder,
    name: &'static str,
}

impl Program {
    /// Starts the program and waits until `/readyz` at its operators' address says that it is ready.
    ///
    /// # Errors
    /// When it is not; the message ends with its log.
    pub async fn start(
        name: &'static str,
        path: &Path,
        environment: &Environment,
        operators: SocketAddr,
    ) -> Result<Self> {
        let folder = Folder::claim(&format!("bench-{name}"), None)?;
        let log = fs::File::create(folder.log())?;
        let inherited = INHERITED.iter().filter_map(|name| Some((name, env::var_os(name)?)));
        let mut command = Command::new(path);
        command
            .env_clear()
            .envs(inherited)
            .envs(environment)
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = Process::spawn(command, Signal::TERM, &folder.pid_file())?;
        let mut program = Self { process, folder, name };
        program.wait_until_ready(operators).await?;
        Ok(program)
    }

    /// The process id.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn pid(&self) -> Result<u32> {
        self.process.pid().ok_or_else(|| self.complaint("has ended").into())
    }

    /// Lets the program finish what it has begun.
    ///
    /// # Errors
    /// When it does not end well.
    pub async fn stop(mut self) -> Result<()> {
        let status = self.process.stop(DRAIN).await?;
        if status.success() {
            return Ok(());
        }
        Err(self.complaint(&format!("ended with {status}")).into())
    }

    async fn wait_until_ready(&mut self, operators: SocketAddr) -> Result<()> {
        let deadline = Instant::now() + START;
        while !is_ready(operators).await {
            if let Some(status) = self.process.exited()? {
                return Err(self.complaint(&format!("ended with {status}")).into());
            }
            if Instant::now() >= deadline {
                return Err(self.complaint(&format!("is not ready after {START:?}")).into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    fn complaint(&self, what: &str) -> String {
        let log = self.folder.log();
        format!("{} {what}:\n{}\n({})", self.name, last_lines(&log, 20), log.display())
    }
}

async fn is_ready(operators: SocketAddr) -> bool {
    let probe = async {
        let mut connection = Connection::open(operators).await?;
        connection.call(b"GET /readyz HTTP/1.1\r\nhost: bench\r\n\r\n").await
    };
    probe.await.is_ok_and(|status| status == 200)
}
