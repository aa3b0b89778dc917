//! `docs/getting-started.md`, followed to the letter beside what `make dev` starts.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::kit::binary;
use tests::servers::{Folder, Process, free_port, last_lines};

use super::page::examples;
use super::plain::fits;
use super::shell::{STRICT, Shell};
use crate::architecture::source::root;

/// Far longer than a start or the guide takes, even on a slow machine.
pub(super) const PATIENCE: Duration = Duration::from_mins(2);

/// A running program with a folder of its own.
pub(super) struct Running {
    pub process: Process,
    pub log: PathBuf,
}

impl Running {
    pub fn start(mut command: Command, folder: &Folder) -> Self {
        let log = File::create(folder.log()).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let process = Process::spawn(command, Signal::TERM, &folder.pid_file()).unwrap();
        Self { process, log: folder.log() }
    }

    /// Waits until it says this.
    pub async fn says(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while !fs::read_to_string(&self.log).unwrap().contains(text) {
            let ended = self.process.exited().unwrap();
            let end = || last_lines(&self.log, 20);
            assert!(ended.is_none() && Instant::now() < deadline, "{ended:?}: {}", end());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// What `make dev` runs, its files under `target` and on ports of its own.
pub(super) fn dev(target: &Path) -> Command {
    let mut command = Command::new(binary("dev"));
    command.env("DEV_TARGET", target).env_remove("DATABASE_URL");
    for listener in ["API_LISTEN", "ADMIN_LISTEN", "WORKER_ADMIN_LISTEN", "CATCHER_LISTEN"] {
        command.env(listener, "127.0.0.1:0");
    }
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_user_gets_a_first_webhook_by_following_the_guide_and_the_readme_to_the_letter() {
    let here = Folder::claim("guide", None).unwrap();
    let target = here.path().join("target");
    fs::create_dir(&target).unwrap();
    symlink(root().join("docs"), here.path().join("docs")).unwrap();
    let mut product = Running::start(dev(&target), &here);
    product.says("Liaison runs.").await;

    let mut steps = examples("docs/getting-started.md");
    // The README tries the same product; its answers have the ids of another day.
    let tries = examples("README.md").into_iter();
    let tries = tries.filter(|(commands, _)| !commands.contains("make "));
    steps.extend(tries.map(|(commands, _)| (commands, None)));
    let port = free_port().unwrap().to_string();
    let mut shell = Shell::new([("PATH", std::env::var("PATH").unwrap())], here.path());
    shell.run(STRICT).await.unwrap_or_else(|failure| panic!("{failure}"));
    for (commands, answer) in &steps {
        let printed = shell.run(&commands.replace("3000", &port)).await;
        let printed = printed.unwrap_or_else(|failure| panic!("{failure}"));
        if let Some(answer) = answer {
            assert!(fits(answer, printed.trim_end()), "{commands}\n{answer}\n{printed}");
        }
    }
    product.process.stop(PATIENCE).await.unwrap();
}
