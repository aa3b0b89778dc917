//! What is due for webhooks that are switched off is in nobody's way, and nothing about it is lost
//! (docs/decisions/0047-the-shelf.md).

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, Program, Subscriber, Tenant, TestApp, sample, until};
use worker::record_order::stuck::{Line, mend};
use worker::shelf::{Moved, Shelf};

/// Everything that can be put up now.
async fn put_up(app: &TestApp) -> u64 {
    let (db, mut shelf) = (app.worker_db(), Shelf::default());
    all(async || shelf.put_up(&db).await.unwrap()).await
}

/// Everything that can be taken down now.
async fn take_back(app: &TestApp) -> u64 {
    let (db, mut shelf) = (app.worker_db(), Shelf::default());
    all(async || shelf.take_down(&db).await.unwrap()).await
}

async fn all(mut look: impl AsyncFnMut() -> Moved) -> u64 {
    let mut all = 0;
    loop {
        let moved = look().await;
        all += moved.deliveries;
        if !moved.more {
            return all;
        }
    }
}

/// How many webhooks a claim steps past or takes from.
async fn in_turn(app: &TestApp) -> i64 {
    one(app, "select count(*) from webhooks_in_turn('00000000-0000-0000-0000-000000000000')").await
}

async fn on_the_shelf(app: &TestApp) -> i64 {
    one(app, "select count(*) from webhook_queue where next_retry > in_line()").await
}

async fn one(app: &TestApp, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(app.database.admin()).await.unwrap()
}

/// The names of the contacts that a receiver was told of, in order.
fn heard(subscriber: &Subscriber) -> Vec<String> {
    let calls = subscriber.receiver.calls().into_iter();
    let bodies = calls.map(|call| serde_json::from_slice::<Value>(&call.body).unwrap());
    bodies.map(|body| body["data"]["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_is_due_for_a_webhook_that_is_off_is_in_no_claims_way_and_goes_out_as_it_was_when_it_is_on()
 {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (subscriber, other) = (acme.subscribe(&["*"]).await, acme.subscribe(&["*"]).await);
    let (mut worker, mut slow) = (app.worker(), app.worker_with(|config| config.caps.total = 1));
    for name in ["Ada", "Bob", "Eve"] {
        acme.post(CONTACTS, json!({"name": name})).await.created();
        worker.relay().await.unwrap();
        app.advance(TimeDelta::seconds(1));
    }
    let due = |delivery: &Value| delivery["nextRetry"].clone();
    let before: Vec<_> = subscriber.deliveries().await.iter().map(due).collect();
    assert!(before.iter().all(Value::is_string));
    subscriber.switch(false).await;
    assert_eq!((in_turn(&app).await, put_up(&app).await, in_turn(&app).await), (2, 3, 1));
    assert_eq!(worker.drain().await.unwrap(), 3);
    let held = subscriber.deliveries().await;
    assert!(held.iter().all(|held| held["heldReason"] == "webhook_inactive"));
    assert!(held.iter().map(due).all(|due| due.is_null()));

    subscriber.switch(true).await;
    let after = subscriber.deliveries().await;
    assert!(after.iter().all(|after| after["heldReason"].is_null()));
    assert_eq!(after.iter().map(due).collect::<Vec<_>>(), before);
    assert_eq!((take_back(&app).await, take_back(&app).await), (3, 0));
    assert_eq!(slow.drain().await.unwrap(), 3);
    assert_eq!(heard(&subscriber), ["Ada", "Bob", "Eve"]);
    assert_eq!(other.receiver.calls().len(), 3);
}

#[tokio::test]
async fn a_retry_is_put_up_when_it_is_due_and_goes_on_with_its_schedule() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.script([500]);
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.drain().await.unwrap();
    subscriber.switch(false).await;
    assert_eq!(put_up(&app).await, 0);
    app.advance(TimeDelta::minutes(2));
    assert_eq!(worker.drain().await.unwrap(), 0);
    assert_eq!((put_up(&app).await, in_turn(&app).await), (1, 0));

    subscriber.switch(true).await;
    take_back(&app).await;
    assert_eq!(worker.drain().await.unwrap(), 1);
    let delivery = subscriber.only_delivery().await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("delivered"), &json!(2)));
}

