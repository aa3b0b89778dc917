//! The receivers of `docs/receivers`, run as they are: they accept real deliveries and genuine requests, keep each once
//! and byte for byte, and refuse everything else. Without a whole secret they do not start. `NO_SKIPS=languages` wants
//! every language; otherwise those are passed over that this machine cannot run. (`NO_SKIPS=disk` wants
//! `tests/it/disk.rs`, which needs root, and `NO_SKIPS=all` both.)

use std::fs;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use shared::Clock;
use tests::kit::{CONTACTS, Tenant, TestApp, WEBHOOKS, binary, skip};
use tests::servers::{Folder, Process, free_port, last_lines};

use super::vectors::{SECRETS, Vector, not_ascii, vectors};
use crate::architecture::source::root;

/// Far longer than a compiler and a start take, even on a slow machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// With none of these may a receiver listen: nothing, what the api shows of a secret later, 23 bytes, and what has more
/// but no end.
const NO_SECRETS: [&str; 7] = [
    "",
    "whsec_",
    "whsec_…f3a9",
    "…f3a9",
    "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRY=",
    "a-secret-of-23-letters-",
    "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gI…",
];

/// What a receiver says that got none.
const ADVICE: &str = "set WEBHOOK_SECRET to the whole secret that the api showed";

/// How a shell runs a receiver, and what succeeds where it can; `$FILE` is its text.
struct Language {
    file: &'static str,
    needs: &'static str,
    run: &'static str,
}

const LANGUAGES: [Language; 8] = [
    Language { file: "receiver.js", needs: "command -v node", run: "exec node $FILE" },
    Language { file: "receiver.py", needs: "command -v python3", run: "exec python3 $FILE" },
    Language {
        file: "receiver.go",
        needs: "command -v go",
        run: "go build -o receiver $FILE && exec ./receiver",
    },
    Language { file: "receiver.rs", needs: "command -v cargo", run: "exec $RUST_RECEIVER" },
    Language {
        file: "receiver.php",
        needs: "command -v php",
        run: "php $FILE && exec php -S 127.0.0.1:$PORT $FILE",
    },
    Language { file: "receiver.rb", needs: "ruby -rwebrick -e 1", run: "exec ruby $FILE" },
    Language { file: "receiver.java", needs: "command -v javac", run: "exec java $FILE" },
    Language {
        file: "receiver.cs",
        needs: "command -v mcs && command -v mono",
        run: "mcs -out:receiver.exe $FILE && exec mono receiver.exe",
    },
];

/// A running receiver.
struct Running {
    // The order matters: the process ends before its folder is removed.
    _process: Process,
    folder: Folder,
    url: String,
    http: reqwest::Client,
}

/// Whether the command succeeds, which `what` needs. If not, `what` is passed over.
pub fn is_here(needs: &str, what: &str) -> bool {
    let mut probe = Command::new("sh");
    let probe = probe.args(["-c", needs]).stdout(Stdio::null()).stderr(Stdio::null());
    let here = probe.status().unwrap().success();
    if !here {
        skip("languages", what, &format!("{needs} fails"));
    }
    here
}

