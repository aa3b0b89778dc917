//! Commits that took effect though nobody heard so.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use shared::id::AttemptId;
use tests::kit::TestApp;
use tokio_util::sync::CancellationToken;
use worker::background::Wakeup;
use worker::queue::{Caps, Slots, claim};
use worker::record::{AttemptRecord, Report, recorder};
use worker::retry::Next;

/// How long a claim holds.
const LEASE: TimeDelta = TimeDelta::seconds(60);

/// An attempt that was accepted.
fn accepted(now: DateTime<Utc>) -> Report {
    let attempt = AttemptRecord {
        id: AttemptId::fresh(now),
        attempt: 1,
        started: now,
        latency: Duration::ZERO,
        first_byte: None,
        status_code: Some(200),
        error_code: None,
        error: None,
        excerpt: None,
        detail: "{}".to_owned(),
    };
    Report { next: Next::Done, ended: now, waited_since: now, held_until: None, attempt }
}

#[tokio::test]
async fn outcomes_whose_commit_nobody_heard_of_are_not_written_again_and_cost_no_other_its_own() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = acme.subscribe(&["*"]).await;
    app.announce(&acme, "contact.created", 3).await;
    app.worker().relay().await.unwrap();
    let (db, (records, mut recorder)) = (app.worker_db(), recorder());
    let slots = Slots::new(Caps { total: 8, per_webhook: 8, per_tenant: 8 }, None);
    let mut claimed = claim(&db, &slots, LEASE, None).await.unwrap().claimed;
    let [third, mut again, first] = [(); 3].map(|()| claimed.pop().unwrap());
    let (report, id, lease) = (accepted(app.clock.now()), first.delivery.id, first.delivery.lease);
    records.report(report.clone(), first.delivery, first.slot);
    assert_eq!(recorder.flush(&db).await.unwrap(), 1);

    (again.delivery.id, again.delivery.lease) = (id, lease);
    records.report(report, again.delivery, again.slot);
    let beside = third.delivery.id;
    records.report(accepted(app.clock.now()), third.delivery, third.slot);
    let stop = CancellationToken::new();
    stop.cancel();
    // It tries again for ten seconds what it cannot write, and leaves it then.
    recorder.run(db, Wakeup::default(), stop).await;
    let deliveries = subscriber.deliveries().await;
    let logged = |one: &Value| one["attemptLog"].as_array().unwrap().len();
    for id in [id, beside] {
        let one = deliveries.iter().find(|one| one["id"] == id.to_string()).unwrap();
        assert_eq!((one["status"].as_str(), logged(one)), (Some("delivered"), 1));
    }
}
