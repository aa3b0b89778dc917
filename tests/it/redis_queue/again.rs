//! The promises of delivery, kept once more with `QUEUE=redis`: the same tests in a process of their own.

use std::io::{BufRead as _, BufReader, PipeReader};
use std::process::{Child, Command};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tests::kit::PATIENCE;

/// Where the way from the queue to the receiver matters.
const MODULES: [&str; 21] = [
    "workers::",
    "unheard::",
    "locked::",
    "fairness::",
    "crash::",
    "delivery::",
    "held::",
    "manners::",
    "resend::",
    "schedule::",
    "order::",
    "replays::",
    "receivers::",
    "attempts::",
    "signing::",
    "health::",
    "shelf::",
    "parked::",
    "erase::",
    "select::",
    "webhooks::test_event::",
];

/// How long it may be before the next test has ended: whatever a test waits for, it waits in the kit's patience.
const SILENCE: Duration = PATIENCE.saturating_mul(2);

/// All that it writes until it ends. When it falls silent, it is ended.
fn read(child: &mut Child, output: PipeReader) -> String {
    let (write, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = write.send(line);
        }
    });
    let mut said = String::new();
    loop {
        match lines.recv_timeout(SILENCE) {
            Ok(line) => said = said + &line + "\n",
            Err(RecvTimeoutError::Disconnected) => return said,
            Err(RecvTimeoutError::Timeout) => {
                child.kill().unwrap();
                panic!("no test has ended for {SILENCE:?} after this:\n{said}");
            }
        }
    }
}

#[test]
fn every_promise_of_delivery_holds_through_redis_too() {
    let (output, ours) = std::io::pipe().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(MODULES)
        .env("TEST_QUEUE", "redis")
        .env("RUST_BACKTRACE", "0")
        .stdout(ours.try_clone().unwrap())
        .stderr(ours)
        .spawn()
        .unwrap();
    let said = read(&mut child, output);
    assert!(child.wait().unwrap().success(), "{said}");
    for module in MODULES {
        assert!(said.contains(&format!("test {module}")), "{module} has moved: {said}");
    }
}