impl Language {
    /// Runs it until it listens, or has ended with this status and these last words.
    async fn start(&self, secret: Option<&str>) -> Result<Running, (ExitStatus, String)> {
        let folder = Folder::claim("receiver", None).unwrap();
        let port = free_port().unwrap();
        let log = fs::File::create(folder.log()).unwrap();
        let mut command = Command::new("sh");
        command
            .args(["-c", self.run])
            .env("FILE", root().join("docs/receivers").join(self.file))
            .env("RUST_RECEIVER", binary("receiver"))
            .env("PORT", port.to_string())
            .env_remove("WEBHOOK_SECRET")
            .envs(secret.map(|secret| ("WEBHOOK_SECRET", secret)))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        let mut process = Process::spawn(command, Signal::TERM, &folder.pid_file()).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || last_lines(&folder.log(), 20);
            if let Some(status) = process.exited().unwrap() {
                return Err((status, log()));
            }
            assert!(Instant::now() < deadline, "{}", log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        let url = format!("http://127.0.0.1:{port}/hook");
        Ok(Running { _process: process, folder, url, http })
    }
}

impl Running {
    /// The status that a request is answered; `None` when it is not answered.
    async fn send(&self, vector: &Vector) -> Option<u16> {
        let request = self.http.post(&self.url).body(vector.body.clone());
        let request = vector
            .headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, latin_1(value)));
        Some(request.send().await.ok()?.status().as_u16())
    }

    fn inbox(&self) -> PathBuf {
        self.folder.path().join("inbox")
    }

    /// How many files were kept; some receivers make the folder with the first.
    fn kept(&self) -> usize {
        fs::read_dir(self.inbox()).map_or(0, Iterator::count)
    }

    fn text(&self, id: &str) -> Option<String> {
        fs::read_to_string(self.inbox().join(format!("{id}.json"))).ok()
    }

    fn log(&self) -> String {
        last_lines(&self.folder.log(), 20)
    }

    /// Sends everything twice; what is genuine is accepted and kept once, as it was sent.
    async fn judge(&self, vectors: &[Vector]) {
        for vector in vectors {
            let (before, name) = (self.kept(), &vector.name);
            for _ in 0..2 {
                let expected = if vector.accepted { 204 } else { 401 };
                let status = self.send(vector).await;
                assert_eq!(status, Some(expected), "{name}: {}", self.log());
            }
            assert_eq!(self.kept() - before, usize::from(vector.accepted), "{name}");
            if vector.accepted {
                let text = self.text(&vector.headers["webhook-id"]);
                assert_eq!(text.as_deref(), Some(&*vector.body), "{name}");
            }
        }
    }

    /// What cannot be kept is not acknowledged, and is kept when it comes again.
    async fn keep_or_refuse(&self, vector: &Vector) {
        let (inbox, away) = (self.inbox(), self.folder.path().join("away"));
        fs::create_dir_all(&inbox).unwrap();
        fs::rename(&inbox, &away).unwrap();
        fs::write(&inbox, "in the way").unwrap();
        let status = self.send(vector).await;
        assert!(status.is_none_or(|status| status >= 500), "{status:?}: {}", self.log());
        fs::remove_file(&inbox).unwrap();
        fs::rename(&away, &inbox).unwrap();
        assert_eq!(self.send(vector).await, Some(204));
        assert_eq!(self.text(&vector.headers["webhook-id"]).as_deref(), Some(&*vector.body));
    }
}

/// As the bytes of a header.
fn latin_1(text: &str) -> Vec<u8> {
    text.chars().map(|letter| u8::try_from(letter).unwrap()).collect()
}

async fn webhook(acme: &Tenant, running: &Running, secret: &str) -> String {
    let body = json!({"url": running.url, "events": ["contact.*"], "secret": secret});
    let webhook = acme.post(WEBHOOKS, body).await.created();
    webhook["id"].as_str().unwrap().to_owned()
}

/// A real change, a real worker; during a rotation of which the receiver knows nothing, and once more by a resend.
async fn receives_deliveries(running: &Running, secret: &str) {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let webhook = webhook(&acme, running, secret).await;
    let mut worker = app.worker();
    for name in ["Ada", "Zoë \u{2028} 😀"] {
        acme.post(CONTACTS, json!({"name": name})).await.created();
        worker.drain().await.unwrap();
        acme.post(&format!("{WEBHOOKS}/{webhook}/secret/rotate"), json!({})).await.ok();
    }
    let deliveries = acme.deliveries(&webhook).await;
    assert_eq!(deliveries.len(), 2);
    for delivery in &deliveries {
        let (status, code) = (&delivery["status"], &delivery["lastStatusCode"]);
        assert_eq!((status, code), (&json!("delivered"), &json!(204)), "{delivery:#}");
        let kept = running.text(delivery["id"].as_str().unwrap()).unwrap();
        let kept: Value = serde_json::from_str(&kept).unwrap();
        assert_eq!(kept["data"], delivery["payload"]);
    }
    let again = deliveries[0]["id"].as_str().unwrap();
    let path = format!("{WEBHOOKS}/{webhook}/events/{again}/resend");
    assert!(acme.post(&path, json!({})).await.status.is_success());
    worker.drain().await.unwrap();
    assert_eq!(acme.deliveries(&webhook).await[0]["lastStatusCode"], 204);
    assert_eq!(running.kept(), 2, "what came again was kept before");
}

