//! Signing in by QR code, over real HTTP: a desktop without a credential, and a phone that is signed in.

mod bodies;
mod events;
mod flow;
mod permission;
mod secrets;
mod states;

use reqwest::Method;
use serde_json::{Value, json};
use shared::scope::Role;
use tests::kit::{Answer, Tenant, TestApp};

const PATH: &str = "/api/v1/auth/qr-session";

/// A desktop that shows a QR code.
pub(super) struct Desktop<'a> {
    app: &'a TestApp,
    id: String,
    qr_token: String,
    secret: String,
    match_code: String,
}

impl<'a> Desktop<'a> {
    pub(super) async fn start(app: &'a TestApp) -> Self {
        Self::with(app, json!({"deviceName": "Chrome on macOS"})).await
    }

    async fn with(app: &'a TestApp, body: Value) -> Self {
        let made = generate(app, body).await.created();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        let payload = text("qrPayload");
        let (_, qr_token) = payload.split_once('#').unwrap();
        Self {
            app,
            id: text("id"),
            qr_token: qr_token.to_owned(),
            secret: text("pollSecret"),
            match_code: text("matchCode"),
        }
    }

    fn path(&self) -> String {
        format!("{PATH}/{}", self.id)
    }

    fn request(&self, method: Method, under: &str) -> reqwest::RequestBuilder {
        let request = self.app.request(method, &format!("{}{under}", self.path()));
        request.header("x-qr-poll-secret", &self.secret)
    }

    async fn poll(&self) -> Answer {
        Answer::to(self.request(Method::GET, "")).await
    }

    async fn status(&self) -> String {
        self.poll().await.ok()["status"].as_str().unwrap().to_owned()
    }

    async fn cancel(&self) -> Answer {
        Answer::to(self.request(Method::DELETE, "")).await
    }

    pub(super) async fn redeem(&self) -> Answer {
        self.redeem_with(json!({"pollSecret": self.secret})).await
    }

    async fn redeem_with(&self, body: Value) -> Answer {
        let request = self.app.request(Method::POST, &format!("{}/token", self.path()));
        Answer::to(request.json(&body)).await
    }

    async fn scanned_by(&self, phone: &Tenant) -> Answer {
        phone.post(&format!("{PATH}/scan"), json!({"qrToken": self.qr_token})).await
    }

    /// Scans, and takes the link token.
    async fn scan(&self, phone: &Tenant) -> String {
        self.scanned_by(phone).await.ok()["linkToken"].as_str().unwrap().to_owned()
    }

    async fn approve(&self, phone: &Tenant, link_token: &str) -> Answer {
        decide(phone, json!({"linkToken": link_token, "matchCode": self.match_code})).await
    }

    /// Scans and approves.
    pub(super) async fn link(&self, phone: &Tenant) {
        let token = self.scan(phone).await;
        self.approve(phone, &token).await.ok();
    }

    /// A code that is not the desktop's.
    fn wrong_code(&self) -> &'static str {
        if self.match_code == "00" { "01" } else { "00" }
    }
}

async fn generate(app: &TestApp, body: Value) -> Answer {
    Answer::to(app.request(Method::POST, &format!("{PATH}/generate")).json(&body)).await
}

pub(super) async fn decide(phone: &Tenant, body: Value) -> Answer {
    phone.post(&format!("{PATH}/link"), body).await
}

async fn phone(tenant: &Tenant) -> Tenant {
    tenant.with_role(Role::Member).await
}

/// Expects that the session's state does not allow the step.
#[track_caller]
fn wrong_state(answer: Answer, state: &str) {
    let body = answer.problem(409, "QR_SESSION_STATE");
    assert_eq!(body["details"], json!({"status": state}));
    assert_eq!(body["error"], format!("The QR session does not allow this: it is {state}"));
}

#[track_caller]
fn unknown(answer: Answer) {
    answer.not_found("QR session not found");
}
