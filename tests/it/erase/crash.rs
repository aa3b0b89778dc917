//! A history of thousands of events, and a worker that dies again and again.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};
use tests::kit::{CONTACTS, Stage};

use super::scan::hits;

const EVENTS: i64 = 4_000;
const PATIENCE: Duration = Duration::from_mins(3);
const MARK: &str = "Qzvmark";

/// Gives the contact a long history: changes, events, deliveries to the stage's one webhook, an attempt of each.
async fn grow(stage: &Stage, contact: &str) {
    let sql = format!(
        "create temp table history as
             select n, (lpad(to_hex((extract(epoch from now()) * 1000)::bigint + n), 12, '0') || '7000'
                        || '8' || lpad(to_hex(n), 15, '0'))::uuid as id
             from generate_series(1, {EVENTS}) n;
         insert into audit_log (tenant_id, id, actor_type, action, record_type, record_id, before, after, created_at)
         select t.id, h.id, 'system', 'contact.updated', 'contact', '{contact}', '{{\"name\":\"{MARK}\"}}',
                '{{\"name\":\"{MARK}\"}}', now() + n * interval '1 ms' from history h, tenants t;
         insert into events (tenant_id, id, sequence, event, record, version, payload, occurred_at)
         select t.id, h.id, 1000 + n, 'contact.updated', '{contact}', n,
                json_build_object('id', '{contact}', 'name', '{MARK}', 'version', n), now() from history h, tenants t;
         insert into webhook_events (tenant_id, id, webhook_id, occurrence_id, sequence, event, body, status, created_at)
         select t.id, delivery_id(h.id, w.id), w.id, h.id, 1000 + n, 'contact.updated',
                json_build_object('id', h.id, 'data', json_build_object('id', '{contact}', 'name', '{MARK}')), 'failed', now()
         from history h, tenants t, webhooks w;
         insert into webhook_attempts (tenant_id, delivery_id, id, cycle, attempt, trigger, started_at, latency_ms, excerpt)
         select t.id, delivery_id(h.id, w.id), h.id, 1, 1, 'automatic', now(), 7, '{MARK}' from history h, tenants t, webhooks w"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(stage.admin()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_half_way_leaves_nothing_and_counts_everything_once() {
    let mut stage = Stage::start(&[]).await;
    let (status, contact) = stage.caller.post(CONTACTS, &json!({"name": "Ada"})).await.unwrap();
    assert_eq!(status, 201);
    stage.receiver.wait_for(1).await;
    let id = contact["data"]["id"].as_str().unwrap().to_owned();
    grow(&stage, &id).await;
    // No worker gets past an event half-way before one is killed.
    let half_way = format!("select from events where sequence = 1000 + {} for update", EVENTS / 2);
    let mut half_way = Some(stage.hold(&half_way).await);
    let path = format!("{CONTACTS}/{id}/erase");
    let (status, erasure) = stage.caller.post(&path, &json!({})).await.unwrap();
    assert_eq!(status, 202, "{erasure:#}");
    let path = format!("/api/v1/erasures/{}", erasure["data"]["id"].as_str().unwrap());

    let deadline = Instant::now() + PATIENCE;
    let (mut kills, mut seen) = (0, Value::Null);
    let done = loop {
        let answer = stage.caller.request(Method::GET, &path).send().await.unwrap();
        let now: Value = answer.json().await.unwrap();
        let now = now["data"].clone();
        if now["status"] == "completed" {
            break now;
        }
        assert!(Instant::now() < deadline, "{now:#}\n{}", stage.worker.last_lines());
        if now != seen && now["events"] != 0 && kills < 4 {
            seen = now.clone();
            kills += 1;
            stage.worker.kill9().await;
            if let Some(half_way) = half_way.take() {
                half_way.release().await;
            }
            stage.worker.restart().await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(kills > 0);
    for count in ["events", "deliveries", "auditEntries", "attempts"] {
        assert_eq!(done[count], EVENTS + 1, "{count}: {done:#}");
    }
    assert_eq!(hits(stage.admin(), &[MARK]).await, Vec::<String>::new());
}
