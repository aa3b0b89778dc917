//! Receivers that misbehave, and targets that must not be reached: each attempt ends in time with a stable code.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use shared::webhook::target::TargetPolicy;
use tests::kit::{CONTACTS, Nobody, PATIENCE, Receiver, Reply, TcpServer, TestApp, read_webhook};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use worker::config::Config;

/// Sends one change to the URL; the delivery after the first attempt.
async fn attempt(url: &str) -> Value {
    attempt_with(url, |_| {}).await
}

/// The same, by a worker that waits a second only.
async fn attempt_in_a_second(url: &str) -> Value {
    attempt_with(url, |config| config.limits.total = Duration::from_secs(1)).await
}

async fn attempt_with(url: &str, change: impl FnOnce(&mut Config)) -> Value {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    // Past the check at registration: addresses can go bad later.
    sqlx::query("update webhooks set url = $1")
        .bind(url)
        .execute(app.database.admin())
        .await
        .unwrap();
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker_with(change);
    let drained = timeout(PATIENCE, worker.drain()).await.expect("the attempt ends");
    assert_eq!(drained.unwrap(), 1);
    subscriber.only_delivery().await
}

/// Expects a first attempt that failed with this code and status, and a second one in two minutes.
#[track_caller]
fn assert_retried(delivery: &Value, code: &str, status: Option<u16>) {
    let attempt = &delivery["attemptLog"][0];
    assert_eq!(
        (&attempt["errorCode"], &attempt["statusCode"]),
        (&json!(code), &json!(status)),
        "{delivery:#}"
    );
    assert_eq!(
        (&delivery["lastError"], &delivery["lastStatusCode"]),
        (&json!(code), &json!(status))
    );
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("pending"), &json!(1)));
    assert_eq!(delivery["nextRetry"], "2026-01-02T03:06:05.678Z");
}

/// Writes a byte ten times a second for ever.
async fn drip(stream: &mut TcpStream) -> std::io::Result<()> {
    loop {
        stream.write_all(b"x").await?;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_receiver_that_never_answers_times_out() {
    let server = TcpServer::silent().await;
    assert_retried(&attempt_in_a_second(&server.url()).await, "timeout", None);
}

#[tokio::test]
async fn a_receiver_that_drips_its_head_times_out() {
    let server = TcpServer::start(|mut stream| async move {
        read_webhook(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\nx-drip: ").await?;
        drip(&mut stream).await
    })
    .await;
    assert_retried(&attempt_in_a_second(&server.url()).await, "timeout", None);
}

#[tokio::test]
async fn a_receiver_that_drips_its_body_is_known_by_its_status() {
    let server = TcpServer::start(|mut stream| async move {
        read_webhook(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 100000\r\n\r\n").await?;
        drip(&mut stream).await
    })
    .await;
    // Long enough for the head to come, whatever else this machine does.
    let patient = |config: &mut Config| config.limits.total = Duration::from_secs(5);
    assert_retried(&attempt_with(&server.url(), patient).await, "http_status", Some(502));
}

#[tokio::test]
async fn an_answer_of_ten_gigabytes_is_cut_off_and_its_status_counts() {
    const LENGTH: u64 = 10 << 30;
    let written = Arc::new(AtomicU64::new(0));
    let count = written.clone();
    let server = TcpServer::start(move |mut stream| {
        let count = count.clone();
        async move {
            read_webhook(&mut stream).await?;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            while count.load(Ordering::SeqCst) < LENGTH {
                stream.write_all(&vec![b'x'; 64 * 1024]).await?;
                count.fetch_add(64 * 1024, Ordering::SeqCst);
            }
            Ok(())
        }
    })
    .await;
    let delivery = attempt(&server.url()).await;
    assert_eq!(delivery["status"], "delivered", "{delivery:#}");
    assert_eq!(delivery["attemptLog"][0]["excerpt"], "x".repeat(1024));
    // What was read, and what the two ends of the connection hold in their buffers.
    let written = written.load(Ordering::SeqCst);
    assert!(written < 64 << 20, "{written} bytes were taken");
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_its_target_hears_nothing() {
    let (target, receiver) = (Receiver::start().await, Receiver::start().await);
    receiver.script([Reply::status(307).header("location", target.url())]);
    assert_retried(&attempt(&receiver.url()).await, "redirect", Some(307));
    assert!(target.calls().is_empty());
    assert_eq!(receiver.calls().len(), 1);
}

#[tokio::test]
async fn a_receiver_that_resets_or_closes_the_connection_is_called_again() {
    let reset = TcpServer::start(|stream| async move {
        stream.set_zero_linger()?;
        drop(stream);
        Ok(())
    })
    .await;
    assert_retried(&attempt(&reset.url()).await, "connection_reset", None);
    let close = TcpServer::start(|mut stream| async move { read_webhook(&mut stream).await }).await;
    assert_retried(&attempt(&close.url()).await, "connection_reset", None);
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_called_again() {
    let nobody = Nobody::here();
    let url = format!("http://{}/hook", nobody.address());
    assert_retried(&attempt(&url).await, "connect_failed", None);
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_a_failure() {
    let server = TcpServer::start(|mut stream| async move {
        read_webhook(&mut stream).await?;
        stream.write_all(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n").await
    })
    .await;
    assert_retried(&attempt(&server.url()).await, "invalid_response", None);
}

#[tokio::test]
async fn of_an_answer_that_explains_itself_the_first_kilobyte_is_kept() {
    let receiver = Receiver::start().await;
    receiver.script([Reply::status(500).body("grüße ".repeat(1000))]);
    let delivery = attempt(&receiver.url()).await;
    assert_retried(&delivery, "http_status", Some(500));
    let excerpt = delivery["attemptLog"][0]["excerpt"].as_str().unwrap();
    assert!("grüße ".repeat(1000).starts_with(excerpt));
    assert!((1021..=1024).contains(&excerpt.len()), "{}", excerpt.len());
}

#[tokio::test]
async fn an_inward_address_is_blocked_when_sending_even_when_it_was_let_in() {
    let server = TcpServer::start(|_| async { Ok(()) }).await;
    let public_only =
        |config: &mut Config| config.targets = Arc::new(TargetPolicy::new(true, Vec::new()));
    let url = server.url();
    for url in [
        &*url,
        &url.replace("127.0.0.1", "localhost"),
        "http://10.0.0.1/",
        "http://169.254.169.254/latest",
    ] {
        assert_retried(&attempt_with(url, public_only).await, "url_blocked", None);
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn plain_http_is_blocked_when_only_https_is_allowed() {
    let server = TcpServer::start(|_| async { Ok(()) }).await;
    let https_only = |config: &mut Config| {
        config.targets = Arc::new(TargetPolicy::new(false, vec!["127.0.0.0/8".parse().unwrap()]));
    };
    assert_retried(&attempt_with(&server.url(), https_only).await, "url_blocked", None);
    assert_eq!(server.connections(), 0);
}
