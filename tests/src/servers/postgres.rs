//! A private PostgreSQL cluster.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};
use std::{env, str};

use rustix::process::{Pid, Signal, kill_process};

use super::{Account, Folder, Process, Result, free_port, last_lines};

/// How long a start may take, recovery after a crash included.
const START: Duration = Duration::from_mins(2);
/// How long a fast shutdown, which writes everything back, may take.
const STOP: Duration = Duration::from_mins(1);
/// The longest path of a Unix socket is 107 bytes (unix(7)); this leaves room for its name.
const SOCKET_FOLDER_LIMIT: usize = 85;

/// Whether a commit is on the disk when it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As in production.
    On,
    /// Survives `kill -9` of the server but not of the machine: all that a test needs, and faster.
    Off,
}

/// How to start a cluster.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Whether commits wait for the disk.
    pub durability: Durability,
    /// PostgreSQL's page cache, in MiB.
    pub shared_buffers: u32,
}

impl Options {
    /// For tests: no waiting for the disk.
    pub const TEST: Self = Self { durability: Durability::Off, shared_buffers: 128 };
    /// For the dev runner and the benchmark: durable.
    pub const DURABLE: Self = Self { durability: Durability::On, shared_buffers: 128 };
}

/// A PostgreSQL cluster on a free port of 127.0.0.1, empty at first, gone when dropped.
#[derive(Debug)]
pub struct Postgres {
    // The order matters: the server stops before its folder is removed.
    process: Option<Process>,
    folder: Folder,
    account: Option<Account>,
    bin: PathBuf,
    password: String,
    port: u16,
}

impl Postgres {
    /// The superuser's name.
    pub const SUPERUSER: &str = "postgres";

    /// Creates a cluster and starts it.
    ///
    /// # Errors
    /// When PostgreSQL is missing or does not start; the message ends with its log.
    pub async fn start(options: Options) -> Result<Self> {
        let account = Account::unprivileged()?;
        let folder = Folder::claim("postgres", account.as_ref())?;
        let password = format!("{:032x}", rand::random::<u128>());
        let bin = bin()?;
        let mut postgres = Self { process: None, folder, account, bin, password, port: 0 };
        postgres.initdb()?;
        let mut ports_left = 5;
        loop {
            postgres.port = free_port()?;
            postgres.configure(options)?;
            match postgres.launch().await {
                Err(error) if ports_left > 0 && error.to_string().contains("could not bind") => {
                    ports_left -= 1;
                }
                result => return result.map(|()| postgres),
            }
        }
    }

