//! The status as server-sent events.

use reqwest::Method;
use tests::kit::{Answer, EventStream, Program, TestApp};
use uuid::Uuid;

use super::{Desktop, PATH, phone};

/// Expects this status to be told next.
async fn hear(listening: &mut EventStream, status: &str) {
    let told = format!("event: status\nid: {status}\ndata: {{\"status\":\"{status}\"}}");
    assert_eq!(listening.next().await, told);
}

#[tokio::test]
async fn every_status_is_told_once_and_the_final_one_ends_the_answer() {
    let app = TestApp::start().await;
    let phone = phone(&app.tenant("acme").await).await;
    let desktop = Desktop::start(&app).await;
    let mut listening = EventStream::of(desktop.request(Method::GET, "/events")).await;
    hear(&mut listening, "pending").await;
    let token = desktop.scan(&phone).await;
    hear(&mut listening, "scanned").await;
    desktop.approve(&phone, &token).await.ok();
    hear(&mut listening, "linked").await;
    desktop.redeem().await.ok();
    hear(&mut listening, "consumed").await;
    assert!(listening.rest().await.is_empty());
}

#[tokio::test]
async fn a_status_that_is_final_already_is_told_and_that_is_all() {
    let app = TestApp::start().await;
    let desktop = Desktop::start(&app).await;
    desktop.cancel().await.no_content();
    let told = EventStream::of(desktop.request(Method::GET, "/events")).await.rest().await;
    assert_eq!(told, ["event: status\nid: cancelled\ndata: {\"status\":\"cancelled\"}"]);
}

#[tokio::test]
async fn whoever_heard_the_end_and_comes_again_is_told_to_stop_and_nobody_else_is() {
    let app = TestApp::start().await;
    let desktop = Desktop::start(&app).await;
    let again = |last| desktop.request(Method::GET, "/events").header("last-event-id", last);
    hear(&mut EventStream::of(again("pending")).await, "pending").await;
    desktop.cancel().await.no_content();
    hear(&mut EventStream::of(again("pending")).await, "cancelled").await;
    Answer::to(again("cancelled")).await.no_content();
}

#[tokio::test]
async fn the_end_of_the_time_is_told() {
    let app = TestApp::start().await;
    let desktop = Desktop::start(&app).await;
    let mut listening = EventStream::of(desktop.request(Method::GET, "/events")).await;
    hear(&mut listening, "pending").await;
    app.advance(chrono::TimeDelta::seconds(60));
    hear(&mut listening, "expired").await;
    assert!(listening.rest().await.is_empty());
}

#[tokio::test]
async fn more_open_answers_than_there_are_places_are_refused_and_polling_goes_on() {
    let app = TestApp::start().await;
    let desktop = Desktop::start(&app).await;
    let place = |of| app.api.streams.open(Uuid::from_u128(of)).unwrap();
    let places: Vec<_> = (0..).map(place).take(api::http::streams::MOST).collect();
    let refused = Answer::to(desktop.request(Method::GET, "/events")).await;
    assert_eq!(refused.header("retry-after"), "1");
    refused.problem(503, "SERVICE_UNAVAILABLE");
    assert_eq!(desktop.status().await, "pending");
    drop(places);
    let mut listening = EventStream::of(desktop.request(Method::GET, "/events")).await;
    hear(&mut listening, "pending").await;
}

#[tokio::test]
async fn one_session_leaves_places_for_others() {
    let app = TestApp::start().await;
    let (greedy, other) = (Desktop::start(&app).await, Desktop::start(&app).await);
    let mut listening = Vec::new();
    for _ in 0..api::http::streams::MOST_OF_ONE {
        listening.push(EventStream::of(greedy.request(Method::GET, "/events")).await);
    }
    let refused = Answer::to(greedy.request(Method::GET, "/events")).await;
    refused.problem(409, "CONFLICT");
    hear(&mut EventStream::of(other.request(Method::GET, "/events")).await, "pending").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_ends_the_answer_and_does_not_wait_for_it() {
    let app = TestApp::start().await;
    let mut api = Program::api(&app.database.app_url(), &[]).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let made = http.post(format!("{}{PATH}/generate", api.url()));
    let made = Answer::to(made).await.created();
    let events = format!("{}{}", api.url(), made["links"]["events"].as_str().unwrap());
    let events = http.get(events).header("x-qr-poll-secret", made["pollSecret"].as_str().unwrap());
    let mut listening = EventStream::of(events).await;
    hear(&mut listening, "pending").await;
    assert!(api.stop().await.success());
    assert!(listening.rest().await.is_empty());
    assert!(!api.log().contains("requests were still under way"), "{}", api.log());
}
