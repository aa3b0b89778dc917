//! What waits in lines costs the claim nothing.

use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use tests::kit::TestApp;
use uuid::Uuid;

use super::{broken_lines, ordered};

/// Rows behind the first of each line.
const WAITING: i32 = 10_000;
const LINES: i32 = 10;

/// The most rows of the queue that any step of a plan has looked at.
fn most_read(plan: &Value) -> f64 {
    let rows = |member: &str| plan[member].as_f64().unwrap_or_default();
    let removed = rows("Rows Removed by Filter") + rows("Rows Removed by Index Recheck");
    let own = match plan["Relation Name"].as_str() {
        Some("webhook_queue") => (rows("Actual Rows") + removed) * rows("Actual Loops"),
        _ => 0.0,
    };
    let parts = plan["Plans"].as_array().into_iter().flatten();
    parts.map(most_read).fold(own, f64::max)
}

#[tokio::test]
async fn a_claim_looks_at_no_more_rows_when_ten_thousand_wait_in_lines() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = ordered(&acme).await;
    sqlx::query(
        "insert into webhook_queue (tenant_id, id, webhook_id, next_retry, record, sequence)
         select $1, delivery_id(gen_random_uuid(), $2), $2, case when n <= $5 then $3 else in_line() end,
                md5((n % $5)::text)::uuid, n
         from generate_series(1, $4 + $5) n",
    )
    .bind(acme.id.0)
    .bind(subscriber.id)
    .bind(app.clock.now())
    .bind(WAITING)
    .bind(LINES)
    .execute(app.database.admin())
    .await
    .unwrap();
    assert_eq!(broken_lines(&app).await, 0);

    let claim = include_str!("../../../worker/src/queue/claim.sql");
    let explain = format!("explain (analyze, timing off, format json) {claim}");
    let mut session = PgConnection::connect(&app.database.worker_url()).await.unwrap();
    for off in ["seqscan", "hashjoin", "mergejoin"] {
        let off = format!("set enable_{off} = off");
        sqlx::query(sqlx::AssertSqlSafe(off)).execute(&mut session).await.unwrap();
    }
    let (none, now) = (Vec::<Uuid>::new(), app.clock.now());
    let plan: Value = sqlx::query_scalar(sqlx::AssertSqlSafe(explain))
        .bind(&none)
        .bind(Vec::<i32>::new())
        .bind(&none)
        .bind(Vec::<i32>::new())
        .bind(32_i32)
        .bind(64_i32)
        .bind(now)
        .bind(128_i64)
        .bind(Uuid::nil())
        .bind(Uuid::from_u128(1))
        .bind(now + chrono::TimeDelta::seconds(60))
        .bind(1_i32)
        .fetch_one(&mut session)
        .await
        .unwrap();
    let read = most_read(&plan[0]["Plan"]);
    assert!((1.0..=40.0).contains(&read), "{read} rows of the queue: {plan:#}");
}
