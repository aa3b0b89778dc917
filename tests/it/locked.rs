//! Rows that somebody keeps locked, such as a session with `update webhook_events` and no commit.

use tests::kit::{Program, TestApp, expire_leases, until};

#[tokio::test(flavor = "multi_thread")]
async fn one_delivery_that_somebody_holds_for_longer_than_a_lease_keeps_no_others_outcome_waiting()
{
    let app = TestApp::present().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let (stuck, free) = (acme.subscribe(&["*"]).await, other.subscribe(&["*"]).await);
    app.announce(&acme, "contact.created", 1).await;
    app.worker().relay().await.unwrap();
    let hold = app.database.hold("select from webhook_events for update").await;
    // A lease is 30 s and the time of a request.
    let mut worker =
        Program::worker(&app.database.worker_url(), &[("WEBHOOK_TIMEOUT", "1s")]).await;
    // Its own outcome is claimed and made again after each lease, and waits like the first: more of them than there are
    // transactions.
    for sent in 1..=3 {
        stuck.receiver.wait_for(sent).await;
        app.announce(&other, "contact.created", 1).await;
        free.receiver.wait_for(sent).await;
        app.wait_until("delivered", i64::try_from(sent).unwrap()).await;
        expire_leases(app.database.admin()).await;
    }
    assert_eq!(free.receiver.calls().len(), 3);

    hold.release().await;
    until("it is written", async || app.count("pending").await == 0).await;
    assert!(worker.stop().await.success(), "{}", worker.last_lines());
}
