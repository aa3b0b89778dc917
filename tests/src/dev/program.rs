//! A running api or worker.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{fs, io};

use reqwest::Client;
use rustix::process::Signal;

use super::settings::Environment;
use super::{Folder, supervisor};
use crate::servers::{Process, Result, last_lines};

/// How long a start may take.
const START: Duration = Duration::from_mins(1);
/// How long a program may take to finish what it has begun: a send has 30 s.
const DRAIN: Duration = Duration::from_secs(35);

/// One of the product's programs, its output in a log file.
pub struct Program {
    name: &'static str,
    path: PathBuf,
    environment: Environment,
    ready_url: String,
    client: Client,
    folder: PathBuf,
    log: PathBuf,
    pid_file: PathBuf,
    process: Option<Process>,
}

impl Program {
    /// Starts the program and waits until `/readyz` under its admin URL says that it is ready.
    ///
    /// # Errors
    /// When it is not; the message ends with its log.
    pub async fn start(
        name: &'static str,
        path: PathBuf,
        environment: Environment,
        admin_url: &str,
        client: &Client,
        folder: &Folder,
    ) -> Result<Self> {
        let log = folder.log(name);
        fs::write(&log, "")?;
        let mut program = Self {
            name,
            path,
            environment,
            ready_url: format!("{admin_url}/readyz"),
            client: client.clone(),
            folder: folder.path(),
            log,
            pid_file: folder.pid_file(name),
            process: None,
        };
        program.launch().await?;
        Ok(program)
    }

    /// The process id; `None` while it is down.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::pid)
    }

    async fn launch(&mut self) -> Result<()> {
        let log = OpenOptions::new().append(true).create(true).open(&self.log)?;
        let mut command = Command::new(&self.path);
        command
            .env_remove("MIGRATION_DATABASE_URL")
            .env_remove("DATABASE_URL_FILE")
            .envs(&self.environment)
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = Process::spawn(command, Signal::TERM, &self.pid_file)?;
        let process = self.process.insert(process);
        let deadline = Instant::now() + START;
        loop {
            let answer = self.client.get(&self.ready_url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            let failure = match process.exited()? {
                Some(status) => format!("ended with {status}"),
                None if Instant::now() >= deadline => format!("is not ready after {START:?}"),
                None => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let (name, log) = (self.name, last_lines(&self.log, 20));
            return Err(format!("{name} {failure}:\n{log}\n({})", self.log.display()).into());
        }
    }
}

impl supervisor::Supervised for Program {
    fn name(&self) -> &'static str {
        self.name
    }

    fn pid(&self) -> Option<u32> {
        Self::pid(self)
    }

    async fn wait(&mut self) -> io::Result<ExitStatus> {
        match &mut self.process {
            Some(process) => process.wait().await,
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.launch().await
    }

    async fn stop(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process {
            process.stop(DRAIN).await?;
            self.process = None;
        }
        Ok(())
    }

    async fn kill(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process {
            process.kill().await?;
            self.process = None;
        }
        Ok(())
    }
}
