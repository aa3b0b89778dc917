//! A receiver that says how much it takes is believed. Its clock and ours are the same, moved by hand.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{CONTACTS, Reply, TcpServer, TestApp, read_webhook};
use tokio::io::AsyncWriteExt as _;

/// What a receiver took and refused within each second of its clock.
#[derive(Default)]
struct Ledger {
    second: i64,
    within: u32,
    taken: u32,
    refused: u32,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_takes_fifty_a_second_gets_nine_tenths_and_refuses_less_than_one_in_a_hundred()
 {
    const CEILING: u32 = 50;
    const TICK: i64 = 40;
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ledger = Arc::<Mutex<Ledger>>::default();
    let (clock, book) = (app.clock.clone(), Arc::clone(&ledger));
    let server = TcpServer::start(move |mut stream| {
        let (clock, book) = (clock.clone(), Arc::clone(&book));
        async move {
            loop {
                read_webhook(&mut stream).await?;
                let taken = {
                    let (now, mut book) = (clock.now().timestamp(), book.lock().unwrap());
                    if book.second != now {
                        (book.second, book.within) = (now, 0);
                    }
                    book.within += 1;
                    let taken = book.within <= CEILING;
                    *(if taken { &mut book.taken } else { &mut book.refused }) += 1;
                    taken
                };
                let answer: &[u8] = if taken {
                    b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
                } else {
                    b"HTTP/1.1 429 Slow\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
                };
                stream.write_all(answer).await?;
            }
        }
    })
    .await;
    acme.webhook(&server.url(), &["*"]).await;
    app.announce(&acme, "contact.created", 5000).await;
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    let mut run = async |seconds: i64| {
        for _ in 0..seconds * 1000 / TICK {
            let claimed = worker.claim().await.unwrap();
            worker.deliver(claimed).await.unwrap();
            app.advance(TimeDelta::milliseconds(TICK));
        }
        std::mem::take(&mut *ledger.lock().unwrap())
    };
    run(30).await;
    let converged = run(60).await;
    let (taken, refused) = (converged.taken, converged.refused);
    assert!(taken >= 60 * CEILING * 9 / 10, "{taken} taken, {refused} refused");
    assert!(refused * 100 < taken, "{taken} taken, {refused} refused");
    assert!(server.connections() <= 64, "connections are kept: {}", server.connections());
}

#[tokio::test]
async fn a_429_holds_the_other_deliveries_until_retry_after_and_costs_them_no_attempt() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.script([Reply::status(429).header("retry-after", "30")]);
    let mut worker = app.worker();
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    worker.drain().await.unwrap();
    acme.post(CONTACTS, json!({"name": "Bob"})).await.created();
    assert_eq!(worker.drain().await.unwrap(), 0);
    app.advance(TimeDelta::seconds(30) - TimeDelta::milliseconds(1));
    assert_eq!(worker.drain().await.unwrap(), 0);
    app.advance(TimeDelta::milliseconds(1));
    assert_eq!(worker.drain().await.unwrap(), 1);

    let deliveries = subscriber.deliveries().await;
    let of = |name| deliveries.iter().find(|one| one["payload"]["name"] == name).unwrap();
    let (ada, bob) = (of("Ada"), of("Bob"));
    assert_eq!((&bob["status"], &bob["attempts"]), (&json!("delivered"), &json!(1)));
    // The refused one keeps its schedule.
    assert_eq!(ada["nextRetry"], "2026-01-02T03:06:05.678Z");
}

#[tokio::test]
async fn what_a_receiver_asks_of_one_worker_all_workers_keep() {
    for (status, asked, kept) in [(429, "30", 30), (503, "86400", 300)] {
        let app = TestApp::start().await;
        let acme = app.tenant("acme").await;
        let (subscriber, neighbour) = (acme.subscribe(&["*"]).await, acme.subscribe(&["*"]).await);
        subscriber.receiver.script([Reply::status(status).header("retry-after", asked)]);
        let (mut one, mut other) = (app.worker(), app.worker());
        app.announce(&acme, "contact.created", 1).await;
        assert_eq!(one.drain().await.unwrap(), 2);
        app.announce(&acme, "contact.created", 5).await;
        assert_eq!(other.drain().await.unwrap(), 5, "{status}: its neighbour waits for nothing");
        app.advance(TimeDelta::seconds(kept) - TimeDelta::milliseconds(1));
        assert_eq!(other.drain().await.unwrap() + one.drain().await.unwrap(), 0, "{status}");
        assert_eq!(subscriber.receiver.calls().len(), 1, "{status}");

        app.advance(TimeDelta::milliseconds(1));
        let mut sent = 0;
        for second in 0..30 {
            // Its pace may let only a few begin at once; the refused one is due later.
            sent += one.drain().await.unwrap() + other.drain().await.unwrap();
            assert!(sent > 0, "{status}: {second}");
            app.advance(TimeDelta::seconds(1));
        }
        assert_eq!((sent, neighbour.receiver.calls().len()), (5, 6), "{status}");
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_gets_half_as_many_requests_each_time() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let tarpit = TcpServer::silent().await;
    acme.webhook(&tarpit.url(), &["*"]).await;
    app.announce(&acme, "contact.created", 200).await;
    let mut worker = app.worker_with(|config| {
        config.limits.total = Duration::from_millis(500);
        config.limits.connect = Duration::from_millis(500);
    });
    worker.relay().await.unwrap();
    for expected in [32, 16, 8, 4, 2, 1, 1] {
        let claimed = worker.claim().await.unwrap();
        assert_eq!(claimed.len(), expected);
        app.advance(TimeDelta::milliseconds(1));
        worker.deliver(claimed).await.unwrap();
    }
}
