//! The real binary, as an operator runs it.

use std::collections::BTreeMap;
use std::process::Stdio;

use tests::kit::{Database, Nobody, PATIENCE, PEPPER, TOKEN_KEY, binary};
use tokio::process::Command;

/// An environment in which `api serve` starts on a migrated database.
pub struct Environment(BTreeMap<&'static str, String>);

impl Environment {
    /// Everything right, as the api's own login.
    pub fn of(database: &Database) -> Self {
        Self::with_url(&database.app_url())
    }

    /// Everything right but, perhaps, the database.
    pub fn with_url(url: &str) -> Self {
        Self(BTreeMap::from([
            ("DATABASE_URL", url.to_owned()),
            ("API_LISTEN", "127.0.0.1:0".to_owned()),
            ("ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("API_KEY_PEPPER", PEPPER.to_owned()),
            ("JWT_KEYS", format!("1:{TOKEN_KEY}")),
            ("SECRET_KEYS", format!("1:{TOKEN_KEY}")),
        ]))
    }

    /// Nothing set at all.
    pub fn empty() -> Self {
        Self(BTreeMap::new())
    }

    /// The same with another variable.
    pub fn set(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.0.insert(name, value.into());
        self
    }

    /// The worker's, everything right but, perhaps, the database.
    pub fn of_worker(url: &str) -> Self {
        Self(BTreeMap::from([
            ("DATABASE_URL", url.to_owned()),
            ("ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
            ("SECRET_KEYS", format!("1:{TOKEN_KEY}")),
        ]))
    }

    /// `api`, which knows these variables and no other.
    pub fn command(&self, arguments: &[&str]) -> Command {
        self.program("api", arguments)
    }

    /// The variables of a shell that finds `api` by its name.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, String)> {
        let api = binary("api");
        let path = std::env::var("PATH").unwrap_or_default();
        let path = ("PATH", format!("{}:{path}", api.parent().unwrap().display()));
        self.0.clone().into_iter().chain([path])
    }

    /// A line of a shell that finds `api` by its name, as an operator types it.
    pub async fn shell(&self, line: &str) -> Ended {
        let mut command = Command::new("sh");
        command.args(["-c", line]).env_clear().envs(self.variables());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        ended(command).await
    }

    fn program(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary(name));
        command.args(arguments).env_clear().envs(&self.0);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs `api` to its end.
    pub async fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments)).await
    }

    /// What `worker --help` prints.
    pub async fn worker_help(&self) -> String {
        ended(self.program("worker", &["--help"])).await.success()
    }

    /// Runs `worker` to its end.
    pub async fn run_worker(&self, arguments: &[&str]) -> Ended {
        ended(self.program("worker", arguments)).await
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

async fn ended(mut command: Command) -> Ended {
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("{command:?} did not end")).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

impl Ended {
    /// Expects success, and takes what was printed.
    #[track_caller]
    pub fn success(self) -> String {
        assert_eq!(self.code, Some(0), "{self:?}");
        self.stdout
    }

    /// Expects exit code 1 and a message on standard error that says all of this.
    #[track_caller]
    pub fn refused(self, messages: &[&str]) -> String {
        assert_eq!(self.code, Some(1), "{self:?}");
        for message in messages {
            assert!(self.stderr.contains(message), "{message:?} is not said: {self:?}");
        }
        let named = ["api: ", "worker: "].iter().any(|name| self.stderr.starts_with(name));
        assert!(named, "{self:?}");
        self.stderr
    }
}

/// The address of a database that nobody runs, with a password that nobody may see.
pub fn closed_database(nobody: &Nobody) -> String {
    format!("postgres://crm_app:hunter2@{}/liaison", nobody.address())
}
