//! A program of the system's that stands between the product and others: a load balancer, a pooler.

use std::fs::File;
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tests::kit::PATIENCE;
use tests::servers::{Account, Folder, Process, free_port, last_lines};

/// It runs until it is dropped.
pub struct Daemon {
    // The order matters: the process ends before its folder is removed.
    _process: Process,
    _folder: Folder,
    port: u16,
}

impl Daemon {
    /// Starts what `command` makes of a folder and a free port, and waits until the port is open.
    pub async fn start(kind: &str, mut command: impl FnMut(&Path, u16) -> Command) -> Self {
        let account = Account::unprivileged().unwrap();
        let folder = Folder::claim(kind, account.as_ref()).unwrap();
        let deadline = Instant::now() + PATIENCE;
        // Somebody may take the port in between.
        for _ in 0..5 {
            let port = free_port().unwrap();
            let log = File::create(folder.log()).unwrap();
            let mut command = command(folder.path(), port);
            command
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(log.try_clone().unwrap())
                .stderr(log);
            if let Some(account) = &account {
                command.uid(account.uid).gid(account.gid);
            }
            let mut process = Process::spawn(command, Signal::TERM, &folder.pid_file()).unwrap();
            while process.exited().unwrap().is_none() && Instant::now() < deadline {
                if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                    return Self { _process: process, _folder: folder, port };
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        panic!("{kind} does not start:\n{}", last_lines(&folder.log(), 20));
    }

    pub fn port(&self) -> u16 {
        self.port
    }
}

/// The folder with everything that a deployment begins with.
pub fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}
