//! Real processes that die half-way.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;
use tests::kit::{CONTACTS, Hold, Stage};

const ROWS: usize = 6_000;
const PATIENCE: Duration = Duration::from_mins(3);

async fn count(stage: &Stage, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(stage.admin()).await.unwrap()
}

/// Somebody else who is about to have the external id of the row half-way: no worker gets past it.
async fn half_way(stage: &Stage) -> Hold {
    let insert = format!(
        "set local session_replication_role = replica; -- past the triggers, and what those lock
         insert into contacts (tenant_id, id, name, external_id, created_at, updated_at)
         select id, gen_random_uuid(), 'Ada', '{}', now(), now() from tenants",
        ROWS / 2
    );
    stage.hold(&insert).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_killed_half_way_loses_no_row_and_doubles_none() {
    let mut stage = Stage::start(&[]).await;
    let mut file = String::new();
    for n in 0..ROWS {
        writeln!(file, "{{\"name\":\"Person {n}\",\"externalId\":\"{n}\"}}").unwrap();
    }
    let mut half_way = Some(half_way(&stage).await);
    let answer = stage
        .caller
        .request(Method::POST, &format!("{CONTACTS}/import"))
        .header("content-type", "application/x-ndjson")
        .body(file)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 202);
    let import: Value = answer.json().await.unwrap();
    let path = format!("{CONTACTS}/imports/{}", import["data"]["id"].as_str().unwrap());

    let deadline = Instant::now() + PATIENCE;
    let (mut kills, mut seen) = (0, 0);
    loop {
        let status: String = sqlx::query_scalar("select status from imports")
            .fetch_one(stage.admin())
            .await
            .unwrap();
        if status == "completed" {
            break;
        }
        assert!(Instant::now() < deadline, "{status}\n{}", stage.worker.last_lines());
        let processed = count(&stage, "select processed::bigint from imports").await;
        if processed > seen && kills < 3 {
            seen = processed;
            kills += 1;
            stage.worker.kill9().await;
            if let Some(half_way) = half_way.take() {
                half_way.release().await;
            }
            stage.worker.restart().await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(kills > 0);
    let rows = i64::try_from(ROWS).unwrap();
    assert_eq!(count(&stage, "select count(*) from contacts").await, rows);
    assert_eq!(count(&stage, "select count(distinct name) from contacts").await, rows);
    assert_eq!(
        count(&stage, "select count(*) from audit_log where action = 'contact.created'").await,
        rows
    );
    while count(&stage, "select count(*) from outbox").await > 0 {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // The stage has one webhook, which hears of everything.
    assert_eq!(count(&stage, "select count(*) from webhook_events").await, rows);
    let told = "select count(distinct body->'data'->>'id') from webhook_events";
    assert_eq!(count(&stage, told).await, rows);
    let answer = stage.caller.request(Method::GET, &path).send().await.unwrap();
    let done: Value = answer.json().await.unwrap();
    assert_eq!(done["data"]["created"], rows);
    println!("{kills} kills");
}
