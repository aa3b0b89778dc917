//! Connections: those that ask for nothing, and those of HTTP/2.

use std::io::ErrorKind;

use futures_util::future::join_all;
use tests::kit::{Database, PATIENCE, Program};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn saying(port: u16, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    stream
}

/// Reads up to the end of an answer's head.
async fn answered(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = timeout(PATIENCE, stream.read_u8()).await;
        head.push(byte.expect("no answer").unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_is_closed_while_one_that_has_asked_waits_for_more() {
    let database = Database::migrated().await;
    let api = Program::api(&database.app_url(), &[]).await;
    let head = |path: &str| format!("HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n");
    for port in api.ports() {
        let mut busy = saying(port, &head("/one")).await;
        answered(&mut busy).await;
        // Nothing; what may become HTTP/1 or HTTP/2; a head that does not end.
        join_all(["", "P", "PRI * HTTP/2.0\r\n", &head("/two")[..20]].map(async |silence| {
            let mut silent = saying(port, silence).await;
            let ended = timeout(PATIENCE, silent.read_to_end(&mut Vec::new())).await;
            if let Err(error) = ended.expect(silence) {
                assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{silence:?}");
            }
        }))
        .await;
        busy.write_all(head("/two").as_bytes()).await.unwrap();
        assert!(answered(&mut busy).await.starts_with("HTTP/1.1 404"));
    }
}

#[tokio::test]
async fn who_begins_with_http_2_is_answered_in_it() {
    let database = Database::migrated().await;
    let api = Program::api(&database.app_url(), &[]).await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build().unwrap();
    let answer = client.get(format!("{}/nowhere", api.url())).send().await.unwrap();
    assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 404));
}
