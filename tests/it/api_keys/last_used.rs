//! When a key was last used: told to the minute, never waited for.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{START, Tenant, TestApp};

use super::{at, knock, let_in, reader};

/// Waits until the key is said to have been used then.
async fn wait_for(tenant: &Tenant, key: &Value, then: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let found = tenant.get(&at(key)).await.ok()["lastUsedAt"].clone();
        if found == then {
            return;
        }
        assert!(Instant::now() < deadline, "{found} instead of {then}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_use_is_noted_once_a_minute_and_changes_no_version() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (shown, key) = reader(&acme, json!({})).await;
    let_in(knock(&key).await);
    wait_for(&acme, &shown, START).await;

    app.advance(TimeDelta::seconds(59));
    let_in(knock(&key).await);
    app.advance(TimeDelta::seconds(1));
    let_in(knock(&key).await);
    // Had the use before been written, this one would not be due yet.
    wait_for(&acme, &shown, "2026-01-02T03:05:05.678Z").await;
    let found = acme.get(&at(&shown)).await.ok();
    assert_eq!((&found["version"], &found["updatedAt"]), (&json!(1), &json!(START)));
}

#[tokio::test]
async fn a_refused_use_is_none() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (elsewhere, outsider) = reader(&acme, json!({"allowedIps": ["192.0.2.1"]})).await;
    let (shown, key) = reader(&acme, json!({})).await;
    knock(&outsider).await.problem(403, "FORBIDDEN");
    let_in(knock(&key).await);
    wait_for(&acme, &shown, START).await;
    assert_eq!(acme.get(&at(&elsewhere)).await.ok()["lastUsedAt"], Value::Null);
}
