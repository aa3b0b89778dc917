//! How long events are kept, and how they go.

use chrono::TimeDelta;
use serde_json::json;
use tests::kit::{CONTACTS, Reply, Subscriber, Tenant, TestApp, until};
use worker::steps::Steps;

use super::{EVENTS, numbers, page};
use crate::lists::plans::explained::Explained;

const SETTINGS: &str = "/api/v1/tenant/settings";

/// A tenant with a webhook and three deliveries of the first day, in that day's partitions.
async fn first_day() -> (TestApp, Tenant, Subscriber, Steps) {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    let mut worker = app.worker();
    assert!(worker.keep().await.unwrap());
    app.announce(&acme, "contact.created", 3).await;
    worker.drain().await.unwrap();
    (app, acme, subscriber, worker)
}

/// How many rows a table has, looked at past all policies.
async fn rows(app: &TestApp, table: &str) -> i64 {
    let sql = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
    sqlx::query_scalar(sql).fetch_one(app.database.admin()).await.unwrap()
}

async fn exists(app: &TestApp, table: &str) -> bool {
    sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(table)
        .fetch_one(app.database.admin())
        .await
        .unwrap()
}

#[tokio::test]
async fn a_day_has_partitions_before_it_comes_and_loses_them_thirty_days_after_it_ended() {
    let (app, acme, subscriber, mut worker) = first_day().await;
    for table in ["events", "webhook_events", "webhook_attempts"] {
        assert_eq!(rows(&app, &format!("{table}_20260102")).await, 3);
        assert!(exists(&app, &format!("{table}_20260105")).await);
    }
    app.advance(TimeDelta::days(30));
    assert!(worker.keep().await.unwrap());
    assert_eq!(subscriber.deliveries().await.len(), 3);
    app.announce(&acme, "contact.created", 2).await;
    worker.drain().await.unwrap();

    app.advance(TimeDelta::days(1));
    assert!(worker.keep().await.unwrap());
    for table in ["events", "webhook_events", "webhook_attempts"] {
        assert!(!exists(&app, &format!("{table}_20260102")).await, "{table}");
        assert_eq!(rows(&app, table).await, 2, "{table}");
    }
    assert_eq!(subscriber.deliveries().await.len(), 2);
    assert_eq!(numbers(&page(&acme, "").await.0), [4, 5]);
    let gone = acme.get(&format!("{EVENTS}?after=1")).await.problem(410, "EVENTS_EXPIRED");
    assert_eq!(gone["details"], json!({"oldest": "4"}));
    acme.get(&format!("{EVENTS}/stream?after=1")).await.problem(410, "EVENTS_EXPIRED");
    assert_eq!(numbers(&page(&acme, "after=3").await.0), [4, 5]);
}

#[tokio::test]
async fn rows_of_a_day_that_no_partition_was_made_for_are_kept_and_go_as_well() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    // The worker stood still, or a clock is far off: nobody made anything ready.
    app.announce(&acme, "contact.created", 3).await;
    let mut worker = app.worker();
    worker.drain().await.unwrap();
    assert_eq!(rows(&app, "events_rest").await, 3);
    // The day has rows already, so it stays without.
    assert!(worker.keep().await.unwrap());
    assert!(!exists(&app, "events_20260102").await);
    assert_eq!(subscriber.deliveries().await.len(), 3);

    app.advance(TimeDelta::days(31));
    assert!(worker.keep().await.unwrap());
    for table in ["events", "webhook_events", "webhook_attempts"] {
        assert_eq!(rows(&app, table).await, 0, "{table}");
    }
    acme.get(&format!("{EVENTS}?after=2")).await.problem(410, "EVENTS_EXPIRED");
    assert_eq!(page(&acme, "").await, (vec![], 3));
}

#[tokio::test]
async fn nothing_goes_while_events_as_old_as_that_have_no_number_yet() {
    let (app, acme, _subscriber, mut worker) = first_day().await;
    app.announce(&acme, "contact.created", 1).await;
    app.advance(TimeDelta::days(31));
    assert!(!worker.keep().await.unwrap(), "they are still to be relayed");
    assert_eq!(rows(&app, "events").await, 3);
    worker.drain().await.unwrap();
    assert!(worker.keep().await.unwrap());
    assert_eq!(rows(&app, "events").await, 0);
    acme.get(&format!("{EVENTS}?after=3")).await.problem(410, "EVENTS_EXPIRED");
}

