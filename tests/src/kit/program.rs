//! The built api and worker, run as an operator runs them: processes with an environment.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::PATIENCE;
use super::config::{PEPPER, SECRET_KEY, TOKEN_KEY, TOKEN_KID};
use crate::servers::{Folder, Process, free_port, last_lines, listens};

/// A running api or worker; dropping it stops it.
pub struct Program {
    // The order matters: the process ends before its folder is removed.
    process: Option<Process>,
    folder: Folder,
    name: &'static str,
    environment: Vec<(String, String)>,
    ports: [u16; 2],
    http: reqwest::Client,
}

impl Program {
    /// Starts an api with the kit's keys, and these variables besides.
    pub async fn api(database_url: &str, variables: &[(&str, &str)]) -> Self {
        Self::start("api", database_url, variables).await
    }

    /// Starts a worker with the kit's keys, and these variables besides.
    pub async fn worker(database_url: &str, variables: &[(&str, &str)]) -> Self {
        Self::start("worker", database_url, variables).await
    }

    async fn start(name: &'static str, database_url: &str, variables: &[(&str, &str)]) -> Self {
        let mut program = Self {
            process: None,
            folder: Folder::claim(name, None).unwrap(),
            name,
            environment: environment(name, database_url, variables),
            ports: [0; 2],
            http: reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap(),
        };
        File::create(program.folder.log()).unwrap();
        let mut starts_left = 5;
        loop {
            program.ports = [free_port().unwrap(), free_port().unwrap()];
            match program.launch().await {
                Ok(()) => return program,
                // Somebody took a port in between.
                Err(log) if starts_left > 0 && log.contains("cannot be listened on") => {
                    starts_left -= 1;
                }
                Err(log) => panic!("{name} is not ready: {log}"),
            }
        }
    }

    /// Starts it again after its end, on the same ports.
    pub async fn restart(&mut self) {
        if let Err(log) = self.launch().await {
            panic!("{} is not ready again: {log}", self.name);
        }
    }

    /// Where an api listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.ports[0])
    }

    /// The tenants' port, and the operators'.
    #[must_use]
    pub fn ports(&self) -> [u16; 2] {
        self.ports
    }

    /// What the operators' port answers.
    pub async fn admin(&self, path: &str) -> (u16, String) {
        let answer = self.http.get(self.admin_url(path)).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Waits until a path of the operators' port answers with this status.
    pub async fn wait_for(&self, path: &str, status: u16) {
        self.wait_until(path, |found, _| found == status).await;
    }

    /// Waits until a path of the operators' port answers as it should.
    pub async fn wait_until(&self, path: &str, fits: impl Fn(u16, &str) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (status, body) = self.admin(path).await;
            if fits(status, &body) {
                return;
            }
            assert!(Instant::now() < deadline, "{path} answers {status}: {body}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Sends SIGTERM and waits for the end; one that has to be killed fails the test.
    pub async fn stop(&mut self) -> ExitStatus {
        let status = self.process.take().unwrap().stop(PATIENCE).await.unwrap();
        let killed = status.signal() == Some(Signal::KILL.as_raw());
        assert!(!killed, "{} did not end when it was told to: {}", self.name, self.last_lines());
        status
    }

    /// Ends it as a crash would.
    pub async fn kill9(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().await.unwrap();
        }
    }

    /// The id of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.as_ref().and_then(Process::pid).unwrap()
    }

    /// Everything it has written, to standard output and standard error.
    #[must_use]
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.log()).unwrap()).into_owned()
    }

    /// The end of its log, for the message of a failing test.
    #[must_use]
    pub fn last_lines(&self) -> String {
        last_lines(&self.folder.log(), 20)
    }

    /// Its log, line by line.
    #[must_use]
    pub fn log_lines(&self) -> Vec<Value> {
        let log = self.log();
        log.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect()
    }

    fn admin_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[1])
    }

    async fn launch(&mut self) -> Result<(), String> {
        let log = OpenOptions::new().append(true).open(self.folder.log()).unwrap();
        let mut command = Command::new(binary(self.name));
        command
            .env_clear()
            .envs(self.environment.iter().cloned())
            .env("API_LISTEN", format!("127.0.0.1:{}", self.ports[0]))
            .env("ADMIN_LISTEN", format!("127.0.0.1:{}", self.ports[1]))
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let process = Process::spawn(command, Signal::TERM, &self.folder.pid_file()).unwrap();
        let process = self.process.insert(process);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ready =
                self.http.get(format!("http://127.0.0.1:{}/readyz", self.ports[1])).send().await;
            // Another test's program may have taken the port, and answers in its place.
            if ready.is_ok_and(|answer| answer.status().is_success())
                && process.pid().is_some_and(|pid| listens(pid, self.ports[1]))
            {
                return Ok(());
            }
            if process.exited().unwrap().is_some() || Instant::now() >= deadline {
                return Err(last_lines(&self.folder.log(), 20));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Whether this run's workers share their claims through Redis where a test says nothing about it: with
/// `TEST_QUEUE=redis`, which `tests/it/redis_queue/again.rs` sets.
#[must_use]
pub fn through_redis() -> bool {
    std::env::var("TEST_QUEUE").is_ok_and(|queue| queue == "redis")
}

/// As a developer would run the product: webhooks may go to this machine, in plain http. Nothing is limited.
pub(super) fn environment(
    name: &str,
    database_url: &str,
    variables: &[(&str, &str)],
) -> Vec<(String, String)> {
    let redis = (name == "worker" && through_redis()).then(test_redis_url);
    let queue = redis.as_ref().map(|url| [("QUEUE", "redis"), ("REDIS_URL", &**url)]);
    let token_keys = format!("{TOKEN_KID}:{TOKEN_KEY}");
    let secret_keys = format!("1:{SECRET_KEY}");
    let common = [
        ("DATABASE_URL", database_url),
        ("API_KEY_PEPPER", PEPPER),
        ("JWT_KEYS", &token_keys),
        ("SECRET_KEYS", &secret_keys),
        ("WEBHOOK_ALLOW_NETWORKS", "127.0.0.0/8,::1/128"),
        ("WEBHOOK_ALLOW_HTTP", "true"),
        ("RATE_LIMIT_LOGIN", "off"),
        ("RATE_LIMIT_QR", "off"),
        ("RATE_LIMIT_QR_POLL", "off"),
        ("RATE_LIMIT_REFRESH", "off"),
        ("RATE_LIMIT_WRITE", "off"),
        ("RATE_LIMIT_READ", "off"),
        ("FLOOD_GUARD", "off"),
    ];
    common
        .iter()
        .chain(queue.iter().flatten())
        .chain(variables)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// The Redis that all tests share, each in a corner of its own.
#[must_use]
pub fn test_redis_url() -> String {
    std::env::var("TEST_REDIS_URL").expect("TEST_REDIS_URL: run the tests by `make test`")
}

/// What a series of the metrics is at: its name, and its labels if it has any.
#[must_use]
pub fn sample(metrics: &str, series: &str) -> Option<f64> {
    let value = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    value.parse().ok()
}

/// A built program: it lies beside the folder that this test lies in.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join(name); // target/debug/deps/it-…
    assert!(program.is_file(), "{} is missing: cargo build --workspace --bins", program.display());
    program
}
