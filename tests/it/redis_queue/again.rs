//! The promises of delivery, kept once more with `QUEUE=redis`: the same tests in a process of their own.

use std::process::Command;

/// Where the way from the queue to the receiver matters.
const MODULES: [&str; 19] = [
    "workers::",
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

#[test]
fn every_promise_of_delivery_holds_through_redis_too() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(MODULES)
        .env("TEST_QUEUE", "redis")
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    for module in MODULES {
        assert!(said.contains(&format!("test {module}")), "{module} has moved: {said}");
    }
}
