//! Webhooks that change while deliveries wait, and rows that leave the queue by other ways.

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{CONTACTS, TestApp};
use uuid::Uuid;
use worker::record_order::stuck::{Line, mend};

use super::{Heard, broken_lines, change, contact, each, ordered, queued};

#[tokio::test]
async fn a_webhook_that_is_switched_off_and_on_goes_on_where_it_was() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = ordered(&acme).await;
    let heard = Heard::at(&subscriber, |_, _| true);
    let contact = contact(&acme).await;
    change(&acme, &contact, 2).await;
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    subscriber.switch(false).await;
    change(&acme, &contact, 1).await;
    assert_eq!(worker.drain().await.unwrap(), 0);
    let held = json!("webhook_inactive");
    assert_eq!(each(&subscriber, "heldReason").await[..3], [held.clone(), held.clone(), held]);

    subscriber.switch(true).await;
    change(&acme, &contact, 1).await;
    worker.drain().await.unwrap();
    assert_eq!(heard.taken(&contact), [1, 2, 3, 5], "4 was skipped");
    assert_eq!(each(&subscriber, "status").await[3], "skipped");
}

#[tokio::test]
async fn what_waits_goes_out_when_order_is_wanted_no_more_and_later_events_wait_again_when_it_is() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = ordered(&acme).await;
    let heard = Heard::at(&subscriber, |_, version| version != 1);
    let contact = contact(&acme).await;
    change(&acme, &contact, 2).await;
    let mut worker = app.worker();
    worker.drain().await.unwrap();
    assert_eq!(heard.of(&contact), [(1, false)]);
    acme.put(&subscriber.path(), json!({"ordering": "none"})).await.ok();
    worker.drain().await.unwrap();
    let mut taken = heard.taken(&contact);
    taken.sort_unstable();
    assert_eq!(taken, [2, 3]);

    acme.put(&subscriber.path(), json!({"ordering": "record"})).await.ok();
    change(&acme, &contact, 1).await;
    worker.drain().await.unwrap();
    assert_eq!(heard.taken(&contact).last(), Some(&4), "what was let out is before nobody");
    assert_eq!(queued(&app).await, 1);
}

#[tokio::test]
async fn of_a_webhook_that_is_deleted_nothing_is_left_behind() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (subscriber, other) = (ordered(&acme).await, ordered(&acme).await);
    let contact = contact(&acme).await;
    change(&acme, &contact, 4).await;
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    // One is under way, and fails after the deletion.
    let claimed = worker.claim().await.unwrap();
    acme.delete(&subscriber.path()).await.no_content();
    subscriber.receiver.judge(|_| 500);
    worker.deliver(claimed).await.unwrap();
    worker.drain().await.unwrap();
    assert_eq!((subscriber.receiver.calls().len(), other.receiver.calls().len()), (1, 5));
    assert_eq!((queued(&app).await, broken_lines(&app).await), (0, 0));
    assert_eq!(app.count("failed").await, 5);
}

#[tokio::test]
async fn a_deleted_webhook_is_looked_at_until_nothing_can_come_for_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = ordered(&acme).await;
    acme.delete(&subscriber.path()).await.no_content();
    let emptied = async || -> bool {
        worker::sweep::fail_deleted(&app.worker_db()).await.unwrap();
        let sql = "select emptied from webhooks";
        sqlx::query_scalar(sql).fetch_one(app.database.admin()).await.unwrap()
    };
    app.advance(TimeDelta::minutes(9));
    assert!(!emptied().await, "somebody may be writing a delivery for it");
    // Somebody was.
    app.database
        .execute(
            "insert into webhook_queue (tenant_id, id, webhook_id, next_retry, lease_id)
             select tenant_id, id, id, now() + interval '100 years', id from webhooks",
        )
        .await;
    app.advance(TimeDelta::minutes(2));
    assert!(!emptied().await, "one is under way");
    app.database.execute("delete from webhook_queue").await;
    assert!(emptied().await);
}

#[tokio::test]
async fn what_has_had_its_time_ends_and_the_next_goes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.put("/api/v1/tenant/settings", json!({"eventRetentionDays": 1})).await.ok();
    let subscriber = ordered(&acme).await;
    let heard = Heard::at(&subscriber, |_, _| true);
    let contact = contact(&acme).await;
    change(&acme, &contact, 1).await;
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    app.advance(TimeDelta::days(2));
    change(&acme, &contact, 1).await;
    worker.relay().await.unwrap();
    assert_eq!(broken_lines(&app).await, 0);
    worker.keep().await.unwrap();
    worker.drain().await.unwrap();
    assert_eq!((heard.taken(&contact), queued(&app).await), (vec![3], 0));
}

