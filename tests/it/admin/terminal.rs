//! `api admin` where somebody sits in front of it: it asks, shows how far it is, and says how things stand when it is
//! stopped.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::Stdio;
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use serde_json::json;
use tests::kit::{CONTACTS, Database, PATIENCE, Tenant, TestApp};
use tests::servers::Folder;
use tokio::process::Child;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::operator;

/// A command at a terminal: what it prints as its result is not among what the screen shows.
struct AtTerminal {
    child: Child,
    keyboard: File,
    screen: mpsc::UnboundedReceiver<String>,
    seen: String,
}

impl AtTerminal {
    fn run(database: &Database, arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let terminal =
            rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let mut command = operator(database).set("TERM", "xterm").command(arguments);
        command.stdin(Stdio::from(terminal.try_clone().unwrap())).stderr(Stdio::from(terminal));
        let child = command.spawn().unwrap();
        let keyboard = File::from(master);
        let (mut light, (drawn, screen)) =
            (keyboard.try_clone().unwrap(), mpsc::unbounded_channel());
        // Ends with the command, whose end of the terminal is the last.
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = light.read(&mut bytes) {
                let _ = drawn.send(String::from_utf8_lossy(&bytes[..read]).into_owned());
            }
        });
        Self { child, keyboard, screen, seen: String::new() }
    }

    async fn shows(&mut self, text: &str) -> &mut Self {
        while !self.seen.contains(text) {
            let more = self.more().await;
            self.seen += &more.unwrap_or_else(|| panic!("{text:?} is not shown: {}", self.seen));
        }
        self
    }

    /// What is shown next; `None` when the command has ended.
    async fn more(&mut self) -> Option<String> {
        let more = timeout(PATIENCE, self.screen.recv()).await;
        more.unwrap_or_else(|_| panic!("it neither goes on nor ends: {}", self.seen))
    }

    fn types(&mut self, line: &str) -> &mut Self {
        writeln!(self.keyboard, "{line}").unwrap();
        self
    }

    fn ctrl_c(&mut self) -> &mut Self {
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed()).unwrap();
        rustix::process::kill_process(pid, Signal::INT).unwrap();
        self
    }

    /// The exit code, and all that was shown.
    async fn ends(&mut self) -> (Option<i32>, String) {
        while let Some(more) = self.more().await {
            self.seen += &more;
        }
        let ended = timeout(PATIENCE, self.child.wait()).await.expect("it ends with its screen");
        (ended.unwrap().code(), std::mem::take(&mut self.seen))
    }
}

fn erase(app: &TestApp, tenant: &Tenant) -> AtTerminal {
    let id = tenant.id.to_string();
    AtTerminal::run(&app.database, &["admin", "tenant", "erase", "--tenant", &id])
}

#[tokio::test]
async fn an_erasure_begins_when_the_tenants_name_is_typed_and_with_no_other_answer() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    for answer in ["Acme", "yes", ""] {
        let mut erasure = erase(&app, &acme);
        erasure.shows("will be gone for good").await.shows("Type acme to go on: ").await;
        let (code, shown) = erasure.types(answer).ends().await;
        assert!(code == Some(1) && shown.contains("api: nothing was done"), "{code:?} {shown}");
        assert_eq!(acme.get("/api/v1/me").await.status, 200);
    }
    let mut erasure = erase(&app, &acme);
    erasure.shows("Type acme to go on: ").await;
    let (code, shown) = erasure.types("acme").ends().await;
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(acme.get("/api/v1/me").await.status, 401);
}

#[tokio::test]
async fn an_erasure_shows_how_far_it_is_and_stopped_halfway_says_what_finishes_it() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    // Somebody has the contact in hand, so that the erasure comes no further.
    let hand = app.database.hold("select from contacts for update").await;
    let mut erasure = erase(&app, &acme);
    erasure.shows("Type acme to go on: ").await.types("acme").shows("erasing [").await;
    let (code, shown) = erasure.ctrl_c().ends().await;
    assert!(code == Some(130) && shown.contains("the same command erases the rest"), "{shown}");
    hand.release().await;

    let mut again = erase(&app, &acme);
    again.shows("to go on: ").await;
    let (code, shown) = again.types("acme").ends().await;
    assert_eq!(code, Some(0), "{shown}");
}

#[tokio::test]
async fn an_export_that_is_stopped_says_that_it_is_not_whole() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let (folder, id) = (Folder::claim("stopped-export", None).unwrap(), acme.id.to_string());
    let to = folder.path().join("acme");
    let patience = "do $$ begin execute format('alter role crm_app in database %I set lock_timeout = 0', current_database()); end $$";
    app.database.execute(patience).await;
    let hand = app.database.hold("lock table leads in access exclusive mode").await;
    let export = ["admin", "tenant", "export", "--tenant", &id, "--to", to.to_str().unwrap()];
    let mut export = AtTerminal::run(&app.database, &export);
    app.database.waiting(1).await;
    let (code, shown) = export.ctrl_c().ends().await;
    assert!(code == Some(130) && shown.contains("what was written is not whole"), "{shown}");
    assert!(!to.join("manifest.json").exists());
    hand.release().await;
}
