//! An attempt in full: where its time went, over what, what was sent and what came back.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{Authority, CONTACTS, Reply, TcpServer, TestApp, WEBHOOKS, read_webhook};
use tokio::io::AsyncWriteExt as _;
use worker::client::{Lookup, Roots};

use super::last_attempt;
use crate::replays::Past;

#[tokio::test]
async fn a_first_attempt_over_tls_tells_each_phase_and_the_session() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let authority = Authority::new();
    let acceptor = authority.acceptor("hooks.example.com", |_| (), None);
    let server = TcpServer::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await?;
            read_webhook(&mut stream).await?;
            let answer = b"HTTP/1.1 200 OK\r\nx-request-id: r1\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(answer).await
        }
    })
    .await;
    let address = server.address();
    let url = format!("https://hooks.example.com:{}/hook", address.port());
    let webhook = acme.webhook(&url, &["*"]).await;
    let webhook = webhook["id"].as_str().unwrap();
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker_with(|config| {
        config.way.lookup = Lookup::new(move |_| std::future::ready(Ok(vec![address])));
        config.way.roots = Roots(vec![authority.certificate()]);
    });
    worker.drain().await.unwrap();

    let (status, attempt) = last_attempt(&acme, webhook).await;
    assert_eq!(
        (&*status, &attempt["phase"], &attempt["warning"]),
        ("delivered", &Value::Null, &Value::Null)
    );
    assert_eq!(
        attempt["connection"],
        json!({"address": address.to_string(), "reused": false, "proxied": false, "made": true, "httpVersion": "HTTP/1.1",
            "tlsVersion": "TLSv1.3", "tlsCipher": attempt["connection"]["tlsCipher"]})
    );
    assert!(attempt["connection"]["tlsCipher"].as_str().unwrap().starts_with("TLS13_"));
    let phases = ["dns", "connect", "tls", "request", "firstByte", "body"];
    let times = phases.map(|phase| attempt["timings"][phase].as_f64().expect(phase));
    let sum: f64 = times.iter().sum();
    let latency = attempt["latencyMs"].as_f64().unwrap();
    assert!(sum > 0.0 && sum <= latency + 1.0, "{times:?} of {latency}");
    assert!(times[2] > 0.0, "a handshake takes time: {times:?}");
    assert_eq!(attempt["responseHeaders"]["x-request-id"], "r1");
    let sent = &attempt["requestHeaders"];
    assert_eq!(
        (&sent["webhook-signature"], &sent["x-webhook-signature"]),
        (&json!("v1,… v1a,…"), &json!("sha256=…"))
    );
    assert_eq!(
        (&sent["x-webhook-attempt"], &sent["user-agent"]),
        (&json!("1"), &json!("Liaison-Webhooks/1"))
    );
    assert_eq!(attempt["next"], json!({"at": null, "why": "delivered"}));
}

#[tokio::test]
async fn a_second_attempt_reuses_the_connection_and_tells_when_the_third_is_and_why() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber
        .receiver
        .script([Reply::status(500), Reply::status(503).header("retry-after", "300")]);
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.drain().await.unwrap();
    let id = subscriber.id.to_string();
    let (_, first) = last_attempt(&acme, &id).await;
    assert_eq!(first["next"], json!({"at": "2026-01-02T03:06:05.678Z", "why": "schedule"}));
    app.advance(TimeDelta::minutes(2));
    worker.drain().await.unwrap();

    let (_, second) = last_attempt(&acme, &id).await;
    assert_eq!(second["attempt"], 2);
    assert_eq!(second["connection"]["reused"], true);
    assert_eq!(
        (&second["timings"]["connect"], &second["timings"]["dns"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(second["next"], json!({"at": "2026-01-02T03:11:05.678Z", "why": "retry_after"}));
    assert_eq!(second["responseHeaders"]["retry-after"], "300");
}

#[tokio::test]
async fn one_event_can_be_asked_for_and_what_does_not_exist_is_named() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().drain().await.unwrap();
    let delivery = subscriber.only_delivery().await;
    let path = format!("{}/events/{}", subscriber.path(), delivery["id"].as_str().unwrap());
    assert_eq!(acme.get(&path).await.ok(), delivery);
    acme.get(&format!("{path}/attempts/none")).await.not_found("Attempt not found");
    let other = acme.webhook("https://example.com/", &["*"]).await;
    let elsewhere = path.replace(&subscriber.id.to_string(), other["id"].as_str().unwrap());
    acme.get(&elsewhere).await.not_found("Webhook event not found");
    acme.get(&format!("{WEBHOOKS}/none/events/none")).await.not_found("Webhook not found");
}

#[tokio::test]
async fn a_delivery_shows_its_newest_hundred_attempts_and_every_one_by_its_id() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().drain().await.unwrap();
    let newest = subscriber.only_delivery().await["attemptLog"][0].clone();
    let older = "insert into webhook_attempts (tenant_id, delivery_id, id, cycle, attempt, trigger, started_at, latency_ms)
                 select tenant_id, delivery_id, ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, 1, 1, trigger,
                        started_at - interval '1 day' + n * interval '1 second', 1
                 from webhook_attempts, generate_series(1, 120) n";
    app.database.execute(older).await;
    let id = subscriber.only_delivery().await["id"].clone();
    let path = format!("{}/events/{}", subscriber.path(), id.as_str().unwrap());
    let delivery = acme.get(&path).await.ok();
    let log = delivery["attemptLog"].as_array().unwrap();
    assert_eq!((log.len(), &log[99]), (100, &newest));
    assert_eq!(log[0]["id"], "00000000-0000-7000-8000-000000000022");
    let oldest = format!("{path}/attempts/00000000-0000-7000-8000-000000000001");
    assert_eq!(acme.get(&oldest).await.ok()["latencyMs"], 1);
}

#[tokio::test]
async fn a_page_of_deliveries_shows_the_newest_ten_attempts_of_each() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let from = app.clock.now() - TimeDelta::hours(1);
    let past = Past {
        webhook: subscriber.id,
        status: "failed",
        event: "contact.created",
        from,
        count: 100,
    };
    past.plant(app.database.admin()).await;
    let attempts = "insert into webhook_attempts (tenant_id, delivery_id, id, cycle, attempt, trigger, started_at, latency_ms, excerpt)
                    select tenant_id, id, ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, n, 1, 'replay',
                           created_at + n * interval '1 second', 1, repeat('x', 1024)
                    from webhook_events, generate_series(1, 100) n";
    app.database.execute(attempts).await;
    let page = acme.get(&format!("{}/events?pageSize=100", subscriber.path())).await.page();
    assert_eq!(page.items.len(), 100);
    assert!(json!(page.items).to_string().len() < 2 * 1024 * 1024);
    let newest: Vec<Value> = (91..=100).map(|cycle| json!(cycle)).collect();
    for delivery in &page.items {
        let log = delivery["attemptLog"].as_array().unwrap();
        assert_eq!(log.iter().map(|attempt| attempt["cycle"].clone()).collect::<Vec<_>>(), newest);
    }
}
