//! The operator's proxy: the guard holds in front of it, and its faults are not the receiver's.

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use shared::settings::Value as _;
use tests::kit::{CONTACTS, Deaf, Nobody, Receiver, TcpServer, TestApp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use worker::client::{Lookup, Proxy};

use crate::attempts::last_attempt;

/// A proxy that answers this; with a 2xx it makes the tunnel. What it was asked is kept.
async fn proxy(answer: &'static str) -> (TcpServer, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::<Mutex<Vec<String>>>::default();
    let heads = Arc::clone(&asked);
    let server = TcpServer::start(move |mut stream| {
        let heads = Arc::clone(&heads);
        async move {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                head.push(stream.read_u8().await?.into());
            }
            let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
            heads.lock().unwrap().push(head);
            stream.write_all(answer.as_bytes()).await?;
            if answer.starts_with("HTTP/1.1 2") {
                let mut receiver = TcpStream::connect(target).await?;
                tokio::io::copy_bidirectional(&mut stream, &mut receiver).await?;
            }
            io::Result::Ok(())
        }
    })
    .await;
    (server, asked)
}

/// Sends one change to `url` through the proxy of these credentials; the delivery's status and its attempt.
async fn through(proxy: &str, url: &str) -> (String, Value) {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let webhook = acme.webhook("http://127.0.0.1:9/", &["*"]).await;
    sqlx::query("update webhooks set url = $1")
        .bind(url)
        .execute(app.database.admin())
        .await
        .unwrap();
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let proxy = Proxy::parse(proxy).unwrap();
    let mut worker = app.worker_with(|config| {
        config.way.proxy = Some(proxy);
        config.way.lookup = Lookup::new(|host| {
            let ip = if host.starts_with("inside") { [10, 0, 0, 1] } else { [127, 0, 0, 1] };
            std::future::ready(Ok(vec![(ip, 0).into()]))
        });
    });
    worker.drain().await.unwrap();
    last_attempt(&acme, webhook["id"].as_str().unwrap()).await
}

#[tokio::test]
async fn a_request_goes_through_a_tunnel_to_the_address_that_was_checked() {
    let (proxy, asked) = proxy("HTTP/1.1 200 Connection established\r\n\r\n").await;
    let receiver = Receiver::start().await;
    let port = receiver.url().rsplit(':').next().unwrap().replace("/hook", "");
    let url = format!("http://hooks.example.com:{port}/hook");
    let address = format!("http://ada:s3cret@{}", proxy.address());
    let (status, attempt) = through(&address, &url).await;
    assert_eq!(status, "delivered", "{attempt:#}");
    assert_eq!(attempt["connection"]["proxied"], true);
    assert_eq!(attempt["connection"]["address"], format!("127.0.0.1:{port}"));
    assert!(!attempt.to_string().contains("s3cret"));
    let asked = asked.lock().unwrap();
    assert!(asked[0].starts_with(&format!("CONNECT 127.0.0.1:{port} HTTP/1.1\r\n")), "{asked:?}");
    assert!(asked[0].contains("proxy-authorization: Basic YWRhOnMzY3JldA=="), "{asked:?}");
    assert_eq!(receiver.only_call().header("proxy-authorization"), "");
}

#[tokio::test]
async fn the_guard_holds_before_the_proxy_hears_of_anything() {
    let (proxy, asked) = proxy("HTTP/1.1 200 OK\r\n\r\n").await;
    let address = format!("http://{}", proxy.address());
    for (url, code) in [
        ("http://inside.example.com/", "address_blocked"),
        ("http://169.254.169.254/latest", "url_blocked"),
    ] {
        let (_, attempt) = through(&address, url).await;
        assert_eq!(attempt["errorCode"], code);
    }
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_receiver_that_the_proxy_does_not_reach_is_one_that_is_down() {
    for (answer, code) in [
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "connect_failed"),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "connect_failed"),
        ("HTTP/1.1 504 Gateway Timeout\r\n\r\n", "connect_timeout"),
    ] {
        let (proxy, _) = proxy(answer).await;
        let address = format!("http://{}", proxy.address());
        let (status, attempt) = through(&address, "http://hooks.example.com/").await;
        assert_eq!((&*status, &attempt["errorCode"]), ("pending", &json!(code)));
    }
}

#[tokio::test]
async fn a_fault_of_the_proxy_is_called_one() {
    let (refusing, _) = proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let (broken, _) = proxy("HTTP/1.1 500 Internal Server Error\r\n\r\n").await;
    let (garbage, _) = proxy("SSH-2.0-OpenSSH_9.2\r\n\r\n").await;
    let (nobody, deaf) = (Nobody::here(), Deaf::here().await);
    for (address, error) in [
        (refusing.address(), "it answered 407"),
        (broken.address(), "it answered 500"),
        (garbage.address(), "it does not speak HTTP"),
        (nobody.address(), "it cannot be reached"),
        (deaf.address(), "it cannot be reached"),
    ] {
        let (status, attempt) =
            through(&format!("http://{address}"), "http://hooks.example.com/").await;
        assert_eq!((&*status, &attempt["errorCode"]), ("pending", &json!("proxy_failed")));
        assert_eq!(attempt["phase"], "connect");
        assert_eq!(attempt["error"], format!("The proxy on our side failed: {error}"));
    }
}
