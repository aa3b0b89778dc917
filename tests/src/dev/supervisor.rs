//! Keeps the product alive and takes it down: what ends by itself is started again.

use std::io;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::report::{self, Pids};
use super::say::say;
use super::stage::Stage;
use super::{Folder, Signals};
use crate::servers::{Postgres, Result};

/// A process that lived this long did not fail at its start.
const HEALTHY: Duration = Duration::from_mins(1);

/// A process that can be started again.
pub trait Supervised: Send + 'static {
    fn name(&self) -> &'static str;
    fn pid(&self) -> Option<u32>;
    /// Waits for its end.
    fn wait(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + Send;
    fn restart(&mut self) -> impl Future<Output = Result<()>> + Send;
    /// Lets it finish what it has begun.
    fn stop(&mut self) -> impl Future<Output = Result<()>> + Send;
    fn kill(&mut self) -> impl Future<Output = Result<()>> + Send;
}

impl Supervised for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn pid(&self) -> Option<u32> {
        Self::pid(self)
    }

    async fn wait(&mut self) -> io::Result<ExitStatus> {
        Self::wait(self).await
    }

    async fn restart(&mut self) -> Result<()> {
        Self::restart(self).await
    }

    async fn stop(&mut self) -> Result<()> {
        self.end().await
    }

    async fn kill(&mut self) -> Result<()> {
        self.kill9().await
    }
}

/// A process under supervision.
struct Watch {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Watch {
    /// Starts to watch. A new process id goes to `pids`; `hurry` cuts a stop short.
    fn start(
        child: impl Supervised,
        hurry: &CancellationToken,
        pids: &UnboundedSender<(&'static str, Option<u32>)>,
    ) -> Self {
        let stop = CancellationToken::new();
        let task = tokio::spawn(watch(child, stop.clone(), hurry.clone(), pids.clone()));
        Self { stop, task }
    }

    async fn stop(self) -> Result<()> {
        self.stop.cancel();
        Ok(self.task.await?)
    }
}

/// Announces the product, keeps it alive until a signal and stops it. A second signal kills what is still busy.
pub async fn keep(stage: Stage, folder: &Folder, signals: &mut Signals) -> Result<()> {
    let Stage { api, worker, catcher, database, mut file, done } = stage;
    let dev_json = folder.dev_json();
    file.write(&dev_json)?;
    say(file.text(done.as_ref(), &folder.path()));
    catcher.announce();

    let hurry = CancellationToken::new();
    let (pids, mut changes) = unbounded_channel();
    let postgres = database.server.map(|server| Watch::start(server, &hurry, &pids));
    let worker = Watch::start(worker, &hurry, &pids);
    let api = Watch::start(api, &hurry, &pids);
    loop {
        tokio::select! {
            () = signals.next() => break,
            Some((name, pid)) = changes.recv() => {
                note(&mut file.pids, name, pid);
                file.write(&dev_json)?;
            }
        }
    }

    say("\nstopping; once more Ctrl-C kills what is still busy … ");
    report::remove(&dev_json)?;
    let stopping = async {
        let (api, worker) = tokio::join!(api.stop(), worker.stop());
        drop(catcher);
        api.and(worker)?;
        match postgres {
            Some(postgres) => postgres.stop().await,
            None => Ok(()),
        }
    };
    tokio::pin!(stopping);
    let stopped = loop {
        tokio::select! {
            stopped = &mut stopping => break stopped,
            () = signals.next() => hurry.cancel(),
        }
    };
    say("stopped\n");
    stopped
}

fn note(pids: &mut Pids, name: &str, pid: Option<u32>) {
    match name {
        "api" => pids.api = pid,
        "worker" => pids.worker = pid,
        _ => pids.postgres = pid,
    }
}

async fn watch(
    mut child: impl Supervised,
    stop: CancellationToken,
    hurry: CancellationToken,
    pids: UnboundedSender<(&'static str, Option<u32>)>,
) {
    let name = child.name();
    let mut failures = 0;
    loop {
        let since = Instant::now();
        let end = tokio::select! {
            () = stop.cancelled() => break,
            end = child.wait() => end,
        };
        match end {
            Ok(status) => say(format!("{name} ended ({status}); starting it again\n")),
            Err(error) => say(format!("{name} is lost ({error}); starting it again\n")),
        }
        // Nobody listens any more only when the runner itself is stopping.
        let _ = pids.send((name, None));
        failures = if since.elapsed() > HEALTHY { 0 } else { failures };
        tokio::select! {
            () = stop.cancelled() => break,
            () = revive(&mut child, &mut failures) => {
                let _ = pids.send((name, child.pid()));
            }
        }
    }
    let stopped = tokio::select! {
        stopped = child.stop() => stopped,
        () = hurry.cancelled() => Ok(()),
    };
    let stopped = if child.pid().is_some() { child.kill().await } else { stopped };
    if let Err(error) = stopped {
        say(format!("{name} did not stop: {error}\n"));
    }
}

/// Starts the child again, waiting 0.5 s, 1 s, 2 s … 16 s before the attempts.
async fn revive(child: &mut impl Supervised, failures: &mut u32) {
    loop {
        tokio::time::sleep(Duration::from_millis(500) * 2_u32.pow((*failures).min(5))).await;
        *failures += 1;
        match child.restart().await {
            Ok(()) => {
                let pid = child.pid().map(|pid| format!(" (pid {pid})")).unwrap_or_default();
                return say(format!("{} runs again{pid}\n", child.name()));
            }
            Err(error) => say(format!("{error}\n")),
        }
    }
}