#[tokio::test]
async fn what_is_under_way_is_left_alone_until_its_lease_is_over() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let (mut dead, mut alive) = (app.worker(), app.worker());
    dead.relay().await.unwrap();
    let claimed = dead.claim().await.unwrap();
    subscriber.switch(false).await;
    assert_eq!(put_up(&app).await, 0);
    app.advance(TimeDelta::minutes(1));
    assert_eq!(put_up(&app).await, 1);

    dead.deliver(claimed).await.unwrap();
    assert_eq!(app.count("pending").await, 1, "the outcome came after its lease");
    subscriber.switch(true).await;
    take_back(&app).await;
    assert_eq!(alive.drain().await.unwrap(), 1);
    let delivery = subscriber.only_delivery().await;
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("delivered"), &json!(1)));
}

#[tokio::test]
async fn of_a_line_the_first_is_on_the_shelf_and_the_others_wait_behind_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.put(&subscriber.path(), json!({"ordering": "record"})).await.ok();
    let contact = acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let path = format!("{CONTACTS}/{}", contact["id"].as_str().unwrap());
    for name in ["Bob", "Eve"] {
        acme.put(&path, json!({"name": name})).await.ok();
    }
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    subscriber.switch(false).await;
    assert_eq!((put_up(&app).await, in_turn(&app).await), (1, 0));
    assert_eq!(mend(&app.worker_db(), &mut Line::default(), 100).await.unwrap(), 0);
    assert_eq!(on_the_shelf(&app).await, 1);

    subscriber.switch(true).await;
    assert_eq!(take_back(&app).await, 1);
    worker.drain().await.unwrap();
    assert_eq!(heard(&subscriber), ["Ada", "Bob", "Eve"]);
}

#[tokio::test]
async fn thousands_are_put_up_and_taken_down_a_thousand_at_a_time() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    app.announce(&acme, "contact.created", 2_500).await;
    app.worker().relay().await.unwrap();
    subscriber.switch(false).await;
    let shelved = "select count(*) from webhooks where shelved";
    assert_eq!((put_up(&app).await, one(&app, shelved).await), (2_500, 1));
    assert_eq!(take_back(&app).await, 0, "it is off");

    subscriber.switch(true).await;
    assert_eq!((take_back(&app).await, one(&app, shelved).await), (2_500, 0));
    assert_eq!(on_the_shelf(&app).await, 0);
    assert_eq!(app.worker().drain().await.unwrap(), 2_500);
}

#[tokio::test]
async fn who_switches_a_webhook_on_meanwhile_finds_nothing_put_up_afterwards() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    app.worker().relay().await.unwrap();
    subscriber.switch(false).await;
    let switching = app.database.hold("update webhooks set active = true").await;
    assert_eq!(put_up(&app).await, 0, "somebody else is about it");
    switching.commit().await;
    assert_eq!((put_up(&app).await, on_the_shelf(&app).await), (0, 0));
}

#[tokio::test]
async fn what_is_on_the_shelf_fails_with_its_webhook_when_that_is_deleted() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    subscriber.switch(false).await;
    put_up(&app).await;
    acme.delete(&subscriber.path()).await.no_content();
    worker.drain().await.unwrap();
    assert_eq!((app.count("failed").await, on_the_shelf(&app).await), (1, 0));
}

/// Two webhooks, one with 2,500 deliveries on the shelf, the other with one.
async fn unequal(app: &TestApp, acme: &Tenant) -> (Subscriber, Subscriber) {
    let much = acme.subscribe(&["contact.created"]).await;
    let little = acme.subscribe(&["contact.deleted"]).await;
    app.announce(acme, "contact.created", 2_500).await;
    app.announce(acme, "contact.deleted", 1).await;
    app.worker().relay().await.unwrap();
    for one in [&much, &little] {
        one.switch(false).await;
    }
    assert_eq!(put_up(app).await, 2_501);
    (much, little)
}

#[tokio::test]
async fn a_webhook_with_little_on_the_shelf_does_not_wait_for_one_with_much() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (much, little) = unequal(&app, &acme).await;
    for one in [&much, &little] {
        one.switch(true).await;
    }
    let first = Shelf::default().take_down(&app.worker_db()).await.unwrap();
    assert_eq!(first, Moved { deliveries: 1_001, more: true });
    app.worker().drain().await.unwrap();
    assert_eq!(little.receiver.calls().len(), 1);
    assert_eq!((take_back(&app).await, on_the_shelf(&app).await), (1_500, 0));
}

#[tokio::test]
async fn a_webhook_that_is_off_and_on_again_while_its_shelf_is_emptied_gets_everything() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (much, _) = unequal(&app, &acme).await;
    let (db, mut shelf) = (app.worker_db(), Shelf::default());
    much.switch(true).await;
    assert_eq!(shelf.take_down(&db).await.unwrap().deliveries, 1_000);
    much.switch(false).await;
    assert_eq!(shelf.take_down(&db).await.unwrap().deliveries, 0);
    assert_eq!(put_up(&app).await, 1_000);
    much.switch(true).await;
    assert_eq!((take_back(&app).await, on_the_shelf(&app).await), (2_500, 1));
}