#[tokio::test]
async fn each_tenant_keeps_its_events_as_long_as_it_says() {
    let app = TestApp::start().await;
    let (short, long) = (app.tenant("short").await, app.tenant("long").await);
    short.put(SETTINGS, json!({"eventRetentionDays": 2})).await.ok();
    long.put(SETTINGS, json!({"eventRetentionDays": 40})).await.ok();
    for bad in [json!(0), json!(91), json!(2.5), json!("30"), json!(null)] {
        let problem = short.put(SETTINGS, json!({"eventRetentionDays": bad})).await;
        assert!(
            problem.problem(400, "VALIDATION_ERROR")["details"]["eventRetentionDays"].is_string()
        );
    }
    let mut worker = app.worker();
    worker.keep().await.unwrap();
    worker.drain().await.unwrap();
    for days in [0, 3, 30] {
        app.advance(TimeDelta::days(days));
        worker.keep().await.unwrap();
        for tenant in [&short, &long] {
            app.announce(tenant, "contact.created", 2).await;
        }
        worker.drain().await.unwrap();
    }
    worker.keep().await.unwrap();

    assert_eq!(numbers(&page(&long, "").await.0), (1..=7).collect::<Vec<_>>());
    assert_eq!(numbers(&page(&short, "").await.0), [6, 7]);
    short.get(&format!("{EVENTS}?after=4")).await.problem(410, "EVENTS_EXPIRED");
}

#[tokio::test]
async fn what_a_tenant_keeps_no_longer_goes_without_a_look_at_what_others_keep() {
    let (plans, _listening) = Explained::listening();
    let app = TestApp::start().await;
    let (short, long) = (app.tenant("short").await, app.tenant("long").await);
    short.put(SETTINGS, json!({"eventRetentionDays": 2})).await.ok();
    let mut worker = app.worker();
    worker.keep().await.unwrap();
    for (tenant, events) in [(&short, 3), (&long, 200)] {
        tenant.subscribe(&["*"]).await;
        app.announce(tenant, "contact.created", events).await;
    }
    worker.drain().await.unwrap();
    app.advance(TimeDelta::days(3));
    Explained::switch_on(&app.database, "crm_worker").await;
    plans.forget();
    app.worker().keep().await.unwrap();

    let removing = plans.taken().into_iter().filter(|one| one.text.starts_with("delete from"));
    let nodes: Vec<_> = removing.flat_map(|one| one.nodes).collect();
    for table in ["events_", "webhook_events_", "webhook_attempts_"] {
        let of: Vec<_> = nodes.iter().filter(|node| node.table.starts_with(table)).collect();
        let read = of.iter().map(|node| node.read).fold(0.0, f64::max);
        // By either index of the tenant; once to find them, and once more.
        assert!((1.0..=50.0).contains(&read), "{read} rows: {of:#?}");
        assert_eq!(rows(&app, &format!("{table}20260102")).await, 200);
    }
}

#[tokio::test]
async fn the_log_of_thousands_of_tenants_is_kept_by_a_few_statements() {
    let (plans, _listening) = Explained::listening();
    let app = TestApp::start().await;
    let (short, long) = (app.tenant("short").await, app.tenant("long").await);
    short.put(SETTINGS, json!({"eventRetentionDays": 2})).await.ok();
    app.worker().keep().await.unwrap();
    for tenant in [&short, &long] {
        app.announce(tenant, "contact.created", 1).await;
    }
    app.worker().relay().await.unwrap();
    let others = "insert into tenants (id, name, event_retention_days, created_at, updated_at)
         select gen_random_uuid(), 'other', 2 + 28 * (n % 2), now(), now() from generate_series(1, 4000) n";
    app.database.execute(others).await;
    app.advance(TimeDelta::days(3));
    Explained::switch_on(&app.database, "crm_worker").await;
    plans.forget();
    app.worker().keep().await.unwrap();

    let told = plans.taken().len();
    assert!((10..1_000).contains(&told), "{told} statements for 4,002 tenants");
    assert_eq!(numbers(&page(&long, "").await.0), [1]);
    short.get(&format!("{EVENTS}?after=0")).await.problem(410, "EVENTS_EXPIRED");
}