#[tokio::test]
async fn a_line_that_nobody_has_advanced_is_advanced_by_the_sweep() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = ordered(&acme).await;
    let heard = Heard::at(&subscriber, |_, _| true);
    let contact = contact(&acme).await;
    change(&acme, &contact, 1).await;
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    app.database.execute("update webhook_queue set next_retry = in_line()").await;
    assert_eq!((broken_lines(&app).await, worker.drain().await.unwrap()), (1, 0));
    let db = app.worker_db();
    let mut last = Line::default();
    assert_eq!(mend(&db, &mut last, 100).await.unwrap(), 1);
    assert_eq!(mend(&db, &mut last, 100).await.unwrap(), 0);
    worker.drain().await.unwrap();
    assert_eq!(heard.taken(&contact), [1, 2]);
}

#[tokio::test]
async fn the_sweep_goes_on_behind_the_lines_that_it_has_looked_at_and_begins_anew_behind_the_last()
{
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    ordered(&acme).await;
    for _ in 0..3 {
        contact(&acme).await;
    }
    app.worker().relay().await.unwrap();
    let stop = "update webhook_queue set next_retry = in_line()";
    app.database.execute(stop).await;
    let (db, mut last) = (app.worker_db(), Line::default());
    let mut mended = Vec::new();
    for _ in 0..4 {
        mended.push(mend(&db, &mut last, 1).await.unwrap());
        mended.push(broken_lines(&app).await.unsigned_abs());
    }
    assert_eq!(mended, [1, 2, 1, 1, 1, 0, 0, 0]);
    app.database.execute(stop).await;
    assert_eq!(mend(&db, &mut last, 2).await.unwrap(), 2);
    assert_eq!(mend(&db, &mut last, 2).await.unwrap(), 1);
}

/// So many deliveries in the queue for a webhook.
async fn queue(app: &TestApp, webhook: Uuid, lined: bool, count: i32) {
    sqlx::query(
        "insert into webhook_queue (tenant_id, id, webhook_id, next_retry, record, sequence)
         select tenant_id, delivery_id(gen_random_uuid(), id), id, case when $2 and n > 1 then in_line() else $3 end,
                case when $2 then id end, case when $2 then n end
         from webhooks, generate_series(1, $4) n where id = $1",
    )
    .bind(webhook)
    .bind(lined)
    .bind(app.clock.now())
    .bind(count)
    .execute(app.database.admin())
    .await
    .unwrap();
}

/// How many a webhook has there that are, or are not, in a line.
async fn in_queue(app: &TestApp, webhook: Uuid, lined: bool) -> i64 {
    let sql =
        "select count(*) from webhook_queue where webhook_id = $1 and (record is not null) = $2";
    let count = sqlx::query_scalar(sql).bind(webhook).bind(lined);
    count.fetch_one(app.database.admin()).await.unwrap()
}

#[tokio::test]
async fn what_a_deleted_webhook_or_a_former_order_has_left_goes_by_the_thousand_and_keeps_nobody_waiting()
 {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for lined in [false, true] {
        let (large, small) = (acme.subscribe(&["*"]).await, acme.subscribe(&["*"]).await);
        for (subscriber, count) in [(&large, 10_500), (&small, 3)] {
            queue(&app, subscriber.id, lined, count).await;
        }
        let db = app.worker_db();
        let went = if lined {
            worker::record_order::dissolve(&db).await.unwrap()
        } else {
            acme.delete(&large.path()).await.no_content();
            acme.delete(&small.path()).await.no_content();
            worker::sweep::fail_deleted(&db).await.unwrap()
        };
        assert_eq!(went, 10_003, "{lined}");
        assert_eq!(in_queue(&app, small.id, lined).await, 0);
        assert_eq!(in_queue(&app, large.id, lined).await, 500);
    }
}

/// An outcome is written while new deliveries of the same records come in, again and again: whoever is second must see
/// what the first has done.
#[tokio::test(flavor = "multi_thread")]
async fn outcomes_and_new_deliveries_at_the_same_moment_leave_no_line_behind() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = ordered(&acme).await;
    let heard = Heard::at(&subscriber, |_, _| true);
    let contacts = [contact(&acme).await, contact(&acme).await];
    let (relay, mut one, mut two) = (app.worker(), app.worker(), app.worker());
    for _ in 0..40 {
        for contact in &contacts {
            acme.put(
                &format!("{CONTACTS}/{contact}"),
                json!({"company": uuid::Uuid::from_u128(rand::random()).to_string()}),
            )
            .await
            .ok();
        }
        let (relayed, a, b) = tokio::join!(relay.relay(), one.drain(), two.drain());
        relayed.unwrap();
        a.and(b).unwrap();
        assert_eq!(broken_lines(&app).await, 0);
    }
    one.drain().await.unwrap();
    let expected: Vec<i64> = (1..=41).collect();
    for contact in &contacts {
        assert_eq!(heard.taken(contact), expected);
    }
    assert_eq!(queued(&app).await, 0);
}
