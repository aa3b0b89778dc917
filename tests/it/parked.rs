//! What waits for its time is in no claim's way, however many receivers are down.

use chrono::TimeDelta;
use tests::kit::{Reply, TestApp};
use worker::queue::{Caps, Claims, Filled, Slots, claim};

const LEASE: TimeDelta = TimeDelta::minutes(1);

async fn in_turn(app: &TestApp) -> i64 {
    sqlx::query_scalar(
        "select count(*) from webhooks_in_turn('00000000-0000-0000-0000-000000000000')",
    )
    .fetch_one(app.database.admin())
    .await
    .unwrap()
}

#[tokio::test]
async fn a_webhook_whose_retries_wait_is_passed_over_until_one_is_due() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.webhook("http://127.0.0.1:9/", &["*"]).await; // nobody listens there
    app.announce(&acme, "contact.created", 3).await;
    let mut worker = app.worker();
    worker.drain().await.unwrap();
    assert_eq!(in_turn(&app).await, 0);

    app.advance(TimeDelta::seconds(119));
    let slots = Slots::new(Caps { total: 64, per_webhook: 64, per_tenant: 64 }, None);
    assert!(claim(&app.worker_db(), &slots, LEASE, None).await.unwrap().claimed.is_empty());
    app.advance(TimeDelta::seconds(2));
    assert_eq!(claim(&app.worker_db(), &slots, LEASE, None).await.unwrap().claimed.len(), 3);
    assert_eq!(in_turn(&app).await, 1, "what is under way is not parked");
}

#[tokio::test]
async fn retries_of_somebody_who_cannot_take_them_do_not_stand_in_front_of_anothers() {
    let app = TestApp::start().await;
    let (busy, calm) = (app.tenant("busy").await, app.tenant("calm").await);
    busy.webhook("http://127.0.0.1:9/", &["*"]).await;
    let calms = calm.subscribe(&["*"]).await;
    calms.receiver.script([Reply::status(500)]);
    app.announce(&busy, "contact.created", 1_200).await;
    app.worker().drain().await.unwrap();
    app.announce(&calm, "contact.created", 1).await;
    app.worker().drain().await.unwrap();
    app.database.execute("update webhooks set active = false where url like '%:9/'").await;
    app.advance(TimeDelta::minutes(3));

    let slots = Slots::new(Caps { total: 64, per_webhook: 64, per_tenant: 64 }, None);
    let claims = Claims::new(slots, LEASE);
    let mut claimed = Vec::new();
    loop {
        let Filled { claimed: some, parked, .. } = claims.claim(&app.worker_db()).await.unwrap();
        claimed.extend(some);
        if !parked {
            break;
        }
    }
    assert_eq!(claimed.len(), 1, "without waiting, and only what can go");
}

#[tokio::test]
async fn a_lease_that_ends_without_an_outcome_is_not_parked() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.webhook("http://127.0.0.1:9/", &["*"]).await;
    app.announce(&acme, "contact.created", 1).await;
    app.worker().drain().await.unwrap();
    app.advance(TimeDelta::minutes(2) + TimeDelta::seconds(1));
    let slots = || Slots::new(Caps { total: 64, per_webhook: 64, per_tenant: 64 }, None);
    assert_eq!(claim(&app.worker_db(), &slots(), LEASE, None).await.unwrap().claimed.len(), 1);
    app.advance(LEASE + TimeDelta::seconds(1)); // the worker died
    assert_eq!(in_turn(&app).await, 1);
    assert_eq!(claim(&app.worker_db(), &slots(), LEASE, None).await.unwrap().claimed.len(), 1);
}
