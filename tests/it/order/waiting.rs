//! What waits for what, and until when.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::kit::TestApp;

use super::{Heard, broken_lines, change, contact, each, ordered, queued};

#[tokio::test]
async fn what_follows_a_failed_delivery_waits_for_it_and_other_records_do_not() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = ordered(&acme).await;
    let mut failures = 2;
    let (slow, quick) = (contact(&acme).await, contact(&acme).await);
    let fails = slow.clone();
    let heard = Heard::at(&subscriber, move |record, _| {
        failures -= i32::from(record == fails);
        record != fails || failures < 0
    });
    change(&acme, &slow, 2).await;
    change(&acme, &quick, 2).await;
    let mut worker = app.worker();
    worker.drain().await.unwrap();
    assert_eq!(heard.of(&quick), [(1, true), (2, true), (3, true)], "at once, one after the other");
    assert_eq!(heard.of(&slow), [(1, false)]);
    let held = json!("record_order");
    let reasons = each(&subscriber, "heldReason").await;
    assert_eq!(reasons.iter().filter(|reason| **reason == held).count(), 2);
    let (status, retries) =
        (each(&subscriber, "status").await, each(&subscriber, "nextRetry").await);
    for (reason, (status, retry)) in reasons.iter().zip(status.iter().zip(&retries)) {
        assert!(*reason != held || (status, retry) == (&json!("pending"), &Value::Null));
    }

    for (minutes, attempts) in [(2, 1), (4, 3)] {
        app.advance(TimeDelta::minutes(minutes) - TimeDelta::milliseconds(1));
        assert_eq!(worker.drain().await.unwrap(), 0);
        app.advance(TimeDelta::milliseconds(1));
        assert_eq!(worker.drain().await.unwrap(), attempts);
    }
    assert_eq!(heard.taken(&slow), [1, 2, 3]);
    assert_eq!(queued(&app).await, 0);
}

#[tokio::test]
async fn a_delivery_that_is_given_up_lets_the_next_go() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = ordered(&acme).await;
    let heard = Heard::at(&subscriber, |_, version| version != 1);
    let contact = contact(&acme).await;
    change(&acme, &contact, 1).await;
    let mut worker = app.worker();
    for minutes in [0, 2, 4, 8, 16] {
        assert_eq!(heard.taken(&contact), [0; 0]);
        app.advance(TimeDelta::minutes(minutes));
        worker.drain().await.unwrap();
    }
    assert_eq!(each(&subscriber, "status").await, ["failed", "delivered"]);
    assert_eq!((heard.taken(&contact), queued(&app).await), (vec![2], 0));
}

#[tokio::test]
async fn what_a_dead_worker_had_claimed_is_still_before_what_follows() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = ordered(&acme).await;
    let heard = Heard::at(&subscriber, |_, _| true);
    let contact = contact(&acme).await;
    change(&acme, &contact, 2).await;
    let (dead, mut alive) = (app.worker(), app.worker());
    dead.relay().await.unwrap();
    let claimed = dead.claim().await.unwrap();
    assert_eq!(claimed.len(), 1, "one at a time");
    drop(claimed);
    assert_eq!(alive.drain().await.unwrap(), 0);
    app.advance(TimeDelta::seconds(60));
    assert_eq!(alive.drain().await.unwrap(), 3);
    assert_eq!(heard.taken(&contact), [1, 2, 3]);
}

#[tokio::test]
async fn what_is_handed_back_stays_the_first() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = ordered(&acme).await;
    let heard = Heard::at(&subscriber, |_, _| true);
    let contact = contact(&acme).await;
    change(&acme, &contact, 1).await;
    let mut worker = app.worker();
    worker.relay().await.unwrap();
    let (records, mut recorder) = worker::record::recorder();
    for claimed in worker.claim().await.unwrap() {
        records.hand_back(claimed);
    }
    assert_eq!(recorder.flush(&app.worker_db()).await.unwrap(), 1);
    assert_eq!(broken_lines(&app).await, 0);
    assert_eq!(worker.drain().await.unwrap(), 2);
    assert_eq!(heard.taken(&contact), [1, 2]);
}

#[tokio::test]
async fn a_resend_is_outside_the_order_and_nobody_waits_for_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = ordered(&acme).await;
    let contact = contact(&acme).await;
    let mut taken = 0;
    let heard = Heard::at(&subscriber, move |_, version| {
        taken += 1;
        // The first time it is taken, and the second version on its second attempt.
        taken == 1 || version == 3 || taken > 3
    });
    let mut worker = app.worker();
    worker.drain().await.unwrap();
    let first = subscriber.only_delivery().await;
    change(&acme, &contact, 2).await;
    worker.drain().await.unwrap();
    assert_eq!(heard.of(&contact), [(1, true), (2, false)]);

    // It is sent while another waits to be tried again, and fails too.
    subscriber.resend(&first).await.ok();
    worker.drain().await.unwrap();
    assert_eq!(heard.of(&contact)[2..], [(1, false)]);
    app.advance(TimeDelta::minutes(2));
    worker.drain().await.unwrap();
    assert_eq!(heard.taken(&contact).len(), 4, "{:?}", heard.of(&contact));
    assert_eq!(queued(&app).await, 0);
}

#[tokio::test]
async fn events_of_no_record_have_no_order() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let subscriber = ordered(&acme).await;
    subscriber.receiver.script([500; 3]);
    app.announce(&acme, "contact.created", 3).await;
    assert_eq!(app.worker().drain().await.unwrap(), 3);
}
