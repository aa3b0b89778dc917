//! The whole product on one machine, for a developer to play with: `make dev`.
//!
//! - [`settings`]: where everything listens, and what dev's own environment says.
//! - [`database`]: the embedded PostgreSQL or the given one, its roles and their passwords.
//! - [`product`]: the api and the worker: their environment, their commands, the running programs.
//! - [`catcher`]: a receiver of webhooks that checks signatures.
//! - [`main_job`]: a contact is created, a signed webhook arrives.
//! - [`stage`]: sets all of it up, step by step; [`supervisor`] keeps it alive and takes it down.
//! - [`report`]: `target/dev.json` and what is printed.

mod catcher;
pub(crate) mod database;
mod lock;
mod main_job;
pub(crate) mod product;
mod program;
mod report;
pub(crate) mod say;
pub(crate) mod settings;
mod stage;
mod supervisor;
pub(crate) mod tenants;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

use self::lock::Lock;
use self::say::say;
use self::settings::Settings;
pub use self::settings::hands_on;
use self::stage::Stage;
use crate::servers::{Process, Result};

/// Runs the product until SIGINT or SIGTERM. A failure is printed.
pub async fn run() -> ExitCode {
    let code = match run_until_signal().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(format!("\ndev: {error}\n"));
            ExitCode::FAILURE
        }
    };
    say::finish();
    code
}

async fn run_until_signal() -> Result<()> {
    let folder = Folder::open(target())?;
    let mut signals = Signals::new()?;
    let settings = Settings::from_env()?;
    // Dropping a half-set stage stops what it has started.
    let stage = tokio::select! {
        stage = Stage::set(&settings, &folder) => stage?,
        () = signals.next() => {
            say("\nstopped\n");
            return Ok(());
        }
    };
    supervisor::keep(stage, &folder, &mut signals).await
}

/// Where `dev.json` and our files lie: `DEV_TARGET`, or the repository's target folder.
fn target() -> PathBuf {
    let ours = || Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target");
    std::env::var_os("DEV_TARGET").map_or_else(ours, PathBuf::from)
}

/// The folder of the dev runner, `target/dev`, ours alone while we run.
struct Folder {
    target: PathBuf,
    _lock: Lock,
}

impl Folder {
    /// Locks the folder and clears away what a killed runner left.
    fn open(target: PathBuf) -> Result<Self> {
        let folder = target.join("dev");
        std::fs::create_dir_all(&folder)?;
        let lock = Lock::take(&folder.join("lock"))?;
        let folder = Self { target, _lock: lock };
        for program in ["api", "worker"] {
            Process::end_leftover(&folder.pid_file(program));
        }
        report::remove(&folder.dev_json())?;
        Ok(folder)
    }

    fn path(&self) -> PathBuf {
        self.target.join("dev")
    }

    fn dev_json(&self) -> PathBuf {
        self.target.join("dev.json")
    }

    fn log(&self, program: &str) -> PathBuf {
        self.path().join(program).with_extension("log")
    }

    fn pid_file(&self, program: &str) -> PathBuf {
        self.path().join(program).with_extension("pid")
    }
}

/// The wish to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
