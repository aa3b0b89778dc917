//! Requests that a receiver says it has not looked at, which are sent again within their attempt.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::json;
use tests::kit::{Authority, CONTACTS, Program, TcpServer, TestApp, sample};
use tests::servers::Folder;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::last_attempt;

/// Frames of HTTP/2: empty settings, the first stream refused (`REFUSED_STREAM`), and 200 without a body on it.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];
const REFUSED: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];
const TAKEN: &[u8] = &[0, 0, 1, 1, 5, 0, 0, 0, 1, 0x88];

/// A receiver over HTTP/2 that refuses the first request of each of its first `refusals` connections, and takes that of
/// the others.
async fn refusing(authority: &Authority, refusals: usize) -> TcpServer {
    let acceptor = authority.acceptor("127.0.0.1", |_| (), None);
    let mut config = (**acceptor.config()).clone();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (acceptor, made) = (TlsAcceptor::from(Arc::new(config)), AtomicUsize::new(0));
    TcpServer::start(move |stream| {
        let (acceptor, number) = (acceptor.clone(), made.fetch_add(1, Ordering::SeqCst));
        async move {
            let mut stream = acceptor.accept(stream).await?;
            stream.write_all(SETTINGS).await?;
            let mut seen = Vec::new();
            while !String::from_utf8_lossy(&seen).contains("contact.created") {
                stream.read_buf(&mut seen).await?;
            }
            stream.write_all(if number < refusals { REFUSED } else { TAKEN }).await?;
            while stream.read_buf(&mut seen).await? > 0 {}
            Ok(())
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_receiver_has_not_looked_at_is_one_attempt_that_tells_how_often_it_was_sent_again() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let authority = Authority::new();
    let server = refusing(&authority, 2).await;
    let url = format!("https://{}/hook", server.address());
    let webhook = acme.webhook(&url, &["contact.created"]).await;
    let folder = Folder::claim("authority", None).unwrap();
    let trusted = folder.path().join("ca.pem");
    let base64 = BASE64_STANDARD.encode(authority.certificate());
    let pem = format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
    std::fs::write(&trusted, pem).unwrap();
    let variables = [("WEBHOOK_CA_FILE", trusted.to_str().unwrap())];
    let worker = Program::worker(&app.database.worker_url(), &variables).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.wait_until("delivered", 1).await;

    let (status, attempt) = last_attempt(&acme, webhook["id"].as_str().unwrap()).await;
    assert_eq!((&*status, &attempt["attempt"]), ("delivered", &json!(1)));
    assert_eq!((&attempt["sentAgain"], server.connections()), (&json!(2), 3));
    let (_, metrics) = worker.admin("/metrics").await;
    assert_eq!(sample(&metrics, "webhook_sent_again_total"), Some(2.0), "{metrics}");
}
