//! Tenants with many webhooks: what one statement relays is bounded by them.

use serde_json::json;
use tests::kit::{ACTIVITIES, COMPANIES, CONTACTS, TestApp};
use worker::relay::Relay;

/// Gives every tenant so many webhooks that hear everything, in the order of each record when it is said so.
async fn webhooks(app: &TestApp, many: i32, ordering: &str) {
    let sql = format!(
        "insert into webhooks (tenant_id, id, url, events, ordering, secret_enc, secret_hint, created_at, updated_at)
         select id, gen_random_uuid(), 'https://example.com/', '{{*}}', '{ordering}', '', '', now(), now()
         from tenants, generate_series(1, {many})"
    );
    app.database.execute(&sql).await;
}

/// The events and the deliveries of each batch that has any.
async fn steps(app: &TestApp) -> Vec<(i64, i64)> {
    let (worker, mut relay, mut steps) = (app.worker_db(), Relay::default(), Vec::new());
    loop {
        let (relayed, _) = relay.batch(&worker, None).await.unwrap();
        steps.extend((relayed.events > 0).then_some((relayed.events, relayed.deliveries)));
        if !relayed.more {
            return steps;
        }
    }
}

#[tokio::test]
async fn a_tenant_with_many_webhooks_is_relayed_in_small_steps_and_nobody_is_forgotten() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    webhooks(&app, 999, "none").await;
    let rows: Vec<_> = (0..50).map(|n| json!({"name": format!("Ada {n}")})).collect();
    acme.post(&format!("{CONTACTS}/import"), json!({"contacts": rows})).await.ok();
    let other = app.tenant("other").await;
    other.post(CONTACTS, json!({"name": "Bob"})).await.created();

    let steps = steps(&app).await;
    assert_eq!(steps[..2], [(5, 5 * 999), (1, 0)], "the other tenant has its turn");
    assert_eq!(steps[2..], [(5, 5 * 999); 9]);
}

#[tokio::test]
async fn long_events_for_many_webhooks_are_relayed_in_smaller_steps() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    webhooks(&app, 999, "none").await;
    let company = acme.post(COMPANIES, json!({"name": "Globex"})).await.created();
    let note = json!({"type": "note", "subject": "Long", "body": "x".repeat(9_000), "companyId": company["id"]});
    for _ in 0..5 {
        acme.post(ACTIVITIES, note.clone()).await.created();
    }
    let events: Vec<_> = steps(&app).await.into_iter().map(|(events, _)| events).collect();
    assert_eq!(events, [2, 1, 1, 1, 1], "the company, and notes that count as five each");
}

/// Makes each event of the log take so long for which `when` holds, and statements end after half a second.
async fn slow(app: &TestApp, when: &str, seconds: f32) {
    let slow = format!(
        "create function slow() returns trigger language plpgsql as
         $$ begin perform pg_sleep({seconds}); return new; end $$;
         create trigger slow before insert on events for each row when ({when}) execute function slow()"
    );
    app.database.execute(&slow).await;
    let name = app.database.name();
    let impatient =
        format!("alter role crm_worker in database {name} set statement_timeout = '500ms'");
    app.database.execute(&impatient).await;
}

#[tokio::test]
async fn what_a_statement_has_no_time_for_is_done_in_parts() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.announce(&acme, "contact.created", 40).await;
    slow(&app, "true", 0.02).await;
    app.worker().relay().await.unwrap();
    let numbered: i64 = sqlx::query_scalar("select max(sequence) from events")
        .fetch_one(app.database.admin())
        .await
        .unwrap();
    assert_eq!(numbered, 40);
}

#[tokio::test]
async fn an_event_that_no_statement_has_time_for_keeps_its_own_tenant_alone() {
    let app = TestApp::start().await;
    let (acme, calm) = (app.tenant("acme").await, app.tenant("calm").await);
    app.announce(&acme, "contact.deleted", 1).await;
    app.announce(&calm, "contact.created", 3).await;
    app.announce(&acme, "contact.created", 1).await;
    slow(&app, "new.event = 'contact.deleted'", 1.0).await;

    let (db, mut relay) = (app.worker_db(), Relay::default());
    let mut relayed = 0;
    for _ in 0..8 {
        relayed += relay.batch(&db, None).await.unwrap().0.events;
    }
    // Nor does it cost the others anything afterwards.
    app.announce(&calm, "contact.created", 2).await;
    relayed += relay.batch(&db, None).await.unwrap().0.events;
    let left = app.announced().await;
    assert_eq!(
        (relayed, left),
        (5, vec!["contact.deleted".to_owned(), "contact.created".to_owned()])
    );
}

#[tokio::test]
async fn an_event_goes_alone_when_its_tenant_has_more_webhooks_than_a_step() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    webhooks(&app, 20_001, "none").await;
    for name in ["Ada", "Bob"] {
        acme.post(CONTACTS, json!({"name": name})).await.created();
    }
    let worker = app.worker_db();
    for more in [true, false] {
        let (relayed, _) = Relay::default().batch(&worker, None).await.unwrap();
        assert_eq!((relayed.events, relayed.deliveries, relayed.more), (1, 20_001, more));
    }
}

#[tokio::test]
async fn of_webhooks_with_and_without_an_order_each_gets_its_own() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    webhooks(&app, 2, "none").await;
    webhooks(&app, 3, "record").await;
    for name in ["Ada", "Bob"] {
        let contact = acme.post(CONTACTS, json!({"name": name})).await.created();
        let path = format!("{CONTACTS}/{}", contact["id"].as_str().unwrap());
        acme.put(&path, json!({"name": name})).await.ok();
        acme.put(&path, json!({"company": "ACME"})).await.ok();
    }
    app.worker().relay().await.unwrap();
    // Of each record and ordered webhook the first is due, and the second waits for it.
    let lines: Vec<(bool, i64, i64)> = sqlx::query_as(
        "select q.record is not null, count(*), count(*) filter (where q.next_retry >= in_line())
         from webhook_queue q join webhooks w on w.tenant_id = q.tenant_id and w.id = q.webhook_id
         where (q.record is not null) = (w.ordering = 'record')
         group by 1 order by 1",
    )
    .fetch_all(app.database.admin())
    .await
    .unwrap();
    assert_eq!(lines, [(false, 8, 0), (true, 12, 6)]);
}
