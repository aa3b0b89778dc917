//! What each number counts: something happens, and it moves.

use std::sync::Arc;

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use tests::kit::{EventStream, Program, Reply, Subscriber, Tenant, TestApp, sample, until};
use tokio::sync::Notify;

use crate::imports::{IMPORTS, import, people};
use crate::replays::Past;

/// Waits until a program shows all of these.
async fn shows(program: &Program, expected: &[(&str, f64)]) {
    for (series, value) in expected {
        let shown = async || sample(&program.admin("/metrics").await.1, series) == Some(*value);
        until(&format!("{series} is {value}"), shown).await;
    }
}

/// Failed deliveries of the last minute.
async fn parked(app: &TestApp, subscriber: &Subscriber, count: i32) {
    let (webhook, from) = (subscriber.id, app.clock.now() - TimeDelta::minutes(1));
    let past = Past { webhook, status: "failed", event: "contact.created", from, count };
    past.plant(app.database.admin()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_relayed_filtered_and_sent_over_new_and_used_connections_is_counted() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let _all = acme.subscribe(&["*"]).await;
    let picky = acme.subscribe(&["*"]).await;
    let filter = json!({"field": "name", "startsWith": "A"});
    acme.put(&picky.path(), json!({"filter": filter})).await.ok();
    let places = [("WORKER_CONCURRENCY", "77")];
    let worker = Program::worker(&app.database.worker_url(), &places).await;
    let connections = async |reused: bool| {
        let series = format!("webhook_connections_total{{reused=\"{reused}\"}}");
        sample(&worker.admin("/metrics").await.1, &series).unwrap()
    };
    // One that lies idle for a few seconds is not used again.
    let mut sent = 0;
    until("a connection is used again", async || {
        sent += 1;
        app.announce(&acme, "contact.created", 1).await;
        app.wait_until("delivered", sent.into()).await;
        connections(true).await > 0.0
    })
    .await;
    let sent = f64::from(sent);
    let expected = [
        ("outbox_relayed_total", sent),
        ("webhook_deliveries_created_total", sent),
        ("webhook_filtered_total", sent),
        (r#"webhook_connections_total{reused="true"}"#, 1.0),
        (r#"webhook_connections_total{reused="false"}"#, sent - 1.0),
        ("webhook_places", 77.0),
    ];
    shows(&worker, &expected).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_called_less_and_an_outcome_that_comes_too_late_are_counted() {
    let app = TestApp::present().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let (busy, slow) = (acme.subscribe(&["*"]).await, other.subscribe(&["*"]).await);
    let lost = Arc::<Notify>::default();
    busy.receiver.script([429]);
    slow.receiver.script([Reply::status(200).upon(&lost)]);
    let worker = Program::worker(&app.database.worker_url(), &[]).await;
    let none = [
        ("webhook_slowdowns_total", 0.0),
        ("webhook_receivers_slowed", 0.0),
        ("webhook_outcomes_fenced_total", 0.0),
    ];
    shows(&worker, &none).await;
    app.announce(&acme, "contact.created", 1).await;
    app.announce(&other, "contact.created", 1).await;
    slow.receiver.wait_for(1).await;
    // Another worker has it now.
    let take = format!(
        "update webhook_queue set lease_id = gen_random_uuid() where webhook_id = '{}'",
        slow.id
    );
    app.database.execute(&take).await;
    lost.notify_one();
    let each = none.map(|(series, _)| (series, 1.0));
    shows(&worker, &each).await;
}

/// Webhooks that have just begun to fail, each of another tenant, want a redrive and have two parked failures.
async fn failing<const N: usize>(app: &TestApp, names: [&str; N]) -> Vec<(Tenant, Subscriber)> {
    let mut all = Vec::new();
    for name in names {
        let tenant = app.tenant(name).await;
        let subscriber = tenant.subscribe(&["*"]).await;
        tenant.put(&subscriber.path(), json!({"autoRedrive": true})).await.ok();
        parked(app, &subscriber, 2).await;
        all.push((tenant, subscriber));
    }
    let fail =
        "insert into webhook_health (tenant_id, webhook_id, state, changed_at, failing_since)
                select tenant_id, id, 'failing', now(), now() from webhooks";
    app.database.execute(fail).await;
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_fail_are_probed_recover_and_are_switched_off_in_numbers() {
    let app = TestApp::present().await;
    let all = failing(&app, ["back", "gone", "off"]).await;
    let (back, gone) = (Arc::<Notify>::default(), Arc::<Notify>::default());
    all[0].1.receiver.script([Reply::status(200).upon(&back)]);
    all[1].1.receiver.script([Reply::status(410).upon(&gone)]);
    let off = format!(
        "update webhooks set active = false, disabled_reason = 'failing' where id = '{}'",
        all[2].1.id
    );
    app.database.execute(&off).await;
    let patient = [("WEBHOOK_TIMEOUT", "2m")];
    let worker = Program::worker(&app.database.worker_url(), &patient).await;
    let counted = [
        (r#"webhooks_unhealthy{state="failing"}"#, 2.0),
        (r#"webhooks_unhealthy{state="disabled"}"#, 1.0),
        ("tenants_newly_failing", 2.0),
        ("webhook_probes_total", 2.0),
        (r#"webhook_health_changes_total{to="healthy"}"#, 0.0),
        (r#"webhook_health_changes_total{to="disabled"}"#, 0.0),
    ];
    shows(&worker, &counted).await;
    back.notify_one();
    gone.notify_one();
    let changed = [
        (r#"webhook_health_changes_total{to="healthy"}"#, 1.0),
        (r#"webhook_health_changes_total{to="disabled"}"#, 1.0),
        (r#"webhook_replayed_total{trigger="redrive"}"#, 1.0),
        (r#"webhook_replayed_total{trigger="replay"}"#, 0.0),
        (r#"webhooks_unhealthy{state="failing"}"#, 0.0),
        (r#"webhooks_unhealthy{state="disabled"}"#, 2.0),
        ("tenants_newly_failing", 0.0),
    ];
    shows(&worker, &changed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_begins_to_fail_is_counted() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    subscriber.receiver.answer(500);
    app.announce(&acme, "contact.created", 1).await;
    let once = [("WEBHOOK_RETRY_SCHEDULE", "50ms")];
    let worker = Program::worker(&app.database.worker_url(), &once).await;
    shows(&worker, &[(r#"webhook_health_changes_total{to="failing"}"#, 1.0)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_in_the_gauges_until_it_is_through_and_what_it_began_is_counted() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    parked(&app, &subscriber, 5).await;
    acme.post(&format!("{}/replays", subscriber.path()), json!({})).await.created();
    let due = "update webhook_replays set due_at = now()";
    app.database.execute(&format!("{due} + interval '1 hour'")).await;
    let worker = Program::worker(&app.database.worker_url(), &[]).await;
    let waiting = [
        (r#"webhook_replays_running{trigger="replay"}"#, 1.0),
        (r#"webhook_replays_remaining{trigger="replay"}"#, 5.0),
        (r#"webhook_replays_running{trigger="redrive"}"#, 0.0),
        (r#"webhook_replays_remaining{trigger="redrive"}"#, 0.0),
        (r#"webhook_replayed_total{trigger="replay"}"#, 0.0),
    ];
    shows(&worker, &waiting).await;
    app.database.execute(due).await;
    let through = [
        (r#"webhook_replayed_total{trigger="replay"}"#, 5.0),
        (r#"webhook_replayed_total{trigger="redrive"}"#, 0.0),
        (r#"webhook_replays_running{trigger="replay"}"#, 0.0),
        (r#"webhook_replays_remaining{trigger="replay"}"#, 0.0),
    ];
    shows(&worker, &through).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_that_end_through_no_fault_of_theirs_are_counted_by_why() {
    let app = TestApp::present().await;
    let acme = app.tenant("acme").await;
    let broken = json!([{"name": "unheard of"}]);
    import(&acme, "?async=true", people(2)).await;
    app.database.execute("update imports set claims = 99").await;
    import(&acme, "?async=true", broken).await;
    let refuse = "alter table contacts add constraint named check (name <> 'unheard of')";
    app.database.execute(refuse).await;
    let worker = Program::worker(&app.database.worker_url(), &[]).await;
    let failed = [
        (r#"imports_failed_total{why="abandoned"}"#, 1.0),
        (r#"imports_failed_total{why="fault"}"#, 1.0),
    ];
    shows(&worker, &failed).await;
    assert_eq!(acme.get(&format!("{IMPORTS}?status=failed")).await.page().pagination["total"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_loses_the_database_says_so_in_numbers_and_says_when_it_hears_again() {
    let app = TestApp::present().await;
    let worker = Program::worker(&app.database.worker_url(), &[]).await;
    let hears = "worker_hears_events";
    let claiming = r#"worker_database_errors_total{doing="claiming"}"#;
    shows(&worker, &[(hears, 1.0), (claiming, 0.0)]).await;
    let limit = async |connections: i32| {
        let name = app.database.name();
        let sql = format!("alter database {name} connection limit {connections}");
        app.database.execute(&sql).await;
    };
    // Of all but superusers.
    limit(0).await;
    app.database
        .execute(
            "select pg_terminate_backend(pid, 60000) from pg_stat_activity
             where usename = 'crm_worker' and datname = current_database()",
        )
        .await;
    shows(&worker, &[(hears, 0.0)]).await;
    let counted = async || sample(&worker.admin("/metrics").await.1, claiming) > Some(0.0);
    until("an error is counted", counted).await;
    limit(-1).await;
    shows(&worker, &[(hears, 1.0)]).await;
}

/// Asks for tokens, and expects these of the answer.
async fn pair(api: &Program, path: &str, body: &Value, status: u16) -> Value {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = format!("{}/api/v1/auth/{path}", api.url());
    let answer = client.post(url).json(body).send().await.unwrap();
    assert_eq!(answer.status(), status);
    answer.json::<Value>().await.unwrap()["data"].take()
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_open_and_refresh_tokens_that_come_twice_are_counted() {
    let app = TestApp::present().await;
    app.demo("demo").await;
    let acme = app.tenant("acme").await;
    let api = Program::api(&app.database.app_url(), &[("DEMO_LOGIN", "true")]).await;
    let acme = acme.through(api.url());
    shows(&api, &[("event_streams", 0.0), ("refresh_tokens_reused_total", 0.0)]).await;
    let follow =
        async || EventStream::of(acme.request(Method::GET, "/api/v1/events/stream?after=0")).await;
    let (first, second) = (follow().await, follow().await);
    shows(&api, &[("event_streams", 2.0)]).await;
    drop(first);
    shows(&api, &[("event_streams", 1.0)]).await;
    drop(second);
    shows(&api, &[("event_streams", 0.0)]).await;

    let first = pair(&api, "demo-login", &json!({}), 200).await;
    let used = json!({"refreshToken": first["refreshToken"]});
    pair(&api, "refresh", &used, 200).await;
    app.database.execute("update refresh_tokens set used_at = used_at - interval '1 minute'").await;
    pair(&api, "refresh", &used, 401).await;
    shows(&api, &[("refresh_tokens_reused_total", 1.0)]).await;
}