/// The language of a receiver, if this machine has it.
fn language(file: &str) -> Option<&'static Language> {
    let language = LANGUAGES.iter().find(|language| language.file == file).unwrap();
    is_here(language.needs, &format!("docs/receivers/{file}")).then_some(language)
}

async fn is_a_good_receiver(file: &str) {
    let Some(language) = language(file) else { return };
    for (at, secret) in SECRETS.into_iter().enumerate() {
        let running = language.start(Some(secret)).await.unwrap();
        if at == 0 {
            receives_deliveries(&running, secret).await;
        }
        // A compiler may have taken longer than a receiver accepts a request.
        let now = Clock::system().now().timestamp();
        let mut vectors = vectors(now);
        vectors.push(not_ascii(now));
        vectors.retain(|vector| vector.secret == secret);
        let spare = vectors.remove(0);
        running.judge(&vectors).await;
        running.keep_or_refuse(&spare).await;
    }
}

async fn needs_a_whole_secret(file: &str) {
    let Some(language) = language(file) else { return };
    for secret in NO_SECRETS.map(Some).into_iter().chain([None]) {
        let started = language.start(secret).await;
        let (status, said) = started.err().unwrap_or_else(|| panic!("listens with {secret:?}"));
        let advised = said.lines().last().is_some_and(|last| last.contains(ADVICE));
        assert!(!status.success() && advised, "{secret:?}: {status}: {said}");
    }
}

macro_rules! receivers {
    ($($file:literal: $accepts:ident, $needs:ident;)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $accepts() {
            is_a_good_receiver($file).await;
        }

        #[tokio::test]
        async fn $needs() {
            needs_a_whole_secret($file).await;
        })*

        /// The receivers of the guide, each of which is run.
        pub const FILES: [&str; 8] = [$($file),*];
    };
}

receivers! {
    "receiver.js":
        the_receiver_in_javascript_accepts_what_is_genuine_once_and_nothing_else,
        the_receiver_in_javascript_does_not_start_without_a_whole_secret;
    "receiver.py":
        the_receiver_in_python_accepts_what_is_genuine_once_and_nothing_else,
        the_receiver_in_python_does_not_start_without_a_whole_secret;
    "receiver.go":
        the_receiver_in_go_accepts_what_is_genuine_once_and_nothing_else,
        the_receiver_in_go_does_not_start_without_a_whole_secret;
    "receiver.rs":
        the_receiver_in_rust_accepts_what_is_genuine_once_and_nothing_else,
        the_receiver_in_rust_does_not_start_without_a_whole_secret;
    "receiver.php":
        the_receiver_in_php_accepts_what_is_genuine_once_and_nothing_else,
        the_receiver_in_php_does_not_start_without_a_whole_secret;
    "receiver.rb":
        the_receiver_in_ruby_accepts_what_is_genuine_once_and_nothing_else,
        the_receiver_in_ruby_does_not_start_without_a_whole_secret;
    "receiver.java":
        the_receiver_in_java_accepts_what_is_genuine_once_and_nothing_else,
        the_receiver_in_java_does_not_start_without_a_whole_secret;
    "receiver.cs":
        the_receiver_in_c_sharp_accepts_what_is_genuine_once_and_nothing_else,
        the_receiver_in_c_sharp_does_not_start_without_a_whole_secret;
}
