//! Numbers without a gap, however many write, relay and read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tests::kit::{CONTACTS, Call, Tenant, TestApp};

use super::{follow, numbers, page, relay_late};

/// Writers beside each other.
const WRITERS: usize = 8;
/// Contacts that each of them makes and changes.
const CONTACTS_EACH: usize = 12;

async fn write(acme: Tenant) {
    for n in 0..CONTACTS_EACH {
        let contact = acme.post(CONTACTS, json!({"name": format!("Ada {n}")})).await.created();
        let path = format!("{CONTACTS}/{}", contact["id"].as_str().unwrap());
        acme.put(&path, json!({"company": "ACME"})).await.ok();
        acme.delete(&path).await.no_content();
    }
}

/// Reads on until the end is known, and expects each page to begin where the one before ended.
async fn read_all(acme: Tenant, written: Arc<AtomicBool>) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let last = written.load(Ordering::SeqCst);
        let (events, next) = page(&acme, &format!("after={after}&limit=7")).await;
        let expected: Vec<i64> = (after + 1..=next).collect();
        assert_eq!(numbers(&events), expected, "a number was passed over");
        all.extend(events);
        if last && after == next {
            return all;
        }
        after = next;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_eight_writers_and_three_relays_a_reader_sees_every_number_once_and_records_in_order()
{
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let (written, relayed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let reader = tokio::spawn(read_all(acme.clone(), relayed.clone()));
    let workers = [(); 3].map(|()| {
        let (mut worker, written) = (app.worker(), written.clone());
        tokio::spawn(async move {
            loop {
                let last = written.load(Ordering::SeqCst);
                if worker.drain().await.unwrap() == 0 && last {
                    return;
                }
            }
        })
    });
    let writers: Vec<_> = (0..WRITERS).map(|_| tokio::spawn(write(acme.clone()))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
    written.store(true, Ordering::SeqCst);
    for worker in workers {
        worker.await.unwrap();
    }
    app.worker().drain().await.unwrap();
    relayed.store(true, Ordering::SeqCst);
    let events = reader.await.unwrap();

    let count = WRITERS * CONTACTS_EACH * 3;
    assert_eq!(numbers(&events), (1..=i64::try_from(count).unwrap()).collect::<Vec<_>>());
    let mut versions: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for event in &events {
        let record = event["data"]["id"].as_str().unwrap();
        versions.entry(record).or_default().push(event["data"]["version"].as_i64().unwrap());
    }
    assert_eq!(versions.len(), WRITERS * CONTACTS_EACH);
    assert!(versions.values().all(|seen| seen.is_sorted() && seen.len() == 3), "{versions:?}");
    let told: BTreeMap<i64, Value> = subscriber
        .receiver
        .calls()
        .iter()
        .map(Call::json)
        .map(|body| (body["sequence"].as_i64().unwrap(), body["occurrenceId"].clone()))
        .collect();
    let logged: BTreeMap<i64, Value> = events
        .iter()
        .map(|event| (event["sequence"].as_i64().unwrap(), event["id"].clone()))
        .collect();
    assert_eq!(told, logged, "webhooks and the log tell the same");
}

#[tokio::test]
async fn who_was_away_catches_up_to_the_same_events_as_who_was_there() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let worker = app.worker();
    let (mut there, mut after) = (Vec::new(), 0);
    for round in 0..4 {
        app.announce(&acme, "contact.created", 150 * round).await;
        worker.relay().await.unwrap();
        let behind = follow(&acme, after, 100).await;
        after += i64::try_from(behind.len()).unwrap();
        there.extend(behind);
    }
    assert_eq!(there.len(), 900);
    assert_eq!(follow(&acme, 0, 500).await, there);
    assert_eq!(follow(&acme, 0, 13).await, there);
}

#[tokio::test]
async fn an_event_that_is_announced_twice_is_one_row_with_one_number() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let again = "insert into outbox (tenant_id, event_id, event, payload, occurred_at)
                 select tenant_id, event_id, event, payload, occurred_at from outbox";
    app.announce(&acme, "contact.created", 3).await;
    app.database.execute(again).await;
    app.database.execute("create table kept as select * from outbox").await;
    let relay = app.worker();
    relay.relay().await.unwrap();
    app.database
        .execute(
            "insert into outbox (tenant_id, event_id, event, payload, occurred_at)
             select tenant_id, event_id, event, payload, occurred_at from kept",
        )
        .await;
    app.announce(&acme, "contact.created", 1).await;
    relay.relay().await.unwrap();
    assert_eq!(numbers(&follow(&acme, 0, 100).await), [1, 2, 3, 4]);
}

#[tokio::test]
async fn what_is_announced_again_is_found_behind_events_that_somebody_holds() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 1).await;
    app.database.execute("create table kept as select * from outbox").await;
    let relay = app.worker();
    relay.relay().await.unwrap();
    app.announce(&acme, "contact.created", 500).await;
    app.database
        .execute(
            "insert into outbox (tenant_id, event_id, event, payload, occurred_at)
             select tenant_id, event_id, event, payload, occurred_at from kept",
        )
        .await;
    let first = "select from outbox order by id limit 1 for update";
    let held = app.database.hold(first).await;
    relay.relay().await.unwrap();
    held.release().await;
    relay.relay().await.unwrap();
    assert_eq!((app.outbox().await.len(), numbers(&follow(&acme, 0, 500).await).len()), (0, 501));
}

#[tokio::test]
async fn while_one_worker_relays_another_leaves_it_to_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 3).await;
    let other = app.worker();
    let lock = format!("select pg_advisory_xact_lock({})", worker::relay::RELAYING);
    let relaying = app.database.hold(&lock).await;
    other.relay().await.unwrap();
    let left = app.outbox().await.len();
    relaying.release().await;
    other.relay().await.unwrap();
    assert_eq!((left, app.outbox().await.len()), (3, 0));
}

#[tokio::test]
async fn relays_that_waited_for_another_with_what_they_had_read_before_take_nothing_twice() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 3).await;
    let lock = format!("select pg_advisory_xact_lock({})", worker::relay::RELAYING);
    let relaying = app.database.hold(&lock).await;
    let late = [relay_late(&app), relay_late(&app)];
    app.database.waiting(2).await;
    relaying.release().await;
    for late in late {
        late.await.unwrap();
    }
    assert_eq!(app.outbox().await.len(), 0);
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    assert_eq!(numbers(&follow(&acme, 0, 100).await), [1, 2, 3, 4]);
}
