//! Erasing while others write, relay, send and import.

use std::sync::Arc;

use reqwest::Method;
use serde_json::json;
use tests::kit::{ACTIVITIES, Answer, CONTACTS, Reply, TestApp};
use tokio::sync::Notify;

use super::scan::hits;
use super::{ask, at, begun, erase, finished, path};
use crate::event_log::relay_late;

const MARK: &str = "Qzvmark";

#[tokio::test(flavor = "multi_thread")]
async fn writers_relays_and_senders_beside_it_leave_nothing() {
    let app = Arc::new(TestApp::start().await);
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*", "activity.*"]).await;
    subscriber.receiver.script((0..4000).map(|_| Reply::status(200).body(MARK)));
    let over = Arc::new(Notify::new());
    let sending = tokio::spawn({
        let (app, over) = (Arc::clone(&app), Arc::clone(&over));
        async move {
            let (mut worker, over) = (app.worker(), over.notified());
            tokio::pin!(over);
            loop {
                tokio::select! {
                    biased;
                    () = &mut over => return,
                    drained = worker.drain() => { drained.unwrap(); }
                }
                tokio::task::yield_now().await;
            }
        }
    });
    let worker = app.worker();
    for round in 0..12 {
        let contact = acme.post(CONTACTS, json!({"name": MARK})).await.created();
        let writes = (0..6).map(|write| {
            let (acme, contact) = (acme.clone(), contact.clone());
            tokio::spawn(async move {
                let note = json!({"type": "note", "subject": MARK, "contactId": contact["id"]});
                let name = json!({"name": format!("{MARK} {write}")});
                let put = acme.put(&at(&contact), name).await.status.as_u16();
                let noted = acme.post(ACTIVITIES, note).await.status.as_u16();
                assert!([200, 404].contains(&put) && [201, 400].contains(&noted), "{put} {noted}");
            })
        });
        let writes: Vec<_> = writes.collect();
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        let erasure = begun(&ask(&acme, &contact).await);
        finished(&app, &worker, &acme, &erasure).await;
        for write in writes {
            write.await.unwrap();
        }
    }
    over.notify_one();
    sending.await.unwrap();
    // What was under way is sent to its end by another.
    app.advance(chrono::TimeDelta::minutes(5));
    app.worker().drain().await.unwrap();
    assert_eq!(hits(app.database.admin(), &[MARK]).await, Vec::<String>::new());
}

#[tokio::test]
async fn what_a_receiver_says_to_a_request_that_was_under_way_is_not_kept() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["contact.created"]).await;
    let echo = || Reply::status(500).header("x-echo", MARK).body(MARK);
    subscriber.receiver.script([echo(), echo()]);
    let contact = acme.post(CONTACTS, json!({"name": MARK})).await.created();
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    let claimed = worker.claim().await.unwrap();
    assert_eq!(claimed.len(), 1);
    erase(&app, &worker, &acme, &contact).await;
    worker.deliver(claimed).await.unwrap();
    assert_eq!(subscriber.receiver.only_call().json()["data"]["name"], MARK, "it was under way");
    let failed = subscriber.only_delivery().await;
    assert_eq!((&failed["status"], &failed["attempts"]), (&json!("pending"), &json!(1)));
    let attempt = &failed["attemptLog"][0];
    assert_eq!((&attempt["statusCode"], &attempt["excerpt"]), (&json!(500), &json!(null)));
    assert_eq!(hits(app.database.admin(), &[MARK]).await, Vec::<String>::new());

    app.advance(chrono::TimeDelta::minutes(2));
    worker.drain().await.unwrap();
    let retry = &subscriber.receiver.calls()[1];
    assert_eq!(
        (&retry.json()["data"]["name"], &retry.json()["data"]["erased"]),
        (&json!(""), &json!(true))
    );
    assert_eq!(hits(app.database.admin(), &[MARK]).await, Vec::<String>::new());
}

