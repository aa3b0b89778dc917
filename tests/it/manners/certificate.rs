//! Mutual TLS: a webhook's client certificate, for receivers that ask who calls.

use serde_json::{Value, json};
use tests::kit::{Authority, CONTACTS, TcpServer, TestApp, WEBHOOKS, read_webhook};
use tokio::io::AsyncWriteExt as _;
use worker::client::{Lookup, Roots};

#[tokio::test]
async fn a_receiver_that_asks_for_a_certificate_gets_the_webhooks_own_and_nobody_elses() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (servers, clients) = (Authority::new(), Authority::new());
    let acceptor = servers.acceptor("hooks.example.com", |_| (), Some(&clients));
    let server = TcpServer::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await?;
            loop {
                read_webhook(&mut stream).await?;
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;
            }
        }
    })
    .await;
    let address = server.address();
    let url = format!("https://hooks.example.com:{}/hook", address.port());
    let (certificate, key) = clients.issue("liaison", |_| ());
    let identity = json!({"certificate": certificate, "privateKey": key});
    let body = json!({"url": url, "events": ["*"], "clientCertificate": identity});
    let with = acme.post(WEBHOOKS, body).await.created();
    let shown = &with["clientCertificate"];
    assert!(shown["subject"].as_str().unwrap().contains("CN=liaison"), "{shown}");
    assert_eq!(
        (shown["fingerprint"].as_str().unwrap().len(), shown.as_object().unwrap().len()),
        (64, 3)
    );
    let without = acme.webhook(&url, &["*"]).await;

    let mut worker = app.worker_with(|config| {
        config.way.lookup = Lookup::new(move |_| std::future::ready(Ok(vec![address])));
        config.way.roots = Roots(vec![servers.certificate()]);
    });
    for name in ["Ada", "Bob"] {
        acme.post(CONTACTS, json!({"name": name})).await.created();
        worker.drain().await.unwrap();
    }
    let deliveries = |webhook: &Value| {
        let (acme, id) = (acme.clone(), webhook["id"].as_str().unwrap().to_owned());
        async move { acme.deliveries(&id).await }
    };
    let good = deliveries(&with).await;
    assert!(good.len() == 2 && good.iter().all(|one| one["status"] == "delivered"), "{good:#?}");
    // A kept connection that shows the certificate is not for a webhook without one.
    let bad = deliveries(&without).await;
    let refused = |one: &Value| one["lastError"] == "client_certificate_refused";
    assert!(bad.len() == 2 && bad.iter().all(refused), "{bad:#?}");

    let path = format!("{WEBHOOKS}/{}", with["id"].as_str().unwrap());
    let answer = acme.get(&path).await.ok();
    assert_eq!(acme.put(&path, answer.clone()).await.ok(), answer, "an answer can be sent back");
    let cleared = acme.put(&path, json!({"clientCertificate": null})).await.ok();
    assert_eq!(cleared["clientCertificate"], Value::Null);
}

#[tokio::test]
async fn a_certificate_without_its_key_or_with_anothers_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let authority = Authority::new();
    let ((certificate, key), (_, other)) =
        (authority.issue("a", |_| ()), authority.issue("b", |_| ()));
    let nothing = json!({"url": "x", "events": ["*"], "clientCertificate": {}});
    let told = acme.post(WEBHOOKS, nothing).await.problem(400, "VALIDATION_ERROR");
    let told: Vec<&String> = told["details"].as_object().unwrap().keys().collect();
    let parts = ["clientCertificate.certificate", "clientCertificate.privateKey", "url"];
    assert_eq!(told, parts, "all at once");
    for (identity, field, fault) in [
        (json!({"certificate": certificate}), "privateKey", "Is required"),
        (json!({"privateKey": key}), "certificate", "Is required"),
        (
            json!({"certificate": certificate, "privateKey": other}),
            "privateKey",
            "Is not the key of the certificate",
        ),
        (
            json!({"certificate": "x", "privateKey": key}),
            "certificate",
            "Must be one or more certificates as PEM, the client's own first",
        ),
    ] {
        let body =
            json!({"url": "https://example.com/", "events": ["*"], "clientCertificate": identity});
        let place = format!("clientCertificate.{field}");
        acme.post(WEBHOOKS, body).await.invalid(&json!({place: fault}));
    }
}
