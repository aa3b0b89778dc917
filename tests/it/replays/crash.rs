//! A worker that is killed in the middle.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;
use shared::Clock;
use tests::kit::{Stage, WEBHOOKS, expire_leases};
use uuid::Uuid;

use super::Past;

const ROWS: i32 = 3_000;
const PATIENCE: Duration = Duration::from_mins(3);

async fn number(stage: &Stage, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(stage.admin()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_delivery_gets_exactly_one_new_cycle_although_the_worker_is_killed_again_and_again() {
    let mut stage = Stage::start(&[]).await;
    let webhook: Uuid =
        sqlx::query_scalar("select id from webhooks").fetch_one(stage.admin()).await.unwrap();
    let from = Clock::system().now() - TimeDelta::hours(1);
    let event = "contact.created";
    Past { webhook, status: "failed", event, from, count: ROWS }.plant(stage.admin()).await;
    // No worker gets past a delivery half-way before one is killed.
    let half_way = format!(
        "select from webhook_events
         where id = (select id from webhook_events order by created_at offset {} limit 1) for update",
        ROWS / 2
    );
    let mut half_way = Some(stage.hold(&half_way).await);
    let path = format!("{WEBHOOKS}/{webhook}/replays");
    let (status, replay) = stage.caller.post(&path, &json!({"rate": 1000})).await.unwrap();
    assert_eq!((status, &replay["data"]["total"]), (201, &json!(ROWS)));

    let deadline = Instant::now() + PATIENCE;
    let (mut kills, mut seen) = (0, 0);
    while number(&stage, "select count(*) from webhook_replays where state = 'running'").await > 0 {
        assert!(Instant::now() < deadline, "{}", stage.worker.last_lines());
        let replayed = number(&stage, "select replayed from webhook_replays").await;
        let begun = number(&stage, "select count(*) from webhook_events where cycle = 2").await;
        assert!(replayed >= seen, "progress never goes back");
        assert!(begun >= replayed, "what was counted was begun");
        if replayed > seen && kills < 4 {
            (seen, kills) = (replayed, kills + 1);
            stage.worker.kill9().await;
            if let Some(half_way) = half_way.take() {
                half_way.release().await;
            }
            expire_leases(stage.admin()).await;
            stage.worker.restart().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(kills > 0);
    while number(&stage, "select count(*) from webhook_queue").await > 0 {
        assert!(Instant::now() < deadline, "{}", stage.worker.last_lines());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let rows = i64::from(ROWS);
    let cycles = "select count(*) from webhook_events where cycle = 2 and status = 'delivered' and trigger = 'replay'";
    assert_eq!(number(&stage, cycles).await, rows);
    let counted = "select count(*) from webhook_replays where replayed = total and delivered = total and state = 'completed'";
    assert_eq!(number(&stage, counted).await, 1);
    let calls = stage.receiver.calls();
    let ids: BTreeSet<_> = calls.iter().map(|call| call.header("webhook-id")).collect();
    assert_eq!(ids.len(), ROWS.unsigned_abs() as usize);
    // Requests that were under way when the worker died are made again.
    let most = ids.len() + kills * 128;
    assert!(calls.len() <= most, "{} requests", calls.len());
}
