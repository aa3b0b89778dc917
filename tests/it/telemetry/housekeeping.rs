//! When housekeeping was done last.

use tests::kit::{Database, Program, sample, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_round_of_housekeeping_that_fails_half_way_does_not_count_as_one() {
    let database = Database::migrated().await;
    database.execute("revoke delete on idempotency_keys from crm_worker").await;
    let worker = Program::worker(&database.worker_url(), &[]).await;
    let failed = || worker.log().matches("housekeeping failed; trying again").count();
    let done = async || {
        let (_, text) = worker.admin("/metrics").await;
        sample(&text, "housekeeping_timestamp_seconds")
    };
    until("a round has failed", async || failed() >= 1).await;
    let began = done().await;
    until("two more have failed", async || failed() >= 3).await;
    assert!(began.is_some() && done().await == began);
    database.execute("grant delete on idempotency_keys to crm_worker").await;
    until("a round is done", async || done().await > began).await;
}
