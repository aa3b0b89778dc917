//! A shell that a test types into, one command after the other, as the reader of a guide does: what one leaves behind
//! (variables, functions, folders, programs in the background) is there for the next.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use tests::servers::{Folder, send_to_group};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// Far longer than any command takes, even on a slow machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// Runs the file of each step that it is told, and says how each ended. At the first that fails, or when nobody listens
/// any more, it ends with everything that it has in the background; it leads a group of its own.
const LISTEN: &str = r#"set -eu
exec 3<&0 4>&1 </dev/null
trap 'echo $? >&4; kill -s KILL 0' EXIT
while read -r _step <&3; do
    exec >"$_step.out" 2>"$_step.err"
    . "$_step.sh"
    echo 0 >&4
done"#;

/// An answer of the api that is no 2xx fails, as a reader would see that something is wrong.
pub const STRICT: &str = r#"fails() { case "$*" in *"${API:-/}"*) echo --fail-with-body ;; esac; }
curl() { command curl --no-progress-meter $(fails "$@") "$@"; }
"#;

/// See the module. After a failure it is begun anew, with the same variables.
pub struct Shell {
    running: Option<Running>,
    variables: BTreeMap<String, String>,
    here: PathBuf,
    files: Folder,
    steps: usize,
    kept: String,
}

struct Running {
    child: Child,
    steps: ChildStdin,
    ends: Lines<BufReader<ChildStdout>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(pid) = self.child.id() {
            let _ = send_to_group(pid, Signal::KILL);
        }
    }
}

/// A command that failed: what it ended with, if it ended, and what it printed.
pub struct Failure {
    pub code: Option<i32>,
    pub printed: String,
    commands: String,
    told: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, printed, commands, told } = self;
        write!(f, "exit code {code:?} of\n{commands}\n{printed}\n{told}")
    }
}

impl Shell {
    /// One that knows these variables and no other, in this folder.
    pub fn new<N: Into<String>>(
        variables: impl IntoIterator<Item = (N, String)>,
        here: &Path,
    ) -> Self {
        Self {
            running: None,
            variables: variables.into_iter().map(|(name, value)| (name.into(), value)).collect(),
            here: here.to_owned(),
            files: Folder::claim("shell", None).unwrap(),
            steps: 0,
            kept: String::new(),
        }
    }

    /// What a variable was given.
    pub fn variable(&self, name: &str) -> &str {
        &self.variables[name]
    }

    /// Gives a variable a value, for the commands that follow.
    pub fn keep(&mut self, name: &str, value: String) {
        assert!(!value.contains('\''), "{name}: {value}");
        let _ = writeln!(self.kept, "export {name}='{value}'");
        self.variables.insert(name.to_owned(), value);
    }

    /// Runs commands and takes what they print to standard output.
    pub async fn run(&mut self, commands: &str) -> Result<String, Failure> {
        self.steps += 1;
        let step = self.files.path().join(self.steps.to_string());
        let file = |extension| step.with_extension(extension);
        fs::write(file("sh"), std::mem::take(&mut self.kept) + commands).unwrap();
        let running = match &mut self.running {
            Some(running) => running,
            none => none.insert(start(&self.variables, &self.here)),
        };
        running.steps.write_all(format!("{}\n", step.display()).as_bytes()).await.unwrap();
        let end = tokio::time::timeout(PATIENCE, running.ends.next_line()).await;
        let code = end.ok().map(|line| line.unwrap().expect("how it ended").parse().unwrap());
        let read = |extension| fs::read_to_string(file(extension)).unwrap_or_default();
        let printed = read("out");
        if code == Some(0) {
            return Ok(printed);
        }
        self.running = None;
        Err(Failure { code, printed, commands: commands.to_owned(), told: read("err") })
    }
}

fn start(variables: &BTreeMap<String, String>, here: &Path) -> Running {
    let mut command = Command::new("sh");
    command.args(["-c", LISTEN]).current_dir(here).env_clear().envs(variables).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let ends = BufReader::new(child.stdout.take().unwrap()).lines();
    Running { steps: child.stdin.take().unwrap(), child, ends }
}

#[tokio::test]
async fn what_a_command_leaves_behind_is_there_for_the_next_and_a_failure_is_told() {
    let folder = Folder::claim("shell-test", None).unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut shell = Shell::new([("PATH", path), ("A", "1".to_owned())], folder.path());
    assert_eq!(
        shell.run("B=2\nsay() { echo $1; }\nsleep 100 &\necho $A; cat").await.ok().unwrap(),
        "1\n"
    );
    shell.keep("C", "3 4".to_owned());
    assert_eq!(shell.run("say $B; echo \"$C\"; kill $!").await.ok().unwrap(), "2\n3 4\n");
    let failure = shell.run("echo so far; echo why >&2; (exit 7); echo never").await.err().unwrap();
    assert_eq!((failure.code, &*failure.printed), (Some(7), "so far\n"));
    assert!(failure.to_string().contains("why"), "{failure}");
    assert_eq!(shell.run("echo $A $C ${B:-gone}").await.ok().unwrap(), "1 3 4 gone\n");
}
