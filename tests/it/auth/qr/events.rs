//! The status as server-sent events.

use std::time::Duration;

use reqwest::Method;
use tests::kit::{Program, TestApp};
use tokio::time::timeout;

use super::{Desktop, PATH, phone};

/// Long enough for a row to be looked at again on any machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// An open answer, read as it comes.
struct Listening {
    text: String,
    response: reqwest::Response,
}

impl Listening {
    async fn to(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["x-accel-buffering"], "no");
        assert!(response.headers().contains_key("x-request-id"));
        Self { text: String::new(), response }
    }

    /// Reads on until this status is told.
    async fn hear(&mut self, status: &str) {
        let event = format!("event: status\ndata: {{\"status\":\"{status}\"}}\n\n");
        while !self.text.contains(&event) {
            let more = timeout(PATIENCE, self.response.chunk()).await.expect(status).unwrap();
            self.text += std::str::from_utf8(&more.expect(status)).unwrap();
        }
    }

    /// Reads to the end.
    async fn end(mut self) -> String {
        while let Some(more) =
            timeout(PATIENCE, self.response.chunk()).await.expect("it ends").unwrap()
        {
            self.text += std::str::from_utf8(&more).unwrap();
        }
        self.text
    }
}

#[tokio::test]
async fn every_status_is_told_once_and_the_final_one_ends_the_answer() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    let desktop = Desktop::start(&app).await;
    let mut listening = Listening::to(desktop.request(Method::GET, "/events")).await;
    listening.hear("pending").await;
    let token = desktop.scan(&phone).await;
    listening.hear("scanned").await;
    desktop.approve(&phone, &token).await.ok();
    listening.hear("linked").await;
    desktop.redeem().await.ok();
    listening.hear("consumed").await;
    let told = listening.end().await;
    assert_eq!(told.matches("event: status").count(), 4, "{told}");
}

#[tokio::test]
async fn a_status_that_is_final_already_is_told_and_that_is_all() {
    let app = TestApp::start().await;
    let desktop = Desktop::start(&app).await;
    desktop.cancel().await.no_content();
    let told = Listening::to(desktop.request(Method::GET, "/events")).await.end().await;
    assert_eq!(told, "event: status\ndata: {\"status\":\"cancelled\"}\n\n");
}

#[tokio::test]
async fn the_end_of_the_time_is_told() {
    let app = TestApp::start().await;
    let desktop = Desktop::start(&app).await;
    let mut listening = Listening::to(desktop.request(Method::GET, "/events")).await;
    listening.hear("pending").await;
    app.advance(chrono::TimeDelta::seconds(60));
    listening.hear("expired").await;
    listening.end().await;
}

#[tokio::test]
async fn more_open_answers_than_there_are_places_are_refused_and_polling_goes_on() {
    let app = TestApp::start().await;
    let desktop = Desktop::start(&app).await;
    let places: Vec<_> =
        (0..api::http::streams::MOST).map(|_| app.api.streams.open().unwrap()).collect();
    let refused = tests::kit::Answer::to(desktop.request(Method::GET, "/events")).await;
    assert_eq!(refused.header("retry-after"), "1");
    refused.problem(503, "SERVICE_UNAVAILABLE");
    assert_eq!(desktop.status().await, "pending");
    drop(places);
    Listening::to(desktop.request(Method::GET, "/events")).await.hear("pending").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_ends_the_answer_and_does_not_wait_for_it() {
    let app = TestApp::start().await;
    let mut api = Program::api(&app.database.app_url(), &[]).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let made = http.post(format!("{}{PATH}/generate", api.url()));
    let made = tests::kit::Answer::to(made).await.created();
    let events = format!("{}{}", api.url(), made["links"]["events"].as_str().unwrap());
    let events = http.get(events).header("x-qr-poll-secret", made["pollSecret"].as_str().unwrap());
    let mut listening = Listening::to(events).await;
    listening.hear("pending").await;
    assert!(api.stop().await.success());
    listening.end().await;
    assert!(!api.log().contains("requests were still under way"), "{}", api.log());
}
