//! Erasing contacts for good (docs/decisions/0022).

mod asked;
mod crash;
mod listed;
mod races;
mod rows;
pub mod scan;
mod traces;

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{Answer, CONTACTS, Tenant, TestApp};
use worker::steps::Steps;

/// Far longer than anything here takes, even on a slow machine.
const PATIENCE: Duration = Duration::from_mins(2);

/// A contact's path.
fn at(contact: &Value) -> String {
    format!("{CONTACTS}/{}", contact["id"].as_str().unwrap())
}

/// Asks for a contact to be erased.
async fn ask(tenant: &Tenant, contact: &Value) -> Answer {
    tenant.post(&format!("{}/erase", at(contact)), json!({})).await
}

/// Expects 202 with the erasure, at its own path.
fn begun(answer: &Answer) -> Value {
    assert_eq!(answer.status, 202, "{:#}", answer.body);
    let location = answer.header("location").to_owned();
    let erasure = answer.body["data"].clone();
    assert_eq!(location, path(&erasure));
    erasure
}

/// An erasure's path.
fn path(erasure: &Value) -> String {
    format!("/api/v1/erasures/{}", erasure["id"].as_str().unwrap())
}

/// Works until the erasure is completed: other tests' transactions in the same cluster may have to end first.
async fn finished(app: &TestApp, worker: &Steps, tenant: &Tenant, erasure: &Value) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        worker.erase().await.unwrap();
        let erasure = tenant.get(&path(erasure)).await.ok();
        if erasure["status"] == "completed" {
            return erasure;
        }
        assert!(Instant::now() < deadline, "{erasure:#}");
        app.advance(TimeDelta::seconds(1));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Erases a contact and its history.
async fn erase(app: &TestApp, worker: &Steps, tenant: &Tenant, contact: &Value) -> Value {
    let erasure = begun(&ask(tenant, contact).await);
    finished(app, worker, tenant, &erasure).await
}