#[tokio::test]
async fn what_somebody_holds_stays_on_the_shelf_and_marked_until_it_is_let_go() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (much, _) = unequal(&app, &acme).await;
    much.switch(true).await;
    let held = format!(
        "update webhook_queue set sequence = 7 where id = (
             select id from webhook_queue where webhook_id = '{}' order by next_retry limit 1)",
        much.id
    );
    let held = app.database.hold(&held).await;
    assert_eq!((take_back(&app).await, on_the_shelf(&app).await), (2_499, 2));
    assert_eq!(one(&app, "select count(*) from webhooks where shelved and active").await, 1);
    held.commit().await;
    assert_eq!((take_back(&app).await, on_the_shelf(&app).await), (1, 1));
    assert_eq!(one(&app, "select count(*) from webhooks where shelved and active").await, 0);
}

/// However many there are, each look at those in turn costs the same, and the next goes on behind it.
#[tokio::test]
async fn more_webhooks_than_one_look_sees_are_put_up_in_several() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let like = acme.subscribe(&["contact.created"]).await.id;
    sqlx::query(
        "with twins as (
             insert into webhooks (tenant_id, id, url, events, active, secret_enc, secret_hint, created_at, updated_at)
             select tenant_id, gen_random_uuid(), url, events, n % 2 = 1, secret_enc, secret_hint, created_at, updated_at
             from webhooks, generate_series(1, 1600) n where id = $1 returning tenant_id, id)
         insert into webhook_queue (tenant_id, id, webhook_id, next_retry)
         select tenant_id, gen_random_uuid(), id, $2 from twins",
    )
    .bind(like)
    .bind(app.clock.now())
    .execute(app.database.admin())
    .await
    .unwrap();
    let (db, mut shelf) = (app.worker_db(), Shelf::default());
    let first = shelf.put_up(&db).await.unwrap().deliveries;
    assert!((300..700).contains(&first), "{first} of 800 among the first 1,000");
    assert_eq!(first + shelf.put_up(&db).await.unwrap().deliveries, 800);
    assert_eq!((shelf.put_up(&db).await.unwrap().deliveries, in_turn(&app).await), (0, 800));
}

#[tokio::test]
async fn the_shelves_of_more_webhooks_than_one_look_sees_are_emptied_without_a_pause() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let like = acme.subscribe(&["contact.created"]).await.id;
    sqlx::query(
        "with twins as (
             insert into webhooks (tenant_id, id, url, events, shelved, secret_enc, secret_hint, created_at, updated_at)
             select tenant_id, gen_random_uuid(), url, events, true, secret_enc, secret_hint, created_at, updated_at
             from webhooks, generate_series(1, 21) n where id = $1 returning tenant_id, id)
         insert into webhook_queue (tenant_id, id, webhook_id, next_retry)
         select tenant_id, gen_random_uuid(), id, on_shelf($2) from twins, generate_series(1, 1001)",
    )
    .bind(like)
    .bind(app.clock.now())
    .execute(app.database.admin())
    .await
    .unwrap();
    let (db, mut shelf) = (app.worker_db(), Shelf::default());
    for (deliveries, more) in [(20_000, true), (1_000, true), (20, true), (1, false)] {
        assert_eq!(shelf.take_down(&db).await.unwrap(), Moved { deliveries, more });
    }
    assert_eq!((on_the_shelf(&app).await, in_turn(&app).await), (0, 21));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_worker_keeps_the_shelf_and_sends_at_once_when_a_webhook_is_on_again() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    app.announce(&acme, "contact.created", 20).await;
    app.worker().relay().await.unwrap();
    subscriber.switch(false).await;
    let worker = Program::worker(&app.database.worker_url(), &[]).await;
    until("all of it is on the shelf", async || on_the_shelf(&app).await == 20).await;
    assert_eq!(subscriber.receiver.calls().len(), 0);

    subscriber.switch(true).await;
    app.wait_until("delivered", 20).await;
    let (_, metrics) = worker.admin("/metrics").await;
    for to in ["shelf", "queue"] {
        let series = format!("webhook_shelf_moves_total{{to=\"{to}\"}}");
        assert_eq!(sample(&metrics, &series), Some(20.0), "{series}");
    }
}
