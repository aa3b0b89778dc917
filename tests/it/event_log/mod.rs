//! The event log: every event once, in order, for as long as it is to be kept.

mod about;
mod absent;
mod fan;
mod feed;
mod lookups;
mod order;
mod outcomes;
mod places;
mod retention;
mod stream;
mod windows;

use serde_json::Value;
use sqlx::AssertSqlSafe;
use tests::kit::{Tenant, TestApp};
use tokio::task::JoinHandle;

const EVENTS: &str = "/api/v1/events";

/// The numbers of some events.
fn numbers(events: &[Value]) -> Vec<i64> {
    events.iter().map(|event| event["sequence"].as_i64().unwrap()).collect()
}

/// One page of a tenant's feed: its events, and the number to go on with.
pub(crate) async fn page(tenant: &Tenant, query: &str) -> (Vec<Value>, i64) {
    let feed = tenant.get(&format!("{EVENTS}?{query}")).await.ok();
    (feed["events"].as_array().unwrap().clone(), feed["next"].as_i64().unwrap())
}

/// Everything behind a number, page by page.
async fn follow(tenant: &Tenant, mut after: i64, limit: usize) -> Vec<Value> {
    let mut all = Vec::new();
    loop {
        let feed = tenant.get(&format!("{EVENTS}?after={after}&limit={limit}")).await.ok();
        all.extend(feed["events"].as_array().unwrap().iter().cloned());
        after = feed["next"].as_i64().unwrap();
        if feed["hasMore"] == false {
            return all;
        }
    }
}

/// Begins a relay that waits for its turn, so that what it has read is older than its lock. In the program that is a
/// moment: there the statement does not wait.
pub(crate) fn relay_late(app: &TestApp) -> JoinHandle<()> {
    let lock = worker::relay::RELAYING.to_string();
    let (none, now) = ("'{}'::uuid[]", "now()");
    let (words, never) = ("'{}'::text[]", "null::timestamptz");
    let values = ["500", words, "50", "0", none, none, "null", never, now, &lock, "5000", none];
    let mut sql = include_str!("../../../worker/src/relay.sql").replace(
        "pg_try_advisory_xact_lock($10)",
        "(pg_advisory_xact_lock($10) is null) is not null",
    );
    for (place, value) in values.iter().enumerate().rev() {
        sql = sql.replace(&format!("${}", place + 1), value);
    }
    let admin = app.database.admin().clone();
    tokio::spawn(async move {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&admin).await.unwrap();
    })
}
