//! How much may be sent, how slowly, and how often at once.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tests::kit::{CONTACTS, Tenant, TestApp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{IMPORTS, at, counts, csv, import, people, send, total};

#[tokio::test]
async fn more_rows_than_an_import_takes_leave_nothing_behind() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let rows = "7\n".repeat(100_001);
    let answer = send(&acme, "", "application/x-ndjson", rows).await;
    answer.invalid(&json!({"rows": "Must be 1 to 100000"}));
    assert_eq!(acme.get(IMPORTS).await.page().pagination["total"], 0);
}

#[tokio::test]
async fn more_bytes_than_an_upload_may_have_are_answered_and_leave_nothing_behind() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let blank = format!("{}\n", " ".repeat(60_000));
    let file = format!("{{\"name\":\"Ada\"}}\n{}", blank.repeat(1_120));
    assert!(file.len() > 64 * 1024 * 1024);
    let body =
        send(&acme, "", "application/x-ndjson", file).await.problem(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(body["error"], "The body is larger than 67108864 bytes");
    assert_eq!(total(&acme).await, 0);
    assert_eq!(acme.get(IMPORTS).await.page().pagination["total"], 0);
}

#[tokio::test]
async fn few_rows_of_many_bytes_are_left_to_the_worker() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let file = format!("name,_notes\n{}", format!("Ada,{}\n", "x".repeat(60_000)).repeat(100));
    csv(&acme, "?async=false", &file).await.problem(413, "PAYLOAD_TOO_LARGE");
    assert_eq!(csv(&acme, "", &file).await.status, 202);
    app.worker().import().await.unwrap();
    assert_eq!(total(&acme).await, 100);
}

/// An upload that begins and does not go on.
async fn stalled(app: &TestApp, tenant: &Tenant) -> TcpStream {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let request = format!(
        "POST {CONTACTS}/import HTTP/1.1\r\nHost: liaison\r\nX-API-Key: {}\r\nContent-Type: text/csv\r\n\
         Content-Length: 1000\r\nConnection: close\r\n\r\nname\nAda\n",
        tenant.key(),
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn slow_uploads_are_ended_and_keep_only_their_own_tenant_waiting() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let mut slow = Vec::new();
    for _ in 0..4 {
        slow.push(stalled(&app, &acme).await);
    }
    // Until all four have their places, there is one for a fifth.
    let deadline = Instant::now() + Duration::from_mins(1);
    let refused = loop {
        let answer = import(&acme, "", people(1)).await;
        if answer.status == 429 {
            break answer;
        }
        assert!(Instant::now() < deadline, "{}", answer.status);
    };
    assert_eq!(refused.header("retry-after"), "1");
    refused.problem(429, "RATE_LIMITED");
    assert_eq!(counts(&import(&other, "", people(1)).await.ok()), [1, 0, 0, 0]);
    for mut stream in slow {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 408 ") && answer.contains("REQUEST_TIMEOUT"),
            "{answer}"
        );
    }
    let before = total(&acme).await;
    assert_eq!(counts(&import(&acme, "", people(2)).await.ok()), [2, 0, 0, 0]);
    assert_eq!(total(&acme).await, before + 2);
}

#[tokio::test]
async fn of_very_many_faults_of_a_row_or_a_body_fifty_are_kept_and_the_rest_counted() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let row: Map<String, Value> = (0..5_000).map(|n| (format!("x{n}"), json!(1))).collect();
    let done = send(&acme, "", "application/x-ndjson", json!(row).to_string()).await.ok();
    let kept = acme.get(&at(&done)).await.ok()["errors"][0]["details"].clone();
    let told = acme.post(CONTACTS, json!(row)).await.problem(400, "VALIDATION_ERROR");
    for details in [kept, told["details"].clone()] {
        assert_eq!(details["name"], "Is required");
        assert_eq!(details["_more"], "And 4951 more");
        assert_eq!(details.as_object().unwrap().len(), 51);
    }
}