#[tokio::test]
async fn what_is_held_until_its_time_is_over_fails_a_day_before_it_goes() {
    let (app, acme, subscriber, mut worker) = first_day().await;
    app.advance(TimeDelta::milliseconds(1));
    acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
    worker.relay().await.unwrap();
    subscriber.switch(false).await;
    app.advance(TimeDelta::days(29));
    worker.keep().await.unwrap();
    assert_eq!(app.count("pending").await, 1);

    app.advance(TimeDelta::days(1));
    worker.keep().await.unwrap();
    let expired = &subscriber.deliveries().await[0];
    assert_eq!((&expired["status"], &expired["lastError"]), (&json!("failed"), &json!("expired")));
    app.advance(TimeDelta::days(1));
    assert!(worker.keep().await.unwrap());
    assert!(subscriber.deliveries().await.is_empty());
    assert_eq!(worker.drain().await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_sent_again_on_its_last_day_still_has_its_attempts() {
    let (app, _acme, subscriber, mut worker) = first_day().await;
    app.advance(TimeDelta::days(30));
    let old = subscriber.deliveries().await.remove(0);
    subscriber.receiver.script([Reply::status(500)]);
    subscriber.resend(&old).await.ok();
    worker.drain().await.unwrap();
    worker.keep().await.unwrap();
    app.advance(TimeDelta::minutes(2));
    assert_eq!(worker.drain().await.unwrap(), 1);
    let again = subscriber.deliveries().await;
    let again = again.iter().find(|event| event["id"] == old["id"]).unwrap();
    assert_eq!((&again["status"], &again["attempts"]), (&json!("delivered"), &json!(2)));
}

#[tokio::test]
async fn a_place_in_the_queue_without_its_delivery_keeps_no_day() {
    let (app, acme, _subscriber, mut worker) = first_day().await;
    app.announce(&acme, "contact.created", 1).await;
    worker.relay().await.unwrap();
    app.database.execute("delete from webhook_events where status = 'pending'").await;
    app.advance(TimeDelta::days(31));
    // Whoever finds it leases it, and has nothing to send.
    assert_eq!(worker.drain().await.unwrap(), 0);
    assert!(worker.keep().await.unwrap());
    assert!(!exists(&app, "events_20260102").await);
    assert_eq!(rows(&app, "webhook_queue").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_stays_open_keeps_its_day_and_nobody_fails_or_waits_behind_it() {
    let (app, acme, subscriber, mut worker) = first_day().await;
    app.advance(TimeDelta::days(31));
    let open = app
        .database
        .hold("update webhook_events set attempts = attempts; update events set version = version")
        .await;
    let keeper = app.worker();
    for _ in 0..5 {
        let (kept, ()) = tokio::join!(keeper.keep(), async {
            acme.post(CONTACTS, json!({"name": "Ada"})).await.created();
            worker.drain().await.unwrap();
        });
        assert!(!kept.unwrap(), "the day is in use");
    }
    assert_eq!(rows(&app, "events_20260102").await, 3);
    assert_eq!(subscriber.receiver.calls().len(), 3 + 5);
    assert_eq!(numbers(&page(&acme, "").await.0), [4, 5, 6, 7, 8]);

    open.release().await;
    until("the day is gone", async || keeper.keep().await.unwrap()).await;
    assert!(!exists(&app, "events_20260102").await);
    assert_eq!(app.count("delivered").await, 5);
}

#[tokio::test]
async fn nobody_but_the_owner_reaches_a_partition_past_its_table() {
    let (app, ..) = first_day().await;
    let partitions: Vec<(String, bool, bool)> = sqlx::query_as(
        "select c.relname::text, c.relrowsecurity and c.relforcerowsecurity,
                has_any_column_privilege('crm_app', c.oid, 'SELECT, INSERT, UPDATE')
                or has_any_column_privilege('crm_worker', c.oid, 'SELECT, INSERT, UPDATE')
                or has_table_privilege('crm_app', c.oid, 'DELETE')
                or has_table_privilege('crm_worker', c.oid, 'DELETE')
         from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relkind = 'r'",
    )
    .fetch_all(app.database.admin())
    .await
    .unwrap();
    assert!(partitions.len() >= 3 * 5, "{partitions:?}");
    for (name, secured, open) in partitions {
        assert!(secured && !open, "{name}");
    }
}
