//! A private Redis that keeps nothing on disk.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::{Account, Folder, Process, Result, free_port, last_lines, send_to_group};

/// How long a start or a stop may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A `redis-server` on a free port of 127.0.0.1, empty at every start, gone when dropped.
#[derive(Debug)]
pub struct Redis {
    // The order matters: the server stops before its folder is removed.
    process: Option<Process>,
    folder: Folder,
    account: Option<Account>,
    port: u16,
}

impl Redis {
    /// Starts a server.
    ///
    /// # Errors
    /// When `redis-server` is missing or does not start; the message ends with its log.
    pub async fn start() -> Result<Self> {
        let account = Account::unprivileged()?;
        let folder = Folder::claim("redis", account.as_ref())?;
        let mut redis = Self { process: None, folder, account, port: 0 };
        let mut ports_left = 5;
        loop {
            redis.port = free_port()?;
            match redis.launch().await {
                Err(error) if ports_left > 0 && error.to_string().contains("bind") => {
                    ports_left -= 1;
                }
                result => return result.map(|()| redis),
            }
        }
    }

    /// The server's address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Stops the server; its data are gone.
    ///
    /// # Errors
    /// When the system does not say how it ended.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.stop(PATIENCE).await?;
        }
        Ok(())
    }

    /// Crashes the server; its data are gone.
    ///
    /// # Errors
    /// When the system does not say how it ended.
    pub async fn kill9(&mut self) -> Result<()> {
        if let Some(mut process) = self.process.take() {
            process.kill().await?;
        }
        Ok(())
    }

    /// Stops it in the middle of whatever it does, or lets it go on: it takes connections and answers nothing
    /// meanwhile.
    ///
    /// # Errors
    /// When it does not run.
    pub fn hang(&self, hang: bool) -> Result<()> {
        let pid = self.process.as_ref().and_then(Process::pid).ok_or("Redis does not run")?;
        send_to_group(pid, if hang { Signal::STOP } else { Signal::CONT })?;
        Ok(())
    }

    /// Starts a stopped or crashed server again, on the same port, empty.
    ///
    /// # Errors
    /// When it does not start; the message ends with its log.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        self.launch().await
    }

    /// Starts the server and waits until it answers.
    async fn launch(&mut self) -> Result<()> {
        let log = File::create(self.folder.log())?;
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
            .arg(self.port.to_string())
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if let Some(account) = &self.account {
            command.uid(account.uid).gid(account.gid);
        }
        let process = Process::spawn(command, Signal::TERM, &self.folder.pid_file())
            .map_err(|error| format!("redis-server does not start ({error}): is it installed?"))?;
        let process = self.process.insert(process);
        let deadline = Instant::now() + PATIENCE;
        while !answers(self.port) {
            let exit = process.exited()?;
            if exit.is_some() || Instant::now() >= deadline {
                self.process = None;
                let log = last_lines(&self.folder.log(), 20);
                return Err(format!("Redis does not answer:\n{log}").into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }
}

/// Whether a Redis on this port says PONG.
fn answers(port: u16) -> bool {
    let ping = || -> io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG")
    };
    ping().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_crashed_server_comes_back_on_its_port_and_leaves_nothing_when_dropped() {
        let mut redis = Redis::start().await.unwrap();
        let url = redis.url();
        redis.kill9().await.unwrap();
        assert!(!answers(redis.port));
        redis.restart().await.unwrap();
        assert!(answers(redis.port));
        assert_eq!(redis.url(), url);
        let port = redis.port;
        drop(redis);
        assert!(!answers(port));
    }
}