    /// The port on 127.0.0.1; the same for the whole life of the cluster.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The id of the server's process; `None` while it is down.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().and_then(Process::pid)
    }

    /// The folder of PostgreSQL's programs, such as `psql` and `pgbench`.
    #[must_use]
    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// The server's log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.log()
    }

    /// The superuser's password, drawn at random. [`url`](Self::url) uses it for every user.
    #[must_use]
    pub fn password(&self) -> &str {
        &self.password
    }

    /// The address of a database for a user whose password is [`password`](Self::password).
    #[must_use]
    pub fn url(&self, database: &str, user: &str) -> String {
        format!("postgres://{user}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    /// The address of the database `postgres` for the superuser.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.url("postgres", Self::SUPERUSER)
    }

    /// Waits for the server to end by itself.
    ///
    /// # Errors
    /// When it is down already.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        match &mut self.process {
            Some(process) => process.wait().await,
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Stops the server as an operator would: sessions end, everything is written back.
    ///
    /// # Errors
    /// When the system does not say how it ended.
    pub async fn stop(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process {
            process.stop_with(Signal::INT, STOP).await?;
            self.process = None;
        }
        Ok(())
    }

    /// Ends the server for good: sessions end, nothing is written back, since the data go with their owner.
    ///
    /// # Errors
    /// When the system does not say how it ended.
    pub async fn end(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process {
            process.stop(STOP).await?;
            self.process = None;
        }
        Ok(())
    }

    /// Crashes the server: every process of it dies at once, nothing is written back.
    ///
    /// # Errors
    /// When the system does not say how it ended.
    pub async fn kill9(&mut self) -> Result<()> {
        if let Some(process) = &mut self.process {
            let sessions = process.pid().map(children).unwrap_or_default();
            process.kill().await?;
            for session in sessions {
                // A session that saw its server die is gone already.
                let _ = kill_process(session, Signal::KILL);
            }
            self.process = None;
        }
        Ok(())
    }

    /// Starts a stopped or crashed server again: same port, same data.
    ///
    /// # Errors
    /// When it does not start; the message ends with its log.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop().await?;
        let deadline = Instant::now() + START;
        loop {
            match self.launch().await {
                // Sessions of a crashed server hold its memory until they notice that it is gone.
                Err(error)
                    if error.to_string().contains("shared memory") && Instant::now() < deadline =>
                {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                result => return result,
            }
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of PostgreSQL's programs, to be run as the server's user, undisturbed by our own PG* variables.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command.current_dir(self.folder.path()).stdin(std::process::Stdio::null());
        for (variable, _) in env::vars_os() {
            if variable.as_encoded_bytes().starts_with(b"PG") {
                command.env_remove(variable);
            }
        }
        if let Some(account) = &self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    fn initdb(&self) -> Result<()> {
        let password_file = self.folder.path().join("password");
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&password_file)?;
        file.write_all(self.password.as_bytes())?;
        if let Some(account) = &self.account {
            chown(&password_file, Some(account.uid), Some(account.gid))?;
        }
        // What others than Linux call C.UTF-8 differs; the order of texts is that of C in any case.
        let ctype = if cfg!(target_os = "linux") { "C.UTF-8" } else { "en_US.UTF-8" };
        let locale = if cfg!(target_os = "linux") { "C.UTF-8" } else { "C" };
        let mut command = self.program("initdb");
        command
            .args(["--auth=scram-sha-256", "--encoding=UTF8", "--username", Self::SUPERUSER])
            .arg(format!("--locale={locale}"))
            .arg(format!("--lc-ctype={ctype}"))
            // The cluster never outlives the machine's uptime.
            .arg("--no-sync")
            .arg("--pwfile")
            .arg(&password_file)
            .arg("--pgdata")
            .arg(self.data());
        let output = command.output()?;
        fs::remove_file(password_file)?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("initdb failed: {}", String::from_utf8_lossy(&output.stderr)).into())
    }

    /// Appends our settings to the cluster's own; the last one of a name counts.
    fn configure(&self, options: Options) -> Result<()> {
        let folder = self.folder.path().to_str().ok_or("the target folder's path is not UTF-8")?;
        let sockets = if folder.len() <= SOCKET_FOLDER_LIMIT { folder } else { "" };
        let mut settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\n\
             max_connections = 200\nshared_buffers = '{}MB'\n\
             timezone = 'UTC'\nlog_timezone = 'UTC'\nlc_messages = 'C'\n\
             log_min_messages = warning\nlog_line_prefix = '%m [%p] %q%u@%d '\n",
            self.port,
            sockets.replace('\'', "''"),
            options.shared_buffers,
        );
        if options.durability == Durability::Off {
            settings += "fsync = off\nfull_page_writes = off\n";
        }
        let mut file = OpenOptions::new().append(true).open(self.data().join("postgresql.conf"))?;
        Ok(file.write_all(settings.as_bytes())?)
    }

    /// Starts the server and waits until it accepts sessions.
    async fn launch(&mut self) -> Result<()> {
        // Our lock on the folder says that no server of ours runs; the file of a dead one can name a living stranger.
        let status_file = self.data().join("postmaster.pid");
        match fs::remove_file(&status_file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let log = File::create(self.folder.log())?;
        let mut command = self.program("postgres");
        command.arg("-D").arg(self.data()).stdout(log.try_clone()?).stderr(log);
        // SIGQUIT is PostgreSQL's immediate shutdown, right for a cluster that is about to be removed.
        let process = Process::spawn(command, Signal::QUIT, &self.folder.pid_file())?;
        let process = self.process.insert(process);
        let deadline = Instant::now() + START;
        loop {
            if let Some(status) = process.exited()? {
                self.process = None;
                let log = last_lines(&self.folder.log(), 20);
                return Err(format!("PostgreSQL ended with {status}:\n{log}").into());
            }
            // Line 8 of the file is the state that pg_ctl waits for, too.
            let state = fs::read_to_string(&status_file).unwrap_or_default();
            if state.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let log = last_lines(&self.folder.log(), 20);
                return Err(format!("PostgreSQL is not ready after {START:?}:\n{log}").into());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The folder of PostgreSQL's server programs: `PG_BIN`, or what `tests/setup.sh` finds.
fn bin() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("PG_BIN").filter(|folder| !folder.is_empty()) {
        return Ok(folder.into());
    }
    let output = Command::new("sh")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/setup.sh"))
        .arg("pg-bin")
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().into());
    }
    Ok(str::from_utf8(&output.stdout)?.trim().into())
}

/// The processes that a process started; none where the system does not tell.
fn children(pid: u32) -> Vec<Pid> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok().and_then(Pid::from_raw)).collect()
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, PgConnection};

    use super::*;

    #[tokio::test]
    async fn a_commit_survives_a_crash_and_the_server_comes_back_on_its_port() {
        let mut postgres = Postgres::start(Options::TEST).await.unwrap();
        let url = postgres.admin_url();
        let mut session = PgConnection::connect(&url).await.unwrap();
        sqlx::raw_sql("CREATE TABLE t AS SELECT 42 AS n").execute(&mut session).await.unwrap();

        postgres.kill9().await.unwrap();
        assert!(PgConnection::connect(&url).await.is_err());
        postgres.restart().await.unwrap();

        let mut session = PgConnection::connect(&url).await.unwrap();
        let n: i32 = sqlx::query_scalar("SELECT n FROM t").fetch_one(&mut session).await.unwrap();
        assert_eq!(n, 42);
    }

    #[tokio::test]
    async fn nobody_enters_without_the_password() {
        let postgres = Postgres::start(Options::TEST).await.unwrap();
        let url = postgres.admin_url().replace(postgres.password(), "wrong");
        let refusal = PgConnection::connect(&url).await.unwrap_err().to_string();
        assert!(refusal.contains("password authentication failed"), "{refusal}");
    }

    #[tokio::test]
    async fn a_dropped_cluster_leaves_neither_process_nor_folder() {
        let postgres = Postgres::start(Options::TEST).await.unwrap();
        let (folder, url) = (postgres.folder.path().to_owned(), postgres.admin_url());
        drop(postgres);
        assert!(!folder.exists());
        assert!(PgConnection::connect(&url).await.is_err());
    }
}
