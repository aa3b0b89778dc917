//! Requests that nobody hears the answer of: they are seen by operators like all others.

use http::Method;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, Credential, Database, Program, TestApp, sample, until};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

#[tokio::test(flavor = "multi_thread")]
async fn a_request_whose_caller_hangs_up_is_counted_timed_and_logged() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let api = Program::api(&app.database.app_url(), &[]).await;
    let held = app.database.hold("lock table contacts in access exclusive mode").await;
    let Credential::ApiKey(key) = &acme.credential else { panic!("a key") };
    let request = format!(
        "GET {CONTACTS} HTTP/1.1\r\nhost: test\r\nx-api-key: {key}\r\nx-request-id: who-leaves\r\n\r\n"
    );
    let mut caller = TcpStream::connect(("127.0.0.1", api.ports()[0])).await.unwrap();
    caller.write_all(request.as_bytes()).await.unwrap();
    app.database.waiting(1).await;
    drop(caller);
    let left = format!(r#"http_requests_total{{method="GET",route="{CONTACTS}",status="499"}}"#);
    until("it is counted", async || sample(&api.admin("/metrics").await.1, &left).is_some()).await;
    let (_, metrics) = api.admin("/metrics").await;
    assert_eq!(sample(&metrics, &left), Some(1.0));
    let timed =
        format!(r#"http_request_duration_seconds_count{{method="GET",route="{CONTACTS}"}}"#);
    assert_eq!(sample(&metrics, &timed), Some(1.0));
    assert_eq!(sample(&metrics, "http_requests_in_flight"), Some(0.0));
    let of_it = |line: &Value| line["span"]["request_id"] == "who-leaves";
    let lines: Vec<_> = api.log_lines().into_iter().filter(of_it).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert_eq!((&lines[0]["status"], &lines[0]["message"]), (&json!(499), &json!("request")));
    held.release().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_goes_on_behind_its_answer_is_told_of_when_it_ends() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let api = Program::api(&app.database.app_url(), &[("REQUEST_TIMEOUT", "1s")]).await;
    let acme = acme.through(api.url());
    let held = app.database.hold("lock table contacts in share mode").await;
    acme.request(Method::POST, CONTACTS)
        .header("x-request-id", "who-waits")
        .json(&json!({"name": "Ada"}))
        .send()
        .await
        .map(|answer| assert_eq!(answer.status(), 503))
        .unwrap();
    held.release().await;
    let of_it = |line: &Value| {
        line["span"]["request_id"] == "who-waits"
            && line["message"] == "a request has ended behind its answer"
    };
    until("its end is told", async || api.log_lines().iter().any(of_it)).await;
    let line = api.log_lines().into_iter().find(of_it).unwrap();
    assert_eq!((&line["level"], &line["status"]), (&json!("WARN"), &json!(201)));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_old_the_outbox_is_stays_known_or_is_known_to_be_unknown() {
    let database = Database::migrated().await;
    let worker = Program::worker(&database.worker_url(), &[]).await;
    let measured = async || {
        let (_, text) = worker.admin("/metrics").await;
        sample(&text, "outbox_measured_timestamp_seconds")
    };
    until("it is known", async || measured().await.is_some()).await;
    // Other gauges cannot be set, which is no reason not to know it.
    database.execute("revoke select on erasures from crm_worker").await;
    let known = measured().await;
    until("it is known anew", async || measured().await > known).await;
    database.execute("revoke select on outbox from crm_worker").await;
    let failing = async || worker.log().contains("permission denied for table outbox");
    until("the relay fails", failing).await;
    let (last, before) = (measured().await, worker.log().lines().count());
    until("it has failed more often", async || worker.log().lines().count() > before + 5).await;
    assert_eq!(measured().await, last);
}
