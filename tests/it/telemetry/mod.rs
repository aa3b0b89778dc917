//! What operators see of the running product: one trace from request to delivery, JSON logs that say whose and which
//! but never what, and the metrics that dashboards and alerts stand on.

mod housekeeping;
mod logs;
mod metrics;
mod moved;
mod named;
mod promql;
pub(crate) mod runbooks;
mod traces;
mod unanswered;

use serde_json::json;
use tests::kit::{CONTACTS, Call, Program, Subscriber, Tenant, TestApp};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER_SPAN: &str = "00f067aa0ba902b7";

/// Something in a body that must never be in a log.
const PRIVATE: &str = "Ada-Private-Lovelace";

/// The product running, with one contact created in a known trace and delivered.
struct Delivered {
    app: TestApp,
    api: Program,
    worker: Program,
    acme: Tenant,
    subscriber: Subscriber,
    call: Call,
}

async fn delivered(variables: &[(&str, &str)]) -> Delivered {
    delivered_after(&[], variables).await
}

/// The same, after the receiver has answered with these statuses.
async fn delivered_after(statuses: &[u16], variables: &[(&str, &str)]) -> Delivered {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.script(statuses.iter().copied());
    let (app_url, worker_url) = (app.database.app_url(), app.database.worker_url());
    let (api, worker) =
        tokio::join!(Program::api(&app_url, variables), Program::worker(&worker_url, variables));
    let acme = acme.through(api.url());
    let answer = acme
        .request(http::Method::POST, CONTACTS)
        .header("traceparent", format!("00-{TRACE}-{CALLER_SPAN}-01"))
        .header("x-request-id", "request-of-the-test")
        .json(&json!({"name": PRIVATE}))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-request-id"]),
        (201, &"request-of-the-test".parse().unwrap())
    );
    let call = subscriber.receiver.wait_for(statuses.len() + 1).await.pop().unwrap();
    app.wait_until("delivered", 1).await;
    Delivered { app, api, worker, acme, subscriber, call }
}
