//! How a webhook is doing: when its state changes, who hears of it, and the numbers that are shown.

mod changes;
mod disabled;
mod heard;
mod listed;
mod numbers;
mod upgrade;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, Call, Subscriber, Tenant, TestApp};
use worker::steps::Steps;

/// A tenant with a webhook of its own, and a worker.
struct Stage {
    app: TestApp,
    acme: Tenant,
    hook: Subscriber,
    worker: Steps,
}

impl Stage {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let acme = app.tenant("acme").await;
        let hook = acme.subscribe(&["contact.*"]).await;
        let worker = app.worker();
        Self { app, acme, hook, worker }
    }

    /// Announces so many changes and makes every attempt that is due.
    async fn send(&mut self, changes: i32) {
        self.app.announce(&self.acme, "contact.created", changes).await;
        self.worker.drain().await.unwrap();
    }

    /// The same after so many minutes, with these answers to the attempts.
    async fn after(&mut self, minutes: i64, changes: i32, answers: &[u16]) {
        self.app.advance(TimeDelta::minutes(minutes));
        self.hook.receiver.script(answers.iter().copied());
        self.send(changes).await;
    }

    /// Makes it failing: five failures at once, and their second attempts two minutes later.
    async fn fail(&mut self) {
        self.after(0, 5, &[500; 5]).await;
        self.app.advance(TimeDelta::minutes(2));
        self.hook.receiver.script([500; 5]);
        self.worker.drain().await.unwrap();
    }

    /// Everything there is to know of its health.
    async fn health(&self) -> Value {
        self.acme.get(&format!("{}/health", self.hook.path())).await.ok()
    }

    async fn state(&self) -> Value {
        self.health().await["health"].clone()
    }

    /// The entries of the audit log that tell of its health: action, before, after; the oldest first.
    async fn audited(&self) -> Vec<(String, Value, Value)> {
        let path = format!("/api/v1/audit-log?recordId={}&actorType=system", self.hook.id);
        let mut entries = self.acme.get(&path).await.page().items;
        entries.reverse();
        let told = |entry: Value| {
            let action = entry["action"].as_str().unwrap().to_owned();
            (action, entry["before"].clone(), entry["after"].clone())
        };
        entries.into_iter().map(told).collect()
    }

    /// The changes of health in the event log, the oldest first.
    async fn told(&self) -> Vec<Value> {
        crate::event_log::page(&self.acme, "event=webhook.*&after=0").await.0
    }

    async fn told_names(&self) -> Vec<String> {
        self.told().await.iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    }
}

/// What a receiver was sent: event and data.
fn received(subscriber: &Subscriber) -> Vec<(Value, Value)> {
    let calls = subscriber.receiver.calls();
    let bodies = calls.iter().map(Call::json);
    bodies.map(|body| (body["event"].clone(), body["data"].clone())).collect()
}

/// A contact of the tenant.
async fn contact(acme: &Tenant) {
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
}