#[tokio::test]
async fn it_waits_for_a_relay_that_holds_events() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let contact = acme.post(CONTACTS, json!({"name": MARK})).await.created();
    let relaying = format!("select pg_advisory_xact_lock({})", worker::relay::RELAYING);
    let hold = app.database.hold(&relaying).await;
    let erasure = begun(&ask(&acme, &contact).await);
    let worker = app.worker();
    let erasing = tokio::spawn(async move {
        worker.erase().await.unwrap();
        worker
    });
    app.database.waiting(1).await;
    let payload: String =
        sqlx::query_scalar("select payload::text from outbox order by id limit 1")
            .fetch_one(app.database.admin())
            .await
            .unwrap();
    assert!(payload.contains(MARK), "the relay may have it still");
    hold.release().await;
    let worker = erasing.await.unwrap();
    worker.relay().await.unwrap();
    assert_eq!(acme.get(&path(&erasure)).await.ok()["status"], "completed");
    assert_eq!(hits(app.database.admin(), &[MARK]).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_relay_that_began_before_it_neither_changes_the_order_nor_brings_anything_back() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["contact.*", "contact.erased"]).await;
    let contact = acme.post(CONTACTS, json!({"name": MARK})).await.created();
    let lock = format!("select pg_advisory_xact_lock({})", worker::relay::RELAYING);
    let hold = app.database.hold(&lock).await;
    ask(&acme, &contact).await;
    let mut worker = app.worker();
    let erasing = tokio::spawn(async move {
        worker.erase().await.unwrap();
        worker
    });
    app.database.waiting(1).await;
    let relaying = relay_late(&app);
    app.database.waiting(2).await;
    hold.release().await;
    relaying.await.unwrap();
    worker = erasing.await.unwrap();
    assert_eq!(app.outbox().await.len(), 3, "nothing was taken with what was read before");

    worker.drain().await.unwrap();
    assert_eq!(subscriber.receiver.calls().len(), 3);
    let told: Vec<String> = sqlx::query_scalar("select event from events order by sequence")
        .fetch_all(app.database.admin())
        .await
        .unwrap();
    assert_eq!(told, ["contact.created", "contact.deleted", "contact.erased"]);
    assert_eq!(hits(app.database.admin(), &[MARK]).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_delivery_that_somebody_is_writing_is_waited_for_without_standing_in_its_way() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let _subscriber = acme.subscribe(&["*"]).await;
    let contact = acme.post(CONTACTS, json!({"name": MARK})).await.created();
    let worker = app.worker();
    worker.relay().await.unwrap();
    let hold = app.database.hold("select from webhook_events for no key update").await;
    let erasure = begun(&ask(&acme, &contact).await);
    for _ in 0..3 {
        worker.erase().await.unwrap();
        app.advance(chrono::TimeDelta::seconds(1));
    }
    let waiting = acme.get(&path(&erasure)).await.ok();
    let counts = [&waiting["status"], &waiting["events"], &waiting["deliveries"]];
    assert_eq!(counts, [&json!("running"), &json!(1), &json!(0)]);
    hold.release().await;
    let done = finished(&app, &worker, &acme, &erasure).await;
    // Each once, however often it came back for the delivery.
    let counts = ["events", "deliveries", "auditEntries"].map(|name| &done[name]);
    assert_eq!(counts, [1, 1, 1].map(|n| json!(n)).each_ref());
}

#[tokio::test]
async fn it_waits_for_imports_that_were_begun_before_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let email = format!("{MARK}@example.com");
    let new = json!({"name": MARK, "email": email});
    let contact = acme.post(CONTACTS, new).await.created();
    let rows = format!("email,name\n{email},\n{email},{MARK}\nbob@example.com,Bob\n");
    let request = acme
        .request(Method::POST, &format!("{CONTACTS}/import?async=true&mode=skip&matchBy=email"));
    let import = Answer::to(request.header("content-type", "text/csv").body(rows)).await;
    assert_eq!(import.status, 202, "{:#}", import.body);
    let worker = app.worker();
    // Before the erasure, so that its rows match.
    let erasure = begun(&ask(&acme, &contact).await);
    worker.erase().await.unwrap();
    app.advance(chrono::TimeDelta::seconds(10));
    worker.erase().await.unwrap();
    assert_eq!(acme.get(&path(&erasure)).await.ok()["status"], "running");
    worker.import().await.unwrap();
    let done = finished(&app, &worker, &acme, &erasure).await;
    assert!(done["importRows"].as_i64().unwrap() > 0, "{done:#}");
    let failed: i64 =
        sqlx::query_scalar("select count(*) from import_rows where input is not null")
            .fetch_one(app.database.admin())
            .await
            .unwrap();
    assert_eq!(failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_is_just_being_made_is_waited_for() {
    let app = TestApp::start().await;
    app.database.without_timeouts().await;
    let acme = app.tenant("acme").await;
    let contact =
        acme.post(CONTACTS, json!({"name": MARK, "email": "ada@example.com"})).await.created();
    let worker = app.worker();
    worker.relay().await.unwrap();
    // A row that fails says whom it is about, and holds no contact.
    let rows = json!({"contacts": [{"name": "", "email": "ada@example.com", "company": MARK}]});
    let hold = app.database.hold("lock table import_rows in exclusive mode").await;
    let (importing, path) = (acme.clone(), format!("{CONTACTS}/import"));
    let importing = tokio::spawn(async move { importing.post(&path, rows).await });
    app.database.waiting(1).await;
    let erasure = begun(&ask(&acme, &contact).await);
    for _ in 0..5 {
        worker.erase().await.unwrap();
        app.advance(chrono::TimeDelta::seconds(1));
    }
    hold.release().await;
    assert_eq!(importing.await.unwrap().ok()["failed"], 1);
    finished(&app, &worker, &acme, &erasure).await;
    assert_eq!(hits(app.database.admin(), &[MARK]).await, Vec::<String>::new());
}
