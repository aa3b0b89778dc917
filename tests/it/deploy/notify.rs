//! systemd's `Type=notify`: it is told when a process really serves, that it lives, and that it ends.

use std::path::PathBuf;

use tests::kit::{Database, PATIENCE, Program};
use tokio::net::UnixDatagram;
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::boot::process::Environment;

/// Where a service manager listens. Its path is short: no socket's may be longer than 107 bytes (unix(7)).
struct Manager {
    heard: Mutex<UnboundedReceiver<String>>,
    path: PathBuf,
}

impl Manager {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("notify-{:032x}", rand::random::<u128>()));
        let socket = UnixDatagram::bind(&path).unwrap();
        let (hear, heard) = unbounded_channel();
        // Whatever the test does meanwhile: a socket holds ten messages, and whoever sends an eleventh waits.
        tokio::spawn(async move {
            let mut text = [0; 256];
            while let Ok(length) = socket.recv(&mut text).await {
                let told = String::from_utf8_lossy(&text[..length]).trim().to_owned();
                if hear.send(told).is_err() {
                    return;
                }
            }
        });
        Self { heard: Mutex::new(heard), path }
    }

    fn path(&self) -> &str {
        self.path.to_str().unwrap()
    }

    /// What it is told next.
    async fn told(&self) -> String {
        let mut heard = self.heard.lock().await;
        let told = tokio::time::timeout(PATIENCE, heard.recv()).await;
        told.expect("something is told").expect("somebody listens")
    }

    /// What it is told next besides signs of life.
    async fn told_of_state(&self) -> String {
        loop {
            let told = self.told().await;
            if told != "WATCHDOG=1" {
                return told;
            }
        }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_is_told_when_a_process_serves_that_it_lives_and_when_it_stops() {
    let database = Database::migrated().await;
    let (of_api, of_worker) = (Manager::new(), Manager::new());
    let watched = ("WATCHDOG_USEC", "100000");
    let api_variables = [("NOTIFY_SOCKET", of_api.path()), watched];
    let worker_variables = [("NOTIFY_SOCKET", of_worker.path()), watched];
    let (app_url, worker_url) = (database.app_url(), database.worker_url());
    let (api, worker) = tokio::join!(
        Program::api(&app_url, &api_variables),
        Program::worker(&worker_url, &worker_variables)
    );
    for (manager, mut program) in [(of_api, api), (of_worker, worker)] {
        assert_eq!(manager.told().await, "READY=1");
        assert_eq!(manager.told().await, "WATCHDOG=1");
        assert_eq!(manager.told().await, "WATCHDOG=1");
        assert!(program.stop().await.success());
        assert_eq!(manager.told_of_state().await, "STOPPING=1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_containers_health_check_passes_while_its_process_lives() {
    let database = Database::migrated().await;
    let mut api = Program::api(&database.app_url(), &[]).await;
    let mut worker = Program::worker(&database.worker_url(), &[]).await;
    let asks = |program: &Program| {
        Environment::empty().set("ADMIN_LISTEN", format!("0.0.0.0:{}", program.ports()[1]))
    };
    let (of_api, of_worker) = (asks(&api), asks(&worker));
    of_api.run(&["health"]).await.success();
    of_worker.run_worker(&["health"]).await.success();
    api.stop().await;
    worker.stop().await;
    of_api.run(&["health"]).await.refused(&["ADMIN_LISTEN"]);
    of_worker.run_worker(&["health"]).await.refused(&["ADMIN_LISTEN"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_refuses_to_serve_tells_systemd_nothing() {
    let database = Database::migrated().await;
    let (manager, superuser) = (Manager::new(), database.admin_url());
    let api = Environment::with_url(&superuser).set("NOTIFY_SOCKET", manager.path());
    let worker = Environment::of_worker(&superuser).set("NOTIFY_SOCKET", manager.path());
    api.run(&["serve"]).await.refused(&["is a superuser"]);
    worker.run_worker(&[]).await.refused(&["is a superuser"]);
    // What they told would have come before.
    UnixDatagram::unbound().unwrap().send_to(b"ours", manager.path()).await.unwrap();
    assert_eq!(manager.told().await, "ours");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_drains_is_not_ready_and_still_serves_until_its_delay_is_over() {
    let database = Database::migrated().await;
    let manager = Manager::new();
    let variables = [("NOTIFY_SOCKET", manager.path()), ("DRAIN_DELAY", "1h")];
    let api = Program::api(&database.app_url(), &variables).await;
    assert_eq!(manager.told().await, "READY=1");
    let pid = i32::try_from(api.pid()).ok().and_then(rustix::process::Pid::from_raw).unwrap();
    let terminate = || rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    terminate();
    assert_eq!(manager.told().await, "STOPPING=1");
    api.wait_for("/readyz", 503).await;
    let answer = reqwest::get(format!("{}/openapi.json", api.url())).await.unwrap();
    assert_eq!(answer.status(), 200);
    // Dropping it sends a second SIGTERM, which ends the delay; without that it would be killed after ten seconds.
    drop(api);
}
